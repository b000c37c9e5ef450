# SPDX-License-Identifier: Apache-2.0
"""The desk as a picture, driven headless: keys go through the pins of a mock panel, and lamps come back from them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from appliance.panel.desk import COLUMN, Mark, Status
from appliance.panel.screen import (
    AMBER,
    CASE,
    GROUND,
    INKS,
    STEPS,
    TALL,
    WIDE,
    Dial,
    LampRow,
    Score,
    Screen,
    dial,
    glow,
    headline,
    lines,
    names,
    showing,
)
from tests.support.panel_status import STATUS
from textual.pilot import Pilot

from appliance.panel.lamps import BoxState, Lamps
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.panel.pins import Knobs, wiring
from appliance.values import Button, Doubled, Gesture, Held, Knob, Moved, Pressed, Turned, Voice


class Case:
    """A desk on a mock panel whose thread really runs."""

    def __init__(self, knobs: Knobs) -> None:
        where = wiring(knobs)
        self.status, self.left = STATUS, False
        self.mock, self.lamps = Mock(where, {Knob.VOLUME: 0.7, Knob.TEMPO: 0.4}), Lamps()
        self.lamps.tell(BoxState.LIVE, 0.0)
        self.gestures: list[Gesture] = []
        self.panel = Panel(self.mock.board, where, self.lamps, self.gestures.append)
        self.screen = Screen(lambda: self.status, self.mock, self.gestures.append, self.leave)

    def leave(self) -> None:
        self.left = True

    def key(self, key: str) -> None:
        """Press a key of the keyboard. The pilot's way to do it takes a second, see below."""
        self.screen.simulate_key(key)

    async def until(self, done: Callable[[], bool], key: str = "") -> None:
        """Wait for something. A press that a stalling machine made too long is none: `key` is then pressed again."""
        now = asyncio.get_running_loop().time
        pressed = now()
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.01)
                if key and now() - pressed > 3.0:
                    self.key(key)
                    pressed = now()


@asynccontextmanager
async def shown(knobs: Knobs = "potentiometers") -> AsyncIterator[tuple[Case, Pilot[None]]]:
    case = Case(knobs)
    case.panel.start()
    try:
        assert case.panel.looked(10)
        case.gestures.clear()
        async with case.screen.run_test(size=(84, 28)) as pilot:
            yield case, pilot
    finally:
        case.panel.close()


def run(test: Callable[[Case, Pilot[None]], Awaitable[None]], knobs: Knobs = "potentiometers") -> None:
    async def go() -> None:
        async with shown(knobs) as (case, pilot):
            await test(case, pilot)

    asyncio.run(go())


# --- hands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "knob", "position"),
    [
        ("up", Knob.VOLUME, 0.72),
        ("down", Knob.VOLUME, 0.68),
        ("right", Knob.TEMPO, 0.42),
        ("left", Knob.TEMPO, 0.38),
    ],
)
def test_arrows_turn_the_knobs_of_the_mock_panel(key: str, knob: Knob, position: float) -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        def there() -> bool:
            last = case.gestures[-1] if case.gestures else None
            return isinstance(last, Moved) and last.knob is knob and abs(last.position - position) < 0.005

        case.key(key)
        await case.until(there)

    run(test)


def test_arrows_turn_encoders_too() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        case.key("down")
        await case.until(lambda: case.gestures == [Turned(Knob.VOLUME, -1)])

    run(test, "encoders")


@pytest.mark.parametrize(
    ("key", "gesture"),
    [
        ("n", Pressed(Button.NETWORK)),
        ("m", Pressed(Button.MUTE)),
        ("s", Doubled(Button.MUTE)),
        ("N", Held(Button.NETWORK)),
        ("k", Doubled(Button.NETWORK)),
    ],
)
def test_keys_press_the_buttons_of_the_mock_panel(key: str, gesture: Gesture) -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        case.key(key)
        await case.until(lambda: gesture in case.gestures, key if key in ("n", "m") else "")

    run(test)


def test_a_hold_is_begun_and_ended_by_a_capital() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        case.key("M")
        await case.until(lambda: case.lamps.held > 0.2)
        await case.until(lambda: sum(case.mock.lit) > 6)  # all are lit, before they go out one by one
        case.key("M")
        await case.until(lambda: case.lamps.held == 0.0)
        assert case.gestures == []  # letting go cancels

    run(test)


def test_the_mouse_presses_and_its_wheel_turns() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        # It is held, not pressed: the pilot waits up to a second until the process rests, which it never does.
        await pilot.mouse_down(".key")
        await case.until(lambda: case.gestures == [Held(Button.NETWORK)])
        await pilot.mouse_up(".key")
        case.key("n")  # counts only because the mouse has let go
        await case.until(lambda: case.gestures[1:] == [Pressed(Button.NETWORK)], "n")
        volume = case.screen.query(Dial).first()
        volume.on_mouse_scroll_up()
        volume.on_mouse_scroll_up()
        volume.on_mouse_scroll_down()
        await case.until(lambda: isinstance(case.gestures[-1], Moved) and case.gestures[-1].position > 0.715)

    run(test)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_whoever_wants_to_leave_may(key: str) -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        case.key("x")
        assert not case.left
        case.key(key)
        await case.until(lambda: case.left)

    run(test)


# --- eyes ---------------------------------------------------------------------------------------------------


def test_a_lamp_glows_as_its_pin_is_lit() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        lamps = case.screen.query_one(LampRow)
        await case.until(lambda: lamps.drawn == (0, 0, 0, 0, 0, 0, STEPS, 0, 0))
        case.lamps.press(0.0)
        case.lamps.night = 0.25
        await case.until(lambda: 0 < lamps.drawn[6] < STEPS)

    run(test)


def test_it_shows_what_it_is_told() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        def text() -> str:
            return case.screen.export_screenshot().replace("&#160;", " ")

        await case.until(lambda: "volume 70%" in text())
        assert "tempo 60" in text()
        assert "public: live" in text()
        assert "futurenet" in text()
        case.status = replace(STATUS, muted=True, words="testnet: connecting")
        await case.until(lambda: "muted" in text() and "testnet: connecting" in text())
        print("The card has gone.\n")  # noqa: T201 - as the log does
        await case.until(lambda: "The card has gone." in text())
        assert case.screen.query_one(Score).drawn == STATUS.score

    run(test)


def test_a_window_that_would_cut_the_case_asks_for_more_room() -> None:
    async def test(case: Case, pilot: Pilot[None]) -> None:
        def seen() -> set[str]:
            return {str(part.id) for part in case.screen.screen.children if part.region.area}

        whole = {"state", "score", "case", "said", "legend"}
        await case.until(lambda: seen() == whole)
        for width, height in ((WIDE - 1, TALL), (WIDE, TALL - 1)):
            await pilot.resize_terminal(width, height)
            await case.until(lambda: seen() == {"state", "small", "said"})
            case.key("n")
            await case.until(lambda: Pressed(Button.NETWORK) in case.gestures, "n")
            case.gestures.clear()
        await pilot.resize_terminal(WIDE, TALL)
        await case.until(lambda: seen() == whole)
        assert case.screen.query_one("#legend").region.bottom == TALL
        assert case.screen.query_one("#hands").region.height == 7

    run(test)


def test_a_long_line_of_the_log_is_told_whole() -> None:
    """Where a keepsake is, for instance: it stands there until something else is said."""

    async def test(case: Case, _: Pilot[None]) -> None:
        sys.stderr.write(
            "And made /srv/a/rather/deep/folder/stellar-wind/kept/2026-11-26-184512.mid of it, at last."
        )
        await case.until(lambda: case.screen.query_one("#said").region.height == 2)

    run(test)


def test_the_headline_says_what_there_is_room_for() -> None:
    assert headline(STATUS, 80).endswith("71 notes a minute · -32 dB · 2.3 s behind[/]")
    assert headline(STATUS, 45).endswith("71 notes a minute · -32 dB[/]")
    silent = replace(STATUS, lag=None, level=-120.0, silent=True)
    assert headline(silent, 80).endswith("]no sound card · 71 notes a minute · silent[/]")
    assert headline(silent, 30).endswith("]no sound card[/]")
    assert headline(STATUS, 10) == "[b rgb(255,184,90)]public: l…[/][rgb(110,118,138)][/]"


def test_names_stand_below_their_lamps() -> None:
    line = names(("C", "Eb"), ("public", "a-very-long-name"), 76)
    assert line.index("C") == 3
    assert line.index("public") == 6 * 7 + 4 + 2
    assert "a-very-lo " in line + " "


def test_a_glow_grows_with_the_level() -> None:
    middles = [glow(step, AMBER, 7)[4][3] for step in range(STEPS + 1)]
    assert [sum(colour) for colour in middles] == sorted(sum(colour) for colour in middles)
    assert glow(0, AMBER, 7)[0][0] == CASE
    assert glow(STEPS, AMBER, 7)[0][3] != CASE  # it throws light on the case


def test_a_dial_is_lit_up_to_its_pointer() -> None:
    def lit(step: int) -> int:
        return sum(red > 200 and blue < 100 for row in dial(step, 10, 10) for red, _, blue in row)

    assert lit(0) == 0
    assert lit(10) < lit(50) < lit(100)


def test_a_score_of_many_shades_is_drawn_in_few() -> None:
    """Every pair of colours is remembered; with as many as there are numbers, memory grew by 200 MB an hour."""
    score, seen = Score(), set()
    for loud in range(1000):
        score.drawn = (Mark(0.0, 1.0, 1.0, loud / 1000, Voice.BELL),)
        seen |= {colour for row in score.pixels(60, 2) for colour in row}
    assert len(seen) <= STEPS + 2


def test_the_score_runs_to_the_left() -> None:
    score = Score()
    score.drawn = (Mark(2.0, 1.0, 1.0, 1.0, Voice.BELL), Mark(9000.0, 0.0, 1.0, 1.0, Voice.BELL))
    rows = score.pixels(60, 10)
    head = 59 - round(2.0 / COLUMN)
    assert [column for column, colour in enumerate(rows[0]) if colour != GROUND] == list(
        range(head, head + round(1.0 / COLUMN) + 1)
    )
    assert rows[0][head][0] > rows[0][head + 2][0]  # it fades
    assert {colour for row in rows[1:] for colour in row} == {GROUND}
    score.drawn = (Mark(0.0, 1.0, 1.0, 1.0, Voice.BELL), Mark(4.0, 1.0, 9.0, 0.5, Voice.PAD))
    now = score.pixels(60, 10)[0][-1]
    assert now == INKS[Voice.BELL] or now[0] > 200  # a chord lies below the notes
    assert score.pixels(60, 10)[0][-5] not in (GROUND, now)


def test_equal_pixels_are_one_segment() -> None:
    (line,) = lines([[GROUND] * 9, [GROUND] * 9])
    assert [segment.text for segment in line] == ["▀" * 9]


def test_it_leaves_even_before_it_has_begun() -> None:
    """In a test there is no terminal to leave: it must not raise, and must not hang."""
    case = Case("none")

    async def come_and_go() -> None:
        async with asyncio.timeout(60):
            async with showing(lambda: STATUS, case.mock, case.gestures.append, case.leave):
                await asyncio.sleep(0)

    asyncio.run(come_and_go())


class Hasty(Screen):
    FRAMES = 2000


def test_it_draws_no_more_once_it_has_gone() -> None:
    async def go() -> None:
        for _ in range(10):
            case = Case("potentiometers")
            screen = Hasty(lambda: STATUS, case.mock, case.gestures.append, case.leave)
            async with screen.run_test(size=(84, 28)):
                await asyncio.sleep(0.01)

    asyncio.run(go())


def test_whoever_plays_is_told_to_leave_when_the_screen_fails(capfd: pytest.CaptureFixture[str]) -> None:
    case = Case("none")

    def status() -> Status:
        raise RuntimeError("nothing to show")

    async def fail() -> None:
        async with showing(status, case.mock, case.gestures.append, case.leave):
            await case.until(lambda: case.left)

    asyncio.run(fail())
    assert "nothing to show" in capfd.readouterr().err
