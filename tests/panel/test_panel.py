# SPDX-License-Identifier: Apache-2.0
"""The panel on gpiozero's mock pins, with a simulated MCP3008; time is an argument."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from appliance.panel.buttons import BOUNCE, STUCK_AFTER
from appliance.panel.gpio import Board, Buttons, Converter, Encoders, Leds, NoPanel
from appliance.panel.knobs import SAMPLES, TOP
from appliance.panel.lamps import ATTACK, DIMMEST, FADE, LAMPS, Lamps
from appliance.panel.mock import Mock
from appliance.panel.panel import RETRY, Panel
from appliance.panel.pins import NOWHERE, PINS, Knobs, Wiring, wiring
from appliance.values import BoxState, Button, Doubled, Gesture, Held, Knob, Moved, Pressed, Turned

pytestmark = pytest.mark.process

LOOK = 1 / SAMPLES  # s
HANG = 60.0  # s
STANDS = {Knob.VOLUME: 0.7, Knob.TEMPO: 0.25}


class Rig:
    """A panel on mock pins, driven by hand."""

    def __init__(self, where: Wiring, board: Callable[[Mock], Board] = Mock.board) -> None:
        self.mock = Mock(where, STANDS)
        self.lamps = Lamps()
        self.lamps.tell(BoxState.LIVE, 0.0)
        self.posted: list[Gesture] = []
        self.post: Callable[[Gesture], object] = self.posted.append
        self.panel = Panel(lambda: board(self.mock), where, self.lamps, lambda gesture: self.post(gesture))
        self.looks = 0

    @property
    def now(self) -> float:
        return self.looks * LOOK

    def wait(self, seconds: float) -> list[Gesture]:
        """Run the panel for so long. The gestures that it posted meanwhile."""
        self.posted.clear()
        for _ in range(max(1, round(seconds / LOOK))):
            self.panel.turn(self.now)
            self.looks += 1
        return list(self.posted)

    def press(self, button: Button, seconds: float) -> list[Gesture]:
        self.mock.press(button, down=True)
        gestures = self.wait(seconds)
        self.mock.press(button, down=False)
        return gestures


def moved_to(gesture: Gesture, knob: Knob, position: float) -> bool:
    return (
        isinstance(gesture, Moved) and gesture.knob is knob and abs(gesture.position - position) < 0.004
    )  # the hysteresis


Rigged = Callable[..., Rig]


@pytest.fixture
def rigged() -> Iterator[Rigged]:
    rigs: list[Rig] = []

    def make(
        knobs: Knobs = "potentiometers", board: Callable[[Mock], Board] = Mock.board, **pins: int
    ) -> Rig:
        rigs.append(Rig(wiring(knobs, {**PINS, **pins}), board))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.panel.release()


# --- knobs and buttons --------------------------------------------------------------------------------------


def test_the_first_reading_posts_the_positions_of_the_potentiometers(rigged: Rigged) -> None:
    volume, tempo = rigged().wait(LOOK)
    assert moved_to(volume, Knob.VOLUME, 0.7)
    assert moved_to(tempo, Knob.TEMPO, 0.25)


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
def test_a_knob_is_read_through_the_converter_s_bits(rigged: Rigged, position: float) -> None:
    rig = rigged()
    rig.wait(0.5)
    rig.mock.put(Knob.TEMPO, position)
    moves = rig.wait(0.5)
    assert {type(move) for move in moves} == {Moved}
    assert moved_to(moves[-1], Knob.TEMPO, position)
    assert rig.wait(1.0) == []


def test_an_end_is_exact(rigged: Rigged) -> None:
    rig = rigged()
    rig.mock.put(Knob.VOLUME, 0.0)
    assert rig.wait(LOOK)[0] == Moved(Knob.VOLUME, 0.0)
    rig.mock.turn(Knob.VOLUME, 100)
    assert rig.wait(1.0)[-1] == Moved(Knob.VOLUME, 1.0)


def test_a_noisy_converter_moves_nothing(rigged: Rigged) -> None:
    rig, rng = rigged(), Random(1)
    rig.wait(0.5)
    moves = 0
    for _ in range(20 * SAMPLES):
        rig.mock.chip.readings[0] = round(500 + rng.gauss(0, 1.2))
        moves += len(rig.wait(LOOK))
    assert moves <= 8  # the way to 500, and nothing after it


@pytest.mark.parametrize("detents", [3, -2])
def test_encoders_count_detents(rigged: Rigged, detents: int) -> None:
    rig = rigged("encoders")
    assert rig.wait(0.1) == []
    rig.mock.turn(Knob.VOLUME, detents)
    (turned,) = rig.wait(0.1)
    assert isinstance(turned, Turned)
    assert turned.knob is Knob.VOLUME
    assert (turned.detents > 0) == (detents > 0)
    assert abs(turned.detents) >= abs(detents)  # more in a hurry
    rig.mock.turn(Knob.TEMPO, 1)
    assert rig.wait(0.1) == [Turned(Knob.TEMPO, 1)]


def test_presses_become_gestures(rigged: Rigged) -> None:
    rig = rigged("none")
    assert rig.wait(0.1) == []
    rig.press(Button.NETWORK, 0.1)
    assert rig.wait(0.2) == [Pressed(Button.NETWORK)]
    rig.press(Button.MUTE, 0.1)
    assert rig.wait(0.5) == [Pressed(Button.MUTE)]
    rig.press(Button.MUTE, 0.1)
    rig.wait(0.1)
    rig.press(Button.MUTE, 0.1)
    assert rig.wait(0.5) == [Doubled(Button.MUTE)]
    assert rig.press(Button.NETWORK, 2.5) == [Held(Button.NETWORK)]
    assert rig.press(Button.MUTE, 5.5) == [Held(Button.MUTE)]
    assert rig.wait(1.0) == []


def test_two_hundred_bounces_are_one_press(rigged: Rigged) -> None:
    rig, rng = rigged("none"), Random(2)
    rig.wait(0.1)
    for _ in range(6):  # looks: 50 ms
        for _ in range(33):
            rig.mock.press(Button.NETWORK, down=rng.random() < 0.5)
        rig.wait(LOOK)
    rig.press(Button.NETWORK, 0.1)
    assert rig.wait(0.3) == [Pressed(Button.NETWORK)]


def test_a_shorted_button_acts_once_and_is_then_left_alone(
    rigged: Rigged, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rigged("none")
    rig.wait(0.1)
    gestures = rig.press(Button.MUTE, STUCK_AFTER + 5)
    assert gestures == [Held(Button.MUTE)]
    assert rig.lamps.held == 0.0
    assert rig.wait(10) == []
    assert caplog.text.count("mute button") == 1
    rig.press(Button.MUTE, 0.1)
    assert rig.wait(0.5) == [Pressed(Button.MUTE)]


# --- lamps --------------------------------------------------------------------------------------------------


def test_a_note_lights_the_led_of_its_degree(rigged: Rigged) -> None:
    rig = rigged()
    rig.wait(0.1)
    assert rig.mock.lit == (0, 0, 0, 0, 0, 0, 1, 0, 0)
    rig.lamps.hit(2, 1.0, at=rig.now)
    rig.wait(ATTACK + 2 * LOOK)
    assert rig.mock.lit[2] > 0.7
    assert rig.mock.lit[:2] + rig.mock.lit[3:6] == (0.0,) * 5
    rig.wait(2.0)
    assert rig.mock.lit[2] == 0.0


def test_no_led_ever_glows_too_dimly_to_be_steady(rigged: Rigged) -> None:
    rig, rng = rigged(), Random(3)
    seen: set[float] = set()
    for _ in range(10 * SAMPLES):
        if rng.random() < 10 * LOOK:
            rig.lamps.hit(rng.randrange(6), rng.random(), at=rig.now + 0.1)
        rig.wait(LOOK)
        seen.update(rig.mock.lit)
    assert 0.0 in seen
    assert len(seen) > 50
    assert min(seen - {0.0}) >= DIMMEST


def test_a_press_is_confirmed_before_it_is_over(rigged: Rigged) -> None:
    rig = rigged()
    rig.wait(0.1)
    rig.press(Button.MUTE, 0.06)
    assert rig.mock.lit[6] == 0.0  # it winks
    rig.wait(1.0)
    assert rig.mock.lit[6] == 1.0


def test_holding_mute_puts_the_leds_out_one_by_one(rigged: Rigged) -> None:
    rig = rigged()
    rig.wait(0.1)
    rig.mock.press(Button.MUTE, down=True)
    lit = []
    for _ in range(round(5.1 / LOOK)):
        rig.wait(LOOK)
        lit.append(round(sum(rig.mock.lit)))
    first = lit.index(LAMPS)
    assert first / SAMPLES == pytest.approx(1.0, abs=0.1)
    assert lit[first:] == sorted(lit[first:], reverse=True)
    assert set(lit[first:]) == set(range(LAMPS + 1))
    rig.mock.press(Button.MUTE, down=False)
    rig.wait(0.1)
    assert rig.mock.lit[6] == 1.0


def test_parts_that_are_not_there_are_not_touched(rigged: Rigged) -> None:
    rig = rigged("none", note_1=NOWHERE, network_3=NOWHERE, mute_button=NOWHERE)
    rig.lamps.hit(0, 1.0, at=0.0)
    rig.mock.press(Button.MUTE, down=True)
    assert rig.wait(1.0) == []
    assert rig.mock.lit[0] == rig.mock.lit[8] == 0.0


# --- at rest ------------------------------------------------------------------------------------------------


class _Counted:
    """A device that counts its calls."""

    def __init__(self, part: Any) -> None:
        self._part, self.calls = part, 0

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(self._part, name)


class Counting(Board):
    """A board that counts the calls of its parts."""

    def __init__(self, board: Board) -> None:
        self.whole, self.says = board, "counted pins"

    def knobs(self) -> Any:
        self.read = _Counted(self.whole.knobs())
        return self.read

    def buttons(self) -> Any:
        self.pressed = _Counted(self.whole.buttons())
        return self.pressed

    def leds(self) -> Any:
        self.shone = _Counted(self.whole.leds())
        return self.shone

    def close(self) -> None:
        self.whole.close()


def test_at_rest_knobs_and_lamps_cost_little_and_buttons_are_read_as_ever(rigged: Rigged) -> None:
    boards: list[Counting] = []

    def counted(mock: Mock) -> Board:
        boards.append(Counting(mock.board()))
        return boards[-1]

    rig = rigged(board=counted)
    rig.wait(2.0)
    (board,) = boards

    def calls(seconds: float) -> tuple[float, float, float]:
        """A second, of knobs, buttons and lamps."""
        for part in (board.read, board.pressed, board.shone):
            part.calls = 0
        rig.wait(seconds)
        knobs, buttons, lamps = (part.calls / seconds for part in (board.read, board.pressed, board.shone))
        return knobs, buttons, lamps

    assert calls(2.0) == pytest.approx((30, 120, 15), rel=0.1)
    rig.mock.put(Knob.VOLUME, 0.2)
    assert calls(0.25)[0] == pytest.approx(120, rel=0.1)
    rig.wait(1.0)
    rig.lamps.hit(2, 1.0, at=rig.now + 0.05)
    assert calls(0.3) == pytest.approx((30, 120, 60), rel=0.15)


@pytest.mark.parametrize("rest", [1.0, 1.01, 1.02, 1.03])
def test_a_knob_is_followed_from_rest(rigged: Rigged, rest: float) -> None:
    rig = rigged()
    rig.wait(rest)
    rig.mock.put(Knob.VOLUME, 0.3)
    moved = rig.wait(0.07)[-1]
    assert isinstance(moved, Moved)
    assert moved.position == pytest.approx(0.3, abs=0.04)  # 90 % of the way


@pytest.mark.parametrize("rest", [1.0, 1.01, 1.02, 1.03, 1.04, 1.05])
def test_a_note_and_a_press_are_seen_from_rest(rigged: Rigged, rest: float) -> None:
    rig = rigged()
    rig.wait(rest)
    rig.lamps.hit(2, 1.0, at=rig.now + 1.0)
    rig.wait(1.0 + 2 * LOOK)
    assert rig.mock.lit[2] > 0.0
    rig.wait(2.0 + rest)
    rig.press(Button.NETWORK, BOUNCE + 2 * LOOK)
    assert rig.wait(BOUNCE + 2 * LOOK) == [Pressed(Button.NETWORK)]
    assert rig.mock.lit[6] == 0.0  # it winks


# --- faults -------------------------------------------------------------------------------------------------


class _Fails:
    """A device whose wire has come off: every call raises until it is repaired."""

    broken = True
    opened = 0

    def __init__(self, part: Any) -> None:
        type(self).opened += 1
        self._part = part

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any) -> Any:
            if name == "close":
                self._part.close()
            if self.broken:
                raise OSError(5, "Input/output error")
            return getattr(self._part, name)(*words)

        return call


def failing(part: str) -> tuple[type[_Fails], Callable[[Mock], Board]]:
    """A board whose part of that name fails."""
    fails = type("Fails", (_Fails,), {})

    class Failing(Board):
        def __init__(self, board: Board) -> None:
            self.whole, self.says = board, "failing pins"

        def knobs(self) -> Converter | Encoders:
            return fails(self.whole.knobs()) if part == "knobs" else self.whole.knobs()

        def buttons(self) -> Buttons:
            return fails(self.whole.buttons()) if part == "buttons" else self.whole.buttons()

        def leds(self) -> Leds:
            return fails(self.whole.leds()) if part == "lamps" else self.whole.leds()

        def close(self) -> None:
            self.whole.close()

    return fails, lambda mock: Failing(mock.board())


@pytest.mark.parametrize("part", ["knobs", "buttons", "lamps"])
def test_a_part_that_raises_takes_no_other_with_it_and_is_tried_again(
    rigged: Rigged, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    caplog.set_level(logging.INFO)
    fails, board = failing(part)
    rig = rigged(board=board)
    moved = rig.wait(0.1)
    assert bool(moved) == (part != "knobs")
    assert sum(part in message and "[Errno 5]" in message for message in caplog.messages) == 1
    rig.press(Button.NETWORK, 0.1)
    assert bool(rig.wait(0.3)) == (part != "buttons")
    assert bool(rig.mock.lit[6]) == (part != "lamps")
    rig.wait(RETRY)
    assert fails.opened == 2
    assert caplog.text.count("do not work") == 1  # it is logged once
    fails.broken = False
    assert bool(rig.wait(RETRY)) == (part == "knobs")
    assert caplog.text.count(f"The {part} work again.") == 1
    assert rig.mock.lit[6] == 1.0


def test_without_pins_that_is_logged_once_and_they_are_tried_every_minute(
    rigged: Rigged, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tries, away = [], True

    def board(mock: Mock) -> Board:
        tries.append(rig.now)
        if away:
            raise NoPanel("this machine is not a Raspberry Pi")
        return mock.board()

    rig = rigged(board=board)
    assert rig.wait(3 * RETRY) == []
    assert len(tries) == 3
    (line,) = caplog.messages
    assert "not a Raspberry Pi" in line
    away = False
    assert len(rig.wait(RETRY)) == 2
    (line,) = caplog.messages[1:]
    assert "mock pins" in line


def test_pins_that_fail_altogether_are_opened_again(rigged: Rigged) -> None:
    boards = []

    class Dead(Board):
        def __init__(self) -> None:
            self.says = "dead pins"

        def knobs(self) -> Converter:
            raise NoPanel("gone")

        buttons = leds = knobs  # type: ignore[assignment] # each of them is gone

        def close(self) -> None:
            boards.append("closed")
            raise OSError("gone")

    def board(mock: Mock) -> Board:
        boards.append("opened")
        return Dead() if len(boards) == 1 else mock.board()

    rig = rigged(board=board)
    assert rig.wait(RETRY) == []
    assert len(rig.wait(1.0)) == 2
    assert boards == ["opened", "closed", "opened"]


@pytest.mark.parametrize("says", [0, TOP])
def test_a_dead_converter_moves_nothing_and_is_logged(
    rigged: Rigged, caplog: pytest.LogCaptureFixture, says: int
) -> None:
    caplog.set_level(logging.INFO)
    rig = rigged()
    before = list(rig.mock.chip.readings)
    rig.wait(1.0)
    rig.mock.chip.readings = [says] * 8
    assert rig.wait(5.0) == []
    assert sum("converter" in message for message in caplog.messages) == 1
    rig.mock.chip.readings = before
    assert rig.wait(RETRY) == []
    assert "The knobs work again." not in caplog.text
    rig.wait(1.0)
    assert caplog.text.count("The knobs work again.") == 1


def test_a_loose_wiper_is_frozen_and_named(rigged: Rigged, caplog: pytest.LogCaptureFixture) -> None:
    rig, rng = rigged(), Random(4)
    rig.wait(1.0)
    for _ in range(4 * SAMPLES):
        rig.mock.chip.readings[1] = rng.randrange(TOP)
        rig.wait(LOOK)
    assert [message for message in caplog.messages if "wiper" in message and "tempo" in message]
    assert rig.wait(LOOK) == []


def test_a_wire_that_comes_and_goes_all_day_is_named_once(
    rigged: Rigged, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rig, rng = rigged(), Random(4)
    rig.wait(1.0)
    for second in range(60):
        for _ in range(SAMPLES):
            if second % 6 < 3:
                rig.mock.chip.readings[1] = rng.randrange(TOP)
            rig.wait(LOOK)
    assert len([line for line in caplog.messages if "not connected" in line or "work again" in line]) == 1


def test_an_error_in_post_is_logged_and_ends_nothing(
    rigged: Rigged, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rigged()
    rig.wait(LOOK)
    rig.post = raises
    rig.mock.put(Knob.VOLUME, 0.1)
    rig.wait(1.0)
    assert "The gesture Moved" in caplog.text
    rig.post = rig.posted.append
    rig.mock.put(Knob.VOLUME, 0.9)
    assert moved_to(rig.wait(1.0)[-1], Knob.VOLUME, 0.9)


def raises(gesture: Gesture) -> None:
    raise RuntimeError(f"no room for {gesture}")


# --- the thread ---------------------------------------------------------------------------------------------


def test_the_thread_runs_and_leaves_the_pins_dark_and_free() -> None:
    where = wiring()
    mock, lamps, posted = Mock(where, STANDS), Lamps(), []
    lamps.tell(BoxState.LIVE, 0.0)
    moved = threading.Event()

    def post(gesture: Gesture) -> None:
        posted.append(gesture)
        if gesture == Moved(Knob.VOLUME, 0.0):
            moved.set()

    panel = Panel(mock.board, where, lamps, post)
    panel.start()
    assert panel.looked(HANG)
    assert len(posted) == 2
    mock.put(Knob.VOLUME, 0.0)
    assert moved.wait(HANG)
    panel.close()
    assert mock.lit == (0.0,) * LAMPS
    again = mock.board()  # every pin is free
    for part in (again.knobs(), again.buttons(), again.leds()):
        part.close()


def test_the_thread_runs_without_a_panel() -> None:
    def board() -> Board:
        raise NoPanel("not here")

    panel = Panel(board, wiring(), Lamps(), raises)
    panel.start()
    assert panel.looked(HANG)
    panel.close()


def test_the_lamps_fade_with_the_music(rigged: Rigged) -> None:
    rig = rigged()
    rig.wait(0.1)
    rig.lamps.leave(rig.now)
    rig.wait(FADE / 2)
    assert 0.0 < rig.mock.lit[6] < 1.0
    rig.wait(FADE)
    assert rig.mock.lit == (0.0,) * LAMPS
