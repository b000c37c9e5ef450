# SPDX-License-Identifier: Apache-2.0
"""What the settings promise: their order of precedence, their round trip as a file, and their errors."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ledger.networks import KNOWN
from appliance.settings import Settings, SettingsError, as_toml, load, networks, safe_mode
from appliance.settings.model import Page, mqtt_address
from appliance.settings.sources import DEFAULT_FILE
from appliance.values import FASTEST, SLOWEST, BoxError

ADDRESSES = "at least one http:// or https:// address, with rpc+ before it for a Stellar RPC server"


def refused(
    command_line: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    config: Path | None = None,
) -> list[str]:
    """The lines of the error that these sources must give."""
    with pytest.raises(SettingsError) as caught:
        load(command_line or {}, environ or {}, config)
    return str(caught.value).splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "box.toml"


def test_defaults_need_no_source() -> None:
    loaded = load({}, {})
    settings = loaded.settings
    assert (settings.network, settings.scene, settings.volume, settings.tempo) == (
        "public",
        "wind",
        0.7,
        60.0,
    )
    assert (settings.sound.latency, settings.sound.polyphony, settings.sound.block_size) == (128.0, 16, 512)
    assert loaded.origin("sound.latency") == "the default"
    assert networks(settings) == KNOWN


def test_command_line_beats_environment_beats_file(file: Path) -> None:
    file.write_text("tempo = 70\nvolume = 0.1\nseed = 5\n[sound]\nlatency = 90\n")
    environ = {
        "STELLAR_WIND_TEMPO": "80",
        "STELLAR_WIND_VOLUME": "0.2",
        "STELLAR_WIND_SOUND__DEVICE": "hw:1",
        "HOME": "x",
    }
    loaded = load({"tempo": "90", "seed": None}, environ, file)
    settings = loaded.settings
    assert (settings.tempo, settings.volume, settings.seed) == (90.0, 0.2, 5)
    assert (settings.sound.latency, settings.sound.device, settings.sound.block_size) == (90.0, "hw:1", 512)
    origins = {
        key: loaded.origin(key)
        for key in ("tempo", "volume", "seed", "sound.latency", "sound.device", "sound.block_size")
    }
    assert origins == {
        "tempo": "the command line",
        "volume": "the environment variable STELLAR_WIND_VOLUME",
        "seed": f"the file {file}",
        "sound.latency": f"the file {file}",
        "sound.device": "the environment variable STELLAR_WIND_SOUND__DEVICE",
        "sound.block_size": "the default",
    }


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLAR_WIND_TEMPO", "80")
    monkeypatch.setenv("TEMPO", "90")
    assert load({}, {}).settings.tempo == 60.0


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("tempo", "fast", "30 to 180 beats a minute"),
        ("tempo", "29.9", "30 to 180 beats a minute"),
        ("tempo", True, "30 to 180 beats a minute"),
        ("volume", "nan", "0 to 1 of full volume"),
        ("volume", True, "0 to 1 of full volume"),
        ("volume", "1.01", "0 to 1 of full volume"),
        ("seed", "1.5", "0 to 2147483647"),
        ("seed", 2**31, "0 to 2147483647"),
        ("scene", "storm", "wind, night, rain, original"),
        ("sound.polyphony", "5", "6 to 32 notes"),
        ("sound.latency", "501", "40 to 500 ms"),
        ("sound.block_size", "300", "256, 512, 1024 frames"),
        ("sound.device", 5, "`aplay -L` lists them"),
        ("sound.device", "pipe:snapfifo", "`aplay -L` lists them"),
        ("mqtt.server", "192.168.0.2", "mqtts:// for one with TLS, or nothing"),
        ("mqtt.server", "http://there", "mqtts:// for one with TLS, or nothing"),
        ("mqtt.server", "mqtt://there/topic", "mqtts:// for one with TLS, or nothing"),
        ("mqtt.server", "mqtt://there:0", "mqtts:// for one with TLS, or nothing"),
        ("mqtt.prefix", "home/#", "a topic without wildcards"),
        ("mqtt.prefix", "", "a topic without wildcards"),
        ("mqtt.prefix", "$SYS", "a topic without wildcards"),
        ("mqtt.discovery", "a//b", "discovery, or nothing"),
        ("sound.max_volume", "1.5", "0 to 1 of full volume"),
        ("night.start", "24:00", "nothing for no night"),
        ("night.start", "noon", "nothing for no night"),
        ("night.end", "", "a time such as 07:00"),
        ("night.end", "7:60", "a time such as 07:00"),
        ("panel.power_off", "sh -c 'poweroff", "a command, or nothing"),
        ("music.scale", "lydian", "major-pentatonic, dorian, original"),
        ("music.invert", "perhaps", "true or false"),
        ("music.hours", "late", "true or false"),
        ("keep.format", "tape", "score, mid, flac"),
        ("panel.pin_factory", "pigpio", "rpigpio, lgpio, mock, none"),
        ("listener.mode", "all", "ledgers, operations"),
        ("listener.pages", "0", "1 to 5 pages of 200 operations"),
        ("listener.idle_timeout", "9", "10 to 300 s"),
        ("networks.public.endpoints", "", ADDRESSES),
        ("networks.public.endpoints", "ftp://there", ADDRESSES),
        ("networks.public.endpoints", "https://[", ADDRESSES),
        ("networks.public.endpoints", "rpc+", ADDRESSES),
        ("networks.public.endpoints", "rpc+ftp://there", ADDRESSES),
        ("networks.public.endpoints", "rpc://there", ADDRESSES),
        ("networks.public.endpoints", "rpc+rpc+https://there", ADDRESSES),
    ],
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_allowed(
    key: str, value: object, allowed: str
) -> None:
    (sentence,) = refused({key: value})
    assert all(part in sentence for part in ("command line", f"{key} = {value!r}", f"{allowed}."))


def test_the_sentence_names_where_the_value_came_from(file: Path) -> None:
    file.write_text("tempo = 300\n")
    (sentence,) = refused(config=file)
    assert all(part in sentence for part in (str(file), "tempo = 300"))
    (sentence,) = refused(environ={"STELLAR_WIND_MUSIC__ROOT": "H"})
    assert all(part in sentence for part in ("STELLAR_WIND_MUSIC__ROOT", "music.root = 'H'"))


def test_a_wrong_value_that_another_source_outranks_is_not_looked_at(file: Path) -> None:
    file.write_text("tempo = 300\n")
    assert load({"tempo": 72.0}, {}, file).settings.tempo == 72.0


def test_unknown_keys_are_errors_in_every_source(file: Path) -> None:
    file.write_text("tempoo = 1\n[soundd]\ndevice = 'x'\n[networks.My-Net]\npassphrase = 'x'\n")
    environ = {"STELLAR_WIND_SOUND_DEVICE": "x", "STELLAR_WIND_ZZZ": "x", "STELLAR_WIND_SOUND": "{}"}
    wrong = refused({"sound.polyphonie": "7", "sound.volume": "3", "wind.scene": "x"}, environ, file)
    expected = [
        ("command line", "sound.polyphonie = '7'", "did you mean sound.polyphony?"),
        ("command line", "sound.volume = '3'", "did you mean volume or night.volume?"),
        ("command line", "wind.scene = 'x'", "did you mean scene?"),
        ("STELLAR_WIND_SOUND_DEVICE", "sound_device = 'x'", "did you mean STELLAR_WIND_SOUND__DEVICE?"),
        ("STELLAR_WIND_ZZZ", "zzz = 'x'", "`stellar-wind config`"),
        ("STELLAR_WIND_SOUND", "sound = '{}'", "STELLAR_WIND_SOUND__DEVICE"),
        (str(file), "tempoo = 1", "did you mean tempo?"),
        (str(file), "soundd.device = 'x'", "did you mean sound.device?"),
        (str(file), "networks.My-Net.passphrase = 'x'", "networks.my-net.passphrase"),
    ]
    for sentence, parts in zip(wrong, expected, strict=True):
        assert all(part in sentence for part in parts), sentence


# Every setting of 0.1.0, as its `config` printed them, with values other than the defaults where they were renamed.
FIRST_EDITION = """
network = "public"
scene = "night"
volume = 0.7
tempo = 60.0
seed = 1
state = "/srv/wind"
[sound]
device = "auto"
latency = 128.0
loudest = 0.6
voices = 12
block = 1024
[night]
begins = "22:30"
ends = "06:30"
volume = 0.75
light = 0.25
[music]
root = "C"
scale = "wind"
invert = false
quirks = true
[listener]
mode = "ledgers"
pages = 3
idle_timeout = 70.0
socket = ""
[recording]
path = ""
[keep]
format = "tape"
[panel]
factory = "none"
knobs = "potentiometers"
hat = "any"
lamps = "calm"
power_off = "systemctl poweroff"
[panel.pins]
note_1 = 17
network_button = 5
volume_a = 11
"""
RENAMED = {
    "state = ": "state_dir = ",
    "loudest": "max_volume",
    "voices": "polyphony",
    "block": "block_size",
    "begins": "start",
    "ends": "end",
    "factory": "pin_factory",
    '"tape"': '"score"',
    "quirks = true\n": "",
}


def test_each_old_name_of_a_setting_is_an_error_that_names_the_new_one(file: Path) -> None:
    file.write_text(FIRST_EDITION)
    expected = [
        ("state = '/srv/wind'", "it is now state_dir."),
        ("sound.loudest", "it is now sound.max_volume."),
        ("sound.voices", "it is now sound.polyphony."),
        ("sound.block", "it is now sound.block_size."),
        ("night.begins", "it is now night.start."),
        ("night.ends", "it is now night.end."),
        ("music.quirks", "remove it"),
        ("panel.factory", "it is now panel.pin_factory."),
        ("keep.format = 'tape'", "score"),
    ]
    for sentence, parts in zip(refused(config=file), expected, strict=True):
        assert all(part in sentence for part in (str(file), *parts)), sentence


def test_with_the_new_names_the_old_settings_apply(file: Path) -> None:
    text = FIRST_EDITION
    for old, new in RENAMED.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)
    settings = load({}, {}, file).settings
    assert (settings.sound.max_volume, settings.sound.block_size, settings.night.end) == (0.6, 1024, "06:30")


def test_an_old_name_in_the_environment_is_told_as_a_variable() -> None:
    (sentence,) = refused(environ={"STELLAR_WIND_SOUND__LOUDEST": "0.5"})
    assert sentence.endswith("it is now STELLAR_WIND_SOUND__MAX_VOLUME.")


def test_several_errors_are_several_lines() -> None:
    assert len(refused({"tempo": "x", "seed": "y", "nothing.like.it": "z"})) == 3


def test_a_missing_file_is_an_error_only_if_it_was_named(file: Path) -> None:
    assert not DEFAULT_FILE.exists(), "this machine has a box of its own"
    load({}, {})
    (sentence,) = refused(config=file)
    assert all(part in sentence for part in (str(file), "--config", "does not exist"))


def test_a_file_that_is_not_toml(file: Path) -> None:
    file.write_text("tempo = = 1\n")
    (sentence,) = refused(config=file)
    assert f"{file} is not TOML: " in sentence
    (sentence,) = refused(config=file.parent)
    assert all(part in sentence for part in (str(file.parent), "Is a directory"))


def test_a_network_of_ones_own() -> None:
    environ = {
        "STELLAR_WIND_NETWORKS__MINE__ENDPOINTS": "http://127.0.0.1:8000/, rpc+https://rpc.example/",
        "STELLAR_WIND_NETWORKS__MINE__PASSPHRASE": "Mine ; 2026",
        "STELLAR_WIND_NETWORK": "mine",
    }
    settings = load({}, environ).settings
    assert list(networks(settings)) == [*KNOWN, "mine"]
    mine = networks(settings)[settings.network]
    assert mine.endpoints == ("http://127.0.0.1:8000/", "rpc+https://rpc.example/")
    assert (mine.name, mine.passphrase) == ("mine", "Mine ; 2026")


def test_other_endpoints_for_a_known_network_keep_its_passphrase(file: Path) -> None:
    file.write_text("[networks.testnet]\nendpoints = ['https://horizon.example']\n")
    testnet = networks(load({}, {}, file).settings)["testnet"]
    assert testnet.endpoints == ("https://horizon.example",)
    assert testnet.passphrase == KNOWN["testnet"].passphrase


def test_a_network_must_be_known_and_whole(file: Path) -> None:
    file.write_text(
        "[networks.mine]\npassphrase = 'Mine'\n[networks.yours]\nendpoints = ['https://horizon.example']\n"
    )
    (sentence,) = refused(config=file)
    assert all(part in sentence for part in (str(file), "[networks.mine]", "endpoints"))
    first, second = refused(
        {"networks.mine.endpoints": "https://horizon.example", "network": "my"}, config=file
    )
    assert all(part in first for part in (str(file), "[networks.yours]", "passphrase"))
    assert all(part in second for part in ("network = 'my'", *KNOWN, "mine", "yours"))


def test_the_printed_settings_say_range_unit_and_origin() -> None:
    variable = "STELLAR_WIND_SOUND__BLOCK_SIZE"
    lines = as_toml(load({"tempo": "72"}, {variable: "256"})).splitlines()
    for value, allowed, origin in (
        ("tempo = 72.0", "30 to 180 beats a minute", "command line"),
        ("block_size = 256", "256, 512, 1024 frames", variable),
    ):
        (line,) = (line for line in lines if line.startswith(value))
        assert allowed in line
        assert origin in line
    assert "[listener]" in lines


def test_the_range_of_the_tempo_is_that_of_the_knob() -> None:
    for tempo in (SLOWEST, FASTEST):
        assert load({"tempo": tempo}, {}).settings.tempo == tempo


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
addresses = st.lists(
    st.sampled_from(["https://a.example", "http://127.0.0.1:8000/horizon", "rpc+https://b.example"]),
    min_size=1,
    max_size=3,
)


@given(
    command_line=st.fixed_dictionaries(
        {},
        optional={
            "network": st.sampled_from(["public", "testnet", "my-own"]),
            "scene": st.sampled_from(["wind", "night", "rain", "original"]),
            "volume": st.floats(0, 1),
            "tempo": st.floats(30, 180) | st.floats(30, 180).map(str),
            "seed": st.integers(0, 2**31 - 1),
            "sound.device": words,
            "sound.latency": st.floats(40, 500),
            "sound.polyphony": st.integers(6, 32) | st.integers(6, 32).map(str),
            "sound.block_size": st.sampled_from([256, 512, 1024]),
            "music.root": st.sampled_from(["C", "F#", "Eb"]),
            "music.invert": st.booleans(),
            "listener.pages": st.integers(1, 5),
            "recording.path": words,
            "keep.format": st.sampled_from(["score", "mid", "flac"]),
            "state_dir": words,
        },
    ),
    passphrase=words.filter(str.strip),
    endpoints=addresses,
)
def test_the_printed_settings_can_be_used_again(
    tmp_path_factory: pytest.TempPathFactory,
    command_line: dict[str, Any],
    passphrase: str,
    endpoints: list[str],
) -> None:
    own = {"networks.my-own.passphrase": passphrase, "networks.my-own.endpoints": endpoints}
    first = load(command_line | own, {})
    file = tmp_path_factory.mktemp("again") / "box.toml"
    file.write_text(as_toml(first), encoding="utf-8")
    again = load({}, {}, file)
    assert again.settings == first.settings
    assert again.origin("tempo") == f"the file {file}"


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(words.map("STELLAR_WIND_".__add__), words))
def test_nothing_but_a_settings_error_comes_out(
    command_line: dict[str, str], environ: dict[str, str]
) -> None:
    with contextlib.suppress(SettingsError):
        load(command_line, environ)


def test_the_error_is_ours_and_a_value_error() -> None:
    assert issubclass(SettingsError, BoxError)
    assert issubclass(SettingsError, ValueError)


def test_safe_mode_keeps_only_facts_and_limits_of_the_volume() -> None:
    kept = {
        "panel.knobs": "encoders",
        "listener.socket": "/run/x",
        "sound.max_volume": 0.5,
        "night.start": "22:00",
    }
    dropped = {
        "scene": "night",
        "sound.polyphony": 8,
        "recording.path": "/x",
        "network": "testnet",
        "volume": 0.1,
    }
    assert safe_mode(load(kept | dropped, {}).settings) == load(kept, {}).settings


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().tempo = 90.0


@pytest.mark.parametrize("listen", ["", ":8017", "0.0.0.0:8017", "[::1]:8017", "192.168.0.7:80"])
def test_a_page_is_served_at_an_address(listen: str) -> None:
    assert Page(listen=listen).listen == listen


@pytest.mark.parametrize(
    "listen", ["8017", "box.local:8017", ":0", ":65536", ":", "::1:8017x", "http://127.0.0.1:1", "-1"]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match="listen"):
        Page(listen=listen)


def test_host_names_of_the_page_are_names() -> None:
    assert Page.model_validate({"names": "box.local, wind"}).names == ("box.local", "wind")
    with pytest.raises(ValueError, match="names"):
        Page(names=("http://box.local",))


def test_a_box_as_delivered_serves_no_page_and_is_not_steered_from_one() -> None:
    assert (Page().listen, Page().steer) == ("", False)


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ("mqtt://192.168.0.2", ("192.168.0.2", 1883, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("mqtt://[::1]:1234/", ("::1", 1234, False)),
    ],
)
def test_a_broker_has_a_host_a_port_and_perhaps_tls(server: str, found: tuple[str, int, bool]) -> None:
    assert mqtt_address(load({"mqtt.server": server}, {}).settings.mqtt.server) == found


def test_a_password_in_the_address_of_a_broker_would_be_shown() -> None:
    (sentence,) = refused({"mqtt.server": "mqtt://ada:secret@there"})
    assert "mqtt.user" in sentence
    assert "secret" not in sentence


def test_without_a_topic_for_discovery_there_is_none() -> None:
    assert load({"mqtt.discovery": ""}, {}).settings.mqtt.discovery == ""
