# SPDX-License-Identifier: Apache-2.0
"""The one table of pins: true to the boards, true to itself, and clear about every clash."""

import tomllib
from importlib.resources import files

import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from appliance.panel.pins import (
    CONVERTER,
    HATS,
    NOWHERE,
    PINS,
    PULLED_UP,
    RESERVED,
    Knobs,
    clashes,
    wiring,
)
from appliance.settings import SettingsError, load
from appliance.settings.model import Pins

BOARDS = {"Pi 3": "a02082", "Pi 4": "c03114", "Pi 5": "d04170", "Zero 2 W": "902120"}
KNOBS: tuple[Knobs, ...] = ("potentiometers", "encoders", "none")


def test_the_table_says_what_is_where() -> None:
    box = wiring()
    assert box.lamps == (17, 27, 23, 24, 25, 12, 13, 16, 26)
    assert (box.network_button, box.mute_button) == (5, 6)
    assert (CONVERTER.volume, CONVERTER.tempo) == (0, 1)
    assert box.volume + box.tempo == (11, 9, 10, 8), "an encoder build takes the converter's four pins"


@pytest.mark.parametrize("revision", BOARDS.values(), ids=BOARDS)
def test_every_pin_is_on_every_board_s_header_at_the_same_place(revision: str) -> None:
    def places(revision: str) -> dict[str, int]:
        header = MockFactory(revision=revision).board_info.headers["J8"]
        return {pin.name: number for number, pin in header.pins.items()}

    here, first = places(revision), places("a02082")
    for pin in {*PINS.values(), *RESERVED, CONVERTER.select}:
        assert here[f"GPIO{pin}"] == first[f"GPIO{pin}"]


def test_lamps_stay_dark_while_the_pi_starts() -> None:
    assert not set(wiring().lamps) & set(PULLED_UP)


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize("hat", ["any", "none", "dac-plus"])
def test_the_box_as_it_is_drawn_has_no_clash(knobs: Knobs, hat: str) -> None:
    assert list(clashes(PINS, knobs, hat)) == []


def test_every_pin_of_the_table_is_a_setting_and_the_other_way_round() -> None:
    assert Pins().model_dump() == PINS
    assert load({}, {}).settings.panel.wiring == wiring()


def test_a_moved_pin_moves() -> None:
    panel = load({"panel.hat": "max98357", "panel.pins.network_2": 22}, {}).settings.panel
    assert panel.wiring.networks == (13, 22, 26)
    panel = load({"panel.knobs": "encoders", "panel.pins.network_3": NOWHERE}, {}).settings.panel
    assert (panel.wiring.networks, panel.wiring.knobs) == ((13, 16, NOWHERE), "encoders")


def refused(**settings: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load({f"panel.{key.replace('__', '.')}": value for key, value in settings.items()}, {})
    return [line.removeprefix("The command line sets panel.") for line in str(caught.value).splitlines()]


def test_a_clash_with_a_hat_says_which_pin_and_what_to_move() -> None:
    (sentence,) = refused(hat="max98357")
    assert names(
        sentence, "hat = 'max98357'", "GPIO 16", "network_2", "amplifier", "(14, 15, 20, 22, 2, 3, 4, 7)"
    )
    (sentence,) = refused(hat="hifiberry-pro", pins__mute_button=22)
    assert names(sentence, "hat = 'hifiberry-pro'", "GPIO 5", "network_button", "clock", "(4, 7, 14, 15)")
    first, *_ = refused(hat="pirate-audio")
    assert names(first, "hat = 'pirate-audio'", "GPIO 11", "the converter's clock", "display", "panel.knobs")


def test_a_pin_that_is_kept_free_or_taken_twice_is_refused() -> None:
    (sentence,) = refused(pins__note_1=22)
    assert names(sentence, "pins.note_1 = 22", "GPIO 22", "kept free", "mutes many DACs", "(17)")
    (sentence,) = refused(pins__note_2=17, knobs="none")
    assert names(sentence, "pins.note_2 = 17", "GPIO 17", "it is note_1", "(9, 10, 11, 27, 8)")
    (sentence,) = refused(pins__note_1=11)
    assert names(sentence, "pins.note_1 = 11", "GPIO 11", "the converter's clock", "(17)")


def names(sentence: str, *parts: str) -> bool:
    """Whether a sentence holds all these parts."""
    return all(part in sentence for part in parts)


def test_with_no_pin_left_the_advice_is_to_name_the_hat() -> None:
    (sentence,) = (
        sentence
        for _, sentence in clashes(PINS | {"note_1": 27, "note_2": 17, "note_3": 18}, "encoders", "any")
    )
    assert names(sentence, "panel.pins.note_3", "(23)", "to 0")
    (_, sentence) = next(clashes({f"note_{pin}": pin for pin in range(2, 28)}, "none", "any"))
    assert names(sentence, "no pin is free", "panel.hat")


def test_a_pin_must_be_on_the_header_and_a_part_must_be_known() -> None:
    (sentence,) = refused(pins__note_1=28)
    assert names(sentence, "pins.note_1 = 28", "0 to 27")
    assert "did you mean panel.pins.note_1?" in refused(pins__not_1=17)[0]


@given(
    st.fixed_dictionaries({part: st.integers(0, 27) for part in PINS}),
    st.sampled_from(KNOBS),
    st.sampled_from(["any", "none", *HATS]),
)
def test_no_complaint_means_no_pin_has_two_users(pins: dict[str, int], knobs: Knobs, hat: str) -> None:
    keys = {key for key, _ in clashes(pins, knobs, hat)}
    box = wiring(knobs, pins)
    used = [*box.lamps, box.network_button, box.mute_button]
    if knobs == "encoders":
        used += [*box.volume, *box.tempo]
    if knobs == "potentiometers":
        used += [CONVERTER.clock, CONVERTER.mosi, CONVERTER.miso, CONVERTER.select]
    used = [pin for pin in used if pin != NOWHERE]
    taken = RESERVED if hat == "any" else HATS.get(hat, {})
    assert bool(keys) == (len(set(used)) < len(used) or any(pin in taken or pin == 1 for pin in used))


def test_the_table_names_each_pin_once() -> None:
    table = tomllib.loads(files("appliance.panel").joinpath("pins.toml").read_text(encoding="utf-8"))
    converter = [table["adc"][line] for line in ("clock", "mosi", "miso", "select")]
    pins = [part["bcm"] for part in table["lamps"] + table["buttons"]] + converter
    assert len(set(pins)) == len(pins)
    assert not set(pins) & set(RESERVED)
