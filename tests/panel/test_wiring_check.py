# SPDX-License-Identifier: Apache-2.0
"""The wiring check, with a builder who does what he is asked, on a simulated panel that is wired wrong in every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest

from appliance.panel.gpio import Board, Buttons
from appliance.panel.knobs import SAMPLES, TOP
from appliance.panel.mock import Mock
from appliance.panel.pins import NOWHERE, PINS, Knobs, wiring
from appliance.panel.wiring_check import Ask, Say, Tick, check_wiring
from appliance.values import Button, Knob

Hands = Callable[[], Iterator[None]]  # does something at each look


class Builder:
    """Sits before a panel, looks at its lamps, and does what he is told, as far as the wires let him."""

    def __init__(self, knobs: Knobs = "potentiometers", **pins: int) -> None:
        self.wiring = wiring(knobs, {**PINS, **pins})
        self.mock = Mock(self.wiring, {Knob.VOLUME: 0.5, Knob.TEMPO: 0.5})
        self.answers: dict[int, str] = {}  # to the question about a lamp, if not "it shines"
        self.does: dict[str, Hands] = {
            "Turn volume": lambda: self.sweep(Knob.VOLUME),
            "Turn tempo": lambda: self.sweep(Knob.TEMPO),
            "Press NETWORK": lambda: self.press(Button.NETWORK),
            "Press MUTE": lambda: self.press(Button.MUTE),
        }
        self.idle: Callable[[], None] = lambda: None
        self.said: list[str] = []
        self._looks = 0
        self._busy: Iterator[None] = iter(())

    def check_wiring(self) -> list[str]:
        return check_wiring(self.mock.board(), self.wiring, *self.talk)

    @property
    def talk(self) -> tuple[Say, Ask, Tick]:
        return self.say, self.ask, self.tick

    def say(self, line: str) -> None:
        self.said.append(line)
        for words, hands in self.does.items():
            if line.startswith(words):
                self._busy = hands()

    def ask(self, question: str) -> str:
        lit = [place for place, light in enumerate(self.mock.lit) if light == 1.0]
        assert f"lamp {lit[0] + 1} of 9" in question
        assert len(lit) == 1
        return self.answers.get(lit[0] + 1, "")

    def tick(self) -> float:
        self.idle()
        next(self._busy, None)
        self._looks += 1
        return self._looks / SAMPLES

    def sweep(self, knob: Knob, left: float = 0.0, right: float = 1.0) -> Iterator[None]:
        if self.wiring.knobs == "encoders":
            for _ in range(5):
                self.mock.turn(knob, 1 if right > left else -1)
                yield
            return
        for step in range(101):
            self.mock.put(knob, left + (right - left) * step / 100)
            yield

    def press(self, button: Button) -> Iterator[None]:
        self.mock.press(button, down=True)
        yield from [None] * 20
        self.mock.press(button, down=False)
        yield


@pytest.mark.parametrize("knobs", ["potentiometers", "encoders", "none"])
def test_nothing_is_wrong_with_a_panel_that_is_wired_right(knobs: Knobs) -> None:
    builder = Builder(knobs)
    assert builder.check_wiring() == []
    assert any("volume" in line and "512" in line for line in builder.said) == (knobs == "potentiometers")
    assert builder.mock.lit == (0.0,) * 9


def test_dark_and_swapped_lamps_are_named_with_their_pins() -> None:
    builder = Builder(network_3=NOWHERE)
    builder.answers = {2: "0", 4: "5", 5: " 4", 6: "6", 7: "yes"}
    dark, four, five = builder.check_wiring()
    assert all(part in dark for part in ("Lamp 2", "GPIO 27"))
    assert all(part in four for part in ("GPIO 24", "lamp 5"))
    assert all(part in five for part in ("GPIO 25", "lamp 4"))


@pytest.mark.parametrize("says", [0, TOP])
def test_a_dead_converter(says: int) -> None:
    builder = Builder()
    builder.does.clear()
    builder.mock.chip.readings = [says] * 8
    dead, *rest = builder.check_wiring()
    assert all(part in dead for part in ("The converter", f" {says} ", "power"))
    for sentence, part in zip(rest, ("volume knob", "tempo knob", "NETWORK", "MUTE"), strict=True):
        assert part in sentence


def test_a_loose_and_a_noisy_wiper() -> None:
    builder, rng = Builder(), Random(1)
    builder.does = {}

    def idle() -> None:
        builder.mock.chip.readings[:2] = [rng.randrange(TOP), round(500 + rng.gauss(0, 6))]

    builder.idle = idle
    loose, noisy, *_ = builder.check_wiring()
    assert all(part in loose for part in ("wiper", "volume"))
    assert all(part in noisy for part in ("tempo", "100 nF"))


def test_swapped_reversed_and_short_potentiometers() -> None:
    builder = Builder()
    builder.does["Turn volume"] = lambda: builder.sweep(Knob.TEMPO)
    builder.does["Turn tempo"] = lambda: builder.sweep(Knob.TEMPO, 1.0, 0.0)
    swapped, reversed_ = builder.check_wiring()
    assert all(part in swapped for part in ("other knob", "volume", "exchange the wires"))
    assert all(part in reversed_ for part in ("Tempo", "direction", "two outer wires"))
    builder = Builder()
    builder.does["Turn volume"] = lambda: builder.sweep(Knob.VOLUME, 0.1, 0.9)
    (short,) = builder.check_wiring()
    assert all(part in short for part in ("Volume", "120 to 911", "0 to 1023"))


def test_an_encoder_with_its_contacts_exchanged() -> None:
    builder = Builder("encoders")
    builder.does["Turn tempo"] = lambda: builder.sweep(Knob.TEMPO, 1.0, 0.0)
    (reversed_,) = builder.check_wiring()
    assert all(part in reversed_ for part in ("Tempo", "direction", "contacts A and B"))


def test_stuck_swapped_and_silent_buttons() -> None:
    builder = Builder("none", mute_button=NOWHERE)
    builder.does["Press NETWORK"] = lambda: iter(())
    (silent,) = builder.check_wiring()
    assert all(part in silent for part in ("NETWORK", "GPIO 5", "ground"))
    builder = Builder("none")
    builder.does["Press NETWORK"] = lambda: builder.press(Button.MUTE)
    (swapped,) = builder.check_wiring()
    assert all(part in swapped for part in ("MUTE", "instead of NETWORK", "exchange their wires"))


def test_a_stuck_button_is_named_and_not_asked_for() -> None:
    builder = Builder("none")
    board = builder.mock.board()

    class Shorted(Board):
        def __init__(self) -> None:
            self.says = "shorted pins"

        def buttons(self) -> Buttons:
            device = board.buttons()
            builder.mock.press(Button.MUTE, down=True)  # the chip's pull-up is not stronger than a short
            return device

        leds = board.leds

    (stuck,) = check_wiring(Shorted(), builder.wiring, *builder.talk)
    assert all(part in stuck for part in ("MUTE", "is down", "stuck"))
    assert "Press MUTE." not in builder.said


def test_a_part_that_cannot_be_opened_is_reported_and_the_others_are_checked() -> None:
    builder = Builder()
    held = builder.mock.board().leds()
    (busy,) = builder.check_wiring()
    assert "is already in use" in busy
    held.close()
