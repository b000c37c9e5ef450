# SPDX-License-Identifier: Apache-2.0
"""Which card is chosen, from what a Pi, a laptop and a wrong driver say of theirs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sound.outputs.cards import (
    Card,
    Choice,
    Kind,
    Seen,
    choices,
    edid_hears,
    kind_of,
    listed,
    listeners,
    look,
)

HAT = Card("sndrpihifiberry", "RPi-simple", ((0, "HifiBerry DAC HiFi pcm5102a-hifi-0"),))
USB = Card("Device", "USB-Audio", ((0, "USB Audio"),))
JACK = Card("Headphones", "bcm2835_headpho", ((0, "bcm2835 Headphones"),))
PLAYS = (
    "monitor_present\t\t1\neld_valid\t\t1\nmonitor_name\t\tDELL U2720Q\nsad_count\t\t1\nsad0_channels\t\t2\n"
)
SILENT = "monitor_present\t\t1\neld_valid\t\t1\nmonitor_name\t\tA projector\nsad_count\t\t0\n"
ABSENT = "monitor_present\t\t0\neld_valid\t\t0\n"
EDID_PLAYS = bytes([0x00, *[0xFF] * 6, 0x00, *[0] * 118, 1, 0]) + bytes([2, 3, 4, 0x40, *[0] * 124])
EDID_SILENT = EDID_PLAYS[:131] + bytes([0x30]) + EDID_PLAYS[132:]


def hdmi(*elds: str, edid: bytes = b"") -> Card:
    return Card("vc4hdmi0", "vc4-hdmi", ((0, "MAI PCM i2s-hifi-0"),), elds, edid)


PLUGHW = [
    "plughw:CARD=sndrpihifiberry,DEV=0",
    "plughw:CARD=Device,DEV=0",
    "plughw:CARD=Headphones,DEV=0",
    "sysdefault:CARD=vc4hdmi0",
]


def devices(*cards: Card, server: bool = False) -> list[str]:
    return [choice.device for choice in choices(Seen(cards, server))]


@given(st.permutations([HAT, USB, JACK, hdmi(PLAYS)]))
def test_the_preference_is_the_same_in_whatever_order_they_are_found(cards: list[Card]) -> None:
    assert devices(*cards) == PLUGHW


CARDS = st.builds(
    Card,
    st.sampled_from(["A", "B", "vc4hdmi0", "vc4hdmi1", "PCH"])
    | st.from_regex(r"[A-Za-z0-9_]{1,15}", fullmatch=True),
    st.sampled_from(["USB-Audio", "vc4-hdmi", "HDA-Intel", "RPi-simple", "Loopback", "bcm2835_headpho"]),
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["ALC257 Analog", "HDMI 0", ""])),
        max_size=3,
        unique_by=lambda device: device[0],
    ).map(tuple),
    st.lists(st.sampled_from([PLAYS, SILENT, ABSENT]) | st.text(), max_size=3).map(tuple),
    st.sampled_from([b"", EDID_PLAYS, EDID_SILENT]),
)


@given(st.lists(CARDS, max_size=5, unique_by=lambda card: card.id), st.booleans())
def test_for_any_cards_the_choices_keep_their_promises(cards: list[Card], server: bool) -> None:
    found = choices(Seen(tuple(cards), server))
    assert len(set(found)) == len(found)
    names = {card.id: card for card in cards}
    for choice in found:
        assert ("CARD=" in choice.device) or choice.device == "default"
        if choice.device != "default":
            card = names[choice.device.partition("CARD=")[2].partition(",")[0]]
            assert card.driver != "Loopback"
            assert card.driver != "vc4-hdmi" or any(listeners(card))
    assert (found[:1] == [Choice("default", "the system's default")]) is (server or not cards)
    assert found == choices(Seen(tuple(reversed(cards)), server))


@pytest.mark.parametrize(
    ("card", "chosen"),
    [
        (hdmi(PLAYS), ["sysdefault:CARD=vc4hdmi0"]),
        (hdmi(PLAYS.replace("monitor_present\t\t1\n", "")), ["sysdefault:CARD=vc4hdmi0"]),
        (hdmi(SILENT), []),
        (hdmi(ABSENT), []),
        (hdmi("sad_count\t\tmany\n"), []),
        (hdmi(edid=EDID_PLAYS), ["sysdefault:CARD=vc4hdmi0"]),
        (hdmi(edid=EDID_SILENT), []),
        (hdmi(edid=EDID_PLAYS[:200]), []),
        (hdmi(), []),
        (hdmi(ABSENT, edid=EDID_PLAYS), []),  # the card's own ELD counts
    ],
)
def test_hdmi_needs_a_listener(card: Card, chosen: list[str]) -> None:
    assert devices(card) == chosen


def test_a_laptop_has_sound_built_in_and_many_sockets() -> None:
    sockets = ((3, "HDMI 0"), (7, "HDMI 1"), (0, "ALC257 Analog"), (8, "HDMI 2"))
    laptop = Card("PCH", "HDA-Intel", tuple(sorted(sockets)), (ABSENT, PLAYS, ABSENT))
    assert devices(laptop) == ["plughw:CARD=PCH,DEV=0", "plughw:CARD=PCH,DEV=7"]
    assert devices(laptop, server=True)[0] == "default"


def test_a_loopback_and_a_camera_are_no_cards_to_play_on() -> None:
    assert devices(Card("Loopback", "Loopback", ((0, "Loopback PCM"),)), Card("C920", "USB-Audio")) == []


def test_without_a_card_the_default_can_be_something_else() -> None:
    assert devices() == ["default"]


@pytest.mark.parametrize(
    ("driver", "name", "kind"),
    [
        ("bcm2835_hdmi", "bcm2835 HDMI 1", Kind.HDMI),
        ("HDA-NVidia", "DisplayPort 2", Kind.HDMI),
        ("sof-hda-dsp", "HDA Analog (*)", Kind.BUILT_IN),
        ("simple-card", "fe203000.i2s-pcm5102a", Kind.HAT),
        ("Dummy", "Dummy PCM", None),
    ],
)
def test_what_a_card_is(driver: str, name: str, kind: Kind | None) -> None:
    assert kind_of(Card("x", driver), name) is kind


@given(st.binary(max_size=600))
def test_any_edid_has_an_answer(edid: bytes) -> None:
    assert edid_hears(edid) in (True, False)


@given(st.text())
def test_any_list_has_an_answer(text: str) -> None:
    for number, name, driver in listed(text):
        assert number >= 0
        assert name
        assert driver


# --- reading ------------------------------------------------------------------------------------------------

PI = """\
 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0
                      vc4-hdmi-0
 1 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi
                      vc4-hdmi
 2 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 3 [sndrpihifiberry]: RPi-simple - snd_rpi_hifiberry_dac
                      snd_rpi_hifiberry_dac
 4 [C920           ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-0000:01:00.0-1.1, high speed
"""


def tree(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def info(device: int, name: str) -> str:
    return f"card: 0\ndevice: {device}\nsubdevice: 0\nstream: PLAYBACK\nid: {name}\nname: \nsubname: subdevice #0\n"


def test_a_pi_is_read(tmp_path: Path) -> None:
    proc = tree(
        tmp_path / "asound",
        {
            "cards": PI,
            "card0/pcm0p/info": info(0, "MAI PCM i2s-hifi-0"),
            "card0/eld#0": PLAYS,
            "card1/pcm0p/info": info(0, "MAI PCM i2s-hifi-0"),
            "card2/pcm0p/info": info(0, "bcm2835 Headphones"),
            "card2/pcm1p/info": "torn",
            "card3/pcm0p/info": info(0, "HifiBerry DAC HiFi pcm5102a-hifi-0"),
            "card4/pcm0c/info": info(0, "USB Audio"),
        },
    )
    drm = tree(tmp_path / "drm", {"card1-HDMI-A-1/edid": EDID_PLAYS, "card1-HDMI-A-2/edid": b""})
    seen = look({}, proc, drm)
    assert seen.cards == (
        hdmi(PLAYS),
        Card("vc4hdmi", "vc4-hdmi", ((0, "MAI PCM i2s-hifi-0"),), edid=EDID_PLAYS),
        JACK,
        HAT,
        Card("C920", "USB-Audio"),
    )
    assert not seen.server
    assert [choice.words for choice in choices(seen)] == [
        "the sound board sndrpihifiberry",
        "the built-in card Headphones",
        "HDMI vc4hdmi",
        "HDMI vc4hdmi0",
    ]


def test_a_machine_without_sound_is_read(tmp_path: Path) -> None:
    assert look({}, tmp_path / "none", tmp_path / "none") == Seen()


def test_a_monitor_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    proc = tree(tmp_path / "asound", {"cards": PI, "card0/pcm0p/info": info(0, "MAI PCM i2s-hifi-0")})
    (tmp_path / "drm" / "card0-HDMI-A-1" / "edid").mkdir(parents=True)
    assert look({}, proc, tmp_path / "drm").cards[0] == hdmi()


def test_a_sound_server_is_seen(tmp_path: Path) -> None:
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert not look(runtime, tmp_path, tmp_path).server
    tree(tmp_path, {"pulse/native": ""})
    assert look(runtime, tmp_path, tmp_path).server
    assert look({"PULSE_SERVER": "tcp:music"}, tmp_path, tmp_path).server


class Going(type(Path())):  # type: ignore[misc] # the class of this system's paths
    """A folder that disappears while it is read, as a card's does when the card is pulled out."""

    def glob(self, pattern: str) -> list[Path]:
        raise FileNotFoundError(pattern)


def test_a_card_that_is_pulled_out_while_it_is_read_has_nothing_to_play_on(tmp_path: Path) -> None:
    tree(tmp_path, {"cards": PI, "card0/pcm0p/info": info(0, "MAI PCM i2s-hifi-0")})
    seen = look({}, Going(tmp_path), Going(tmp_path))
    assert [card.id for card in seen.cards] == [name for _, name, _ in listed(PI)]
    assert all(card.devices == () for card in seen.cards)
