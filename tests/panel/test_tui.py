# SPDX-License-Identifier: Apache-2.0
"""The panel in a terminal, headless: keys and mouse become gestures, and events of the box a picture."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from appliance.control import note_fields
from appliance.panel.buttons import TIMINGS
from appliance.panel.lamps import COUNT, NOTE_LAMPS, PRESS, WINK
from appliance.panel.tui import (
    AMBER,
    CASE,
    COLUMN,
    GROUND,
    INKS,
    SCORE,
    STEPS,
    TALL,
    WIDE,
    Dial,
    Key,
    LampRow,
    Mark,
    Score,
    TerminalPanel,
    dial,
    glow,
    headline,
    lines,
    mark,
    names,
)
from appliance.status import Status
from appliance.values import (
    BoxState,
    Button,
    Doubled,
    Gesture,
    Held,
    Knob,
    Note,
    NoteEvent,
    Pressed,
    Turned,
    Voice,
)
from tests.support.statuses import STATUS

pytestmark = pytest.mark.process

HANG = 60.0  # s
OF_LIVE = (0, 0, 0, 0, 0, 0, STEPS, 0, 0)  # the lamps of a live network without notes


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now, self.read = 1000.0, 0

    def __call__(self) -> float:
        self.read += 1
        return self.now


class Quick(TerminalPanel):
    """Draws more often than a terminal needs, so that tests wait less."""

    FRAMES = 200


class Desk:
    """A panel with a box that sends events and takes gestures."""

    def __init__(self, status: Status = STATUS) -> None:
        self.clock, self.gestures = Clock(), list[Gesture]()
        self.panel = Quick(status, self.gestures.append, self.clock)

    def key(self, *keys: str) -> None:
        """Type keys. The pilot's own way waits for a process that rests, which this one never does."""
        for key in keys:
            self.panel.simulate_key(key)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG):
            while not done():
                await asyncio.sleep(0.005)

    async def drawn(self) -> None:
        """Wait for a few frames: each reads the clock once, and a key no more than three times."""
        enough = self.clock.read + 6
        await self.until(lambda: self.clock.read >= enough)

    async def wait(self, seconds: float) -> None:
        """Let time pass, and see it drawn."""
        await self.drawn()
        self.clock.now += seconds
        await self.drawn()

    @property
    def lamps(self) -> tuple[int, ...]:
        """The levels of the lamps, in STEPS."""
        return self.panel.query_one(LampRow).drawn

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return unescape(self.panel.export_screenshot()).replace("\xa0", " ")

    def button(self, button: Button) -> Key:
        """A button on the screen."""
        return list(self.panel.query(Key))[list(Button).index(button)]


def run(test: Callable[[Desk, Pilot[None]], Awaitable[None]], status: Status = STATUS) -> None:
    async def go() -> None:
        desk = Desk(status)
        async with desk.panel.run_test(size=(84, 28)) as pilot:
            await desk.drawn()
            await test(desk, pilot)

    asyncio.run(go())


def told(status: Status) -> dict[str, Any]:
    """The event of a status, as the control socket sends it."""
    return {"status": status.as_json()}


def note(tone: int = 2, pitch: int = 65, velocity: float = 1.0, voice: Voice = Voice.BELL) -> dict[str, Any]:
    """The event of a note, as the control socket sends it."""
    return {"note": note_fields(NoteEvent(Note(pitch, velocity, 1.0, voice), 0.0, 0.0, 2.0), tone)}


# --- keys and mouse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "gesture"),
    [
        ("up", Turned(Knob.VOLUME, 1)),
        ("down", Turned(Knob.VOLUME, -1)),
        ("right", Turned(Knob.TEMPO, 1)),
        ("left", Turned(Knob.TEMPO, -1)),
        ("n", Pressed(Button.NETWORK)),
        ("m", Pressed(Button.MUTE)),
        ("s", Doubled(Button.MUTE)),
        ("k", Doubled(Button.NETWORK)),
    ],
)
def test_a_key_is_a_gesture_at_once(key: str, gesture: Gesture) -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.key(key, key)
        await desk.until(lambda: len(desk.gestures) == 2)
        await desk.wait(10.0)
        assert desk.gestures == [gesture, gesture]  # and no other one follows

    run(test)


@pytest.mark.parametrize(("key", "button"), [("N", Button.NETWORK), ("M", Button.MUTE)])
def test_a_capital_holds_a_button_down_and_releases_it(key: str, button: Button) -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.key(key)
        await desk.until(lambda: desk.button(button).down)
        await desk.wait(TIMINGS[button].hold - 0.1)
        assert desk.gestures == []
        await desk.wait(0.2)
        assert desk.gestures == [Held(button)]
        desk.key(key)
        await desk.until(lambda: not desk.button(button).down)
        await desk.wait(1.0)
        assert desk.gestures == [Held(button)]

    run(test)


def test_releasing_a_hold_before_its_time_cancels_it() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.key("M")
        await desk.until(lambda: desk.button(Button.MUTE).down)
        await desk.wait(1.2)
        assert desk.lamps == (STEPS,) * 9  # all are lit, before they go out one by one
        await desk.wait(2.0)
        assert 0 < sum(level > 0 for level in desk.lamps) < 9
        desk.key("M")
        await desk.wait(0.1)
        await desk.wait(1.0)
        assert desk.lamps == OF_LIVE
        assert desk.gestures == []

    run(test)


def test_a_press_is_confirmed_by_the_button_and_by_a_lamp() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.key("n")
        await desk.drawn()
        assert desk.button(Button.NETWORK).has_class("down")
        assert desk.lamps[6] == 0  # it winks
        await desk.wait(WINK + 0.1)
        assert not desk.button(Button.NETWORK).has_class("down")
        assert desk.lamps == OF_LIVE

    run(test)


def test_the_mouse_presses_the_button_below_it() -> None:
    async def test(desk: Desk, pilot: Pilot[None]) -> None:
        await pilot.mouse_down(
            desk.button(Button.NETWORK)
        )  # takes seconds: the pilot waits for an idle process
        await desk.wait(0.1)
        assert desk.button(Button.NETWORK).has_class("down")
        assert desk.lamps[6] == 0  # it winks before the button is released
        await pilot.mouse_up(desk.button(Button.NETWORK))
        await desk.wait(0.1)
        await desk.drawn()
        assert desk.gestures == [Pressed(Button.NETWORK)]

    run(test)


def test_the_mouse_holds_and_presses_twice() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        async def click(button: Button, down: float, up: float) -> None:
            key = desk.button(button)
            key.post_message(events.MouseDown(key, 1, 1, 0, 0, 1, False, False, False))
            await desk.until(lambda: key.down)
            await desk.wait(down)
            key.post_message(events.MouseUp(key, 1, 1, 0, 0, 1, False, False, False))
            await desk.until(lambda: not key.down)
            await desk.wait(up)
            await desk.drawn()

        await click(Button.MUTE, 0.1, 0.1)
        await click(Button.MUTE, 0.1, 1.0)
        assert desk.gestures == [Doubled(Button.MUTE)]
        await click(Button.NETWORK, 2.5, 0.1)
        assert desk.gestures[1:] == [Held(Button.NETWORK)]

    run(test)


def test_the_wheel_of_the_mouse_turns_the_knob_below_it() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        volume, tempo = desk.panel.query(Dial)
        volume.on_mouse_scroll_up()
        volume.on_mouse_scroll_down()
        tempo.on_mouse_scroll_up()
        assert desk.gestures == [
            Turned(Knob.VOLUME, 1),
            Turned(Knob.VOLUME, -1),
            Turned(Knob.TEMPO, 1),
        ]

    run(test)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_the_panel_can_be_closed(key: str) -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.key("x", "escape", "tab", "f1", "Q")
        await desk.drawn()
        assert desk.panel.is_running
        desk.key(key)
        await desk.until(lambda: not desk.panel.is_running)
        assert desk.gestures == []

    run(test)


# --- events -------------------------------------------------------------------------------------------------


def test_the_first_status_is_shown_at_once() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        assert desk.lamps == OF_LIVE
        assert all(
            part in desk.text
            for part in ("public", "volume 70%", "tempo 60", "NETWORK", "MUTE", *STATUS.tones)
        )

    run(test, replace(STATUS, state=BoxState.LIVE, volume=0.7, tempo=60.0))


def test_a_new_status_is_shown() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        changed = replace(STATUS, network="testnet", muted=True, tempo=90.0, tones=("D", "F#"))
        desk.panel.take(told(changed))
        await desk.drawn()
        assert all(part in desk.text for part in ("testnet: ", "muted", "tempo 90", "F#"))
        assert desk.lamps[6:] == (0, STEPS, 0)

    run(test)


def test_a_state_is_shown_on_the_lamps_when_it_has_lasted_and_at_once_after_a_press() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take(told(replace(STATUS, card="")))
        await desk.wait(5.0)
        assert desk.lamps == OF_LIVE
        await desk.wait(5.1)
        assert desk.lamps != OF_LIVE
        desk.panel.take(told(STATUS))
        desk.key("n")
        await desk.wait(PRESS / 2)
        assert desk.lamps == OF_LIVE

    run(test)


def test_night_and_mute_dim_the_lamps() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take(told(replace(STATUS, light=0.25)))
        await desk.drawn()
        assert 0 < desk.lamps[6] < STEPS

    run(test)


def test_setting_the_sleep_timer_shows_its_half_hours() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        async def lit(sleep: int) -> int:
            """How many note lamps a status with so many minutes lights."""
            desk.panel.take(told(replace(STATUS, sleep=sleep)))
            await desk.drawn()
            return sum(level > 0 for level in desk.lamps[:NOTE_LAMPS])

        assert await lit(30) == 1
        assert await lit(60) == 2
        await desk.wait(COUNT + 0.1)
        assert await lit(59) == 0  # time passes, which is not shown
        assert await lit(90) == 3
        assert await lit(0) == 0

    run(test)


def test_a_note_pulses_on_the_lamp_of_its_tone_and_runs_through_the_score() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        score = desk.panel.query_one(Score)
        desk.panel.take(note(tone=2))
        await desk.wait(0.05)
        assert desk.lamps[2] > 0
        assert [level for place, level in enumerate(desk.lamps[:NOTE_LAMPS]) if place != 2] == [0] * 5
        assert [each.voice for each in score.drawn] == [Voice.BELL]
        await desk.wait(10 * COLUMN)
        assert score.drawn[0].age == pytest.approx(10 * COLUMN, abs=1.5 * COLUMN)
        assert desk.lamps[2] == 0
        await desk.wait(SCORE)
        assert score.drawn == ()

    run(test)


def test_a_scale_of_seven_tones_shares_the_lamps() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take(note(tone=NOTE_LAMPS + 1))
        await desk.wait(0.05)
        assert [place for place, level in enumerate(desk.lamps[:NOTE_LAMPS]) if level] == [1]

    run(test)


def test_chords_run_through_the_score_without_a_lamp_and_drones_do_not() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        for voice in (Voice.PAD, Voice.DRONE):
            desk.panel.take(note(voice=voice))
        await desk.wait(0.05)
        assert desk.lamps == OF_LIVE
        assert [each.voice for each in desk.panel.query_one(Score).drawn] == [Voice.PAD]

    run(test)


def test_lines_of_the_log_and_errors_are_shown_and_the_last_one_is_kept() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take({"log": "12:00:00 info The card is gone."})
        await desk.drawn()
        assert "The card is gone." in desk.text
        desk.panel.take({"ok": False, "error": "Nothing can be [kept]."})
        await desk.drawn()
        assert "Nothing can be [kept]." in desk.text
        assert desk.panel.last_log == "Nothing can be [kept]."

    run(test)


def test_a_long_line_of_the_log_takes_two() -> None:
    """Such as the path of a kept score."""

    async def test(desk: Desk, _: Pilot[None]) -> None:
        path = "/srv/a/rather/deep/folder/stellar-wind/kept/2026-11-26-184512.score.gz"
        desk.panel.take({"log": f"18:45:12 info Kept the last half hour: {path}."})
        await desk.until(lambda: desk.panel.query_one("#log").region.height == 2)

    run(test)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"ok": True},
        {"lost": 12},
        {"weather": "fine"},
        {"level": None},
        {"log": 7},
        {"note": {}},
        {"note": 5},
        {"note": note()["note"] | {"voice": "kazoo"}},
        {"note": note()["note"] | {"pitch": None}},
        {"note": {key: value for key, value in note()["note"].items() if key != "tone"}},
        {"status": {}},
        {"status": STATUS.as_json() | {"state": "on holiday"}},
        {"status": STATUS.as_json() | {"network": "elsewhere"}},
        {"status": STATUS.as_json() | {"networks": None}},
    ],
    ids=repr,
)
def test_an_event_that_is_unknown_or_incomplete_is_ignored(event: Mapping[str, Any]) -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take(event)
        await desk.wait(1.0)
        assert desk.lamps == OF_LIVE
        assert desk.panel.query_one(Score).drawn == ()
        desk.panel.take(note(tone=0))
        await desk.wait(0.05)
        assert desk.lamps[0] > 0

    run(test)


def test_fields_of_a_newer_box_are_ignored() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        desk.panel.take({"status": STATUS.as_json() | {"tempo": 90.0, "weather": "fine"}})
        await desk.drawn()
        assert "tempo 90" in desk.text

    run(test)


# --- the window ---------------------------------------------------------------------------------------------


def test_a_small_window_asks_for_more_room_and_its_keys_work() -> None:
    async def test(desk: Desk, pilot: Pilot[None]) -> None:
        def shown() -> set[str]:
            return {str(part.id) for part in desk.panel.screen.children if part.region.area}

        whole = {"state", "score", "case", "log", "legend"}
        await desk.until(lambda: shown() == whole)
        for width, height in ((WIDE - 1, TALL), (WIDE, TALL - 1), (1, 1), (WIDE - 1, TALL)):
            await pilot.resize_terminal(width, height)
            await desk.until(lambda: desk.panel.screen.has_class("small"))
            desk.gestures.clear()
            desk.key("n")
            await desk.until(lambda: desk.gestures == [Pressed(Button.NETWORK)])
        await desk.until(lambda: shown() == {"state", "small", "log"})
        await pilot.resize_terminal(WIDE, TALL)
        await desk.until(lambda: shown() == whole)
        assert desk.panel.query_one("#legend").region.bottom == TALL
        assert desk.panel.query_one("#controls").region.height == 7

    run(test)


def test_the_picture_fills_every_size_of_window() -> None:
    async def test(desk: Desk, pilot: Pilot[None]) -> None:
        for tone in range(6):
            desk.panel.take(note(tone))
        for width, height in ((200, 60), (WIDE, 40), (120, TALL)):
            await pilot.resize_terminal(width, height)
            await desk.until(
                lambda width=width, height=height: (  # type: ignore[misc]
                    desk.panel.query_one("#case").region.right == width - 1
                    and desk.panel.query_one("#legend").region.bottom == height
                )
            )
            await desk.drawn()
            assert len(desk.panel.query_one(Score).drawn) == 6

    run(test)


# --- pictures -----------------------------------------------------------------------------------------------


def facts(status: Status, level: float, width: int) -> str:
    """What the headline says at the right."""
    return headline(status, level, width).rpartition("]")[0].rpartition("]")[2].removesuffix("[/")


def numbers(said: str) -> list[str]:
    return re.findall(r"-?\d[\d.]*", said)


def test_the_headline_says_what_there_is_room_for() -> None:
    status = replace(STATUS, card="USB", notes_a_minute=71, delay=2.3, state=BoxState.LIVE)
    assert numbers(facts(status, -32.0, 80)) == ["71", "-32", "2.3"]
    assert numbers(facts(status, -32.0, 45)) == ["71", "-32"]
    silent = replace(status, delay=None, card="")
    card, notes, level = facts(silent, -120.0, 80).split(" · ")
    assert ("card" in card, numbers(notes), level) == (True, ["71"], "silent")
    assert facts(silent, -120.0, 30) == card
    assert facts(status, -32.0, 10) == ""
    assert "public: l…" in headline(status, -32.0, 10)


def test_the_headline_names_the_piece_that_plays_whatever_its_title() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        for title in ("Evening; Ada", "[red]Evening[/], [b]Ada", "Evening [/nothing]", "Evening\\"):
            desk.panel.take({"status": replace(STATUS, state=BoxState.SCORE, piece=title).as_json()})
            await desk.drawn()
            assert title in desk.text

    run(test)


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
    """Every pair of colours is cached; with as many as there are numbers, memory grew by 200 MB an hour."""
    score, seen = Score(), set()
    for loud in range(1000):
        score.drawn = (Mark(0.0, 1.0, 1.0, loud / 1000, Voice.BELL),)
        seen |= {colour for row in score.pixels(60, 2) for colour in row}
    assert len(seen) <= STEPS + 2


def test_a_note_is_drawn_by_pitch_and_age() -> None:
    low, high = (mark(note(pitch=pitch)["note"], 10.0, 14.0) for pitch in (40, 90))
    assert 0.0 < low.height < high.height < 1.0
    assert low.age == pytest.approx(4.0, abs=1.5 * COLUMN)
    ends = [mark(note(pitch=pitch)["note"], 10.0, 14.0).height for pitch in (0, 127)]
    assert ends == [0.0, 1.0]  # foreign pitches stay in the picture


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


class Hasty(TerminalPanel):
    FRAMES = 2000


def test_nothing_is_drawn_after_the_end() -> None:
    async def go() -> None:
        for _ in range(10):
            panel = Hasty(STATUS, lambda _: None, Clock())
            async with panel.run_test(size=(84, 28)):
                await asyncio.sleep(0.01)

    asyncio.run(go())


def test_the_legend_names_the_keys() -> None:
    async def test(desk: Desk, _: Pilot[None]) -> None:
        legend = str(desk.panel.query_one("#legend", Static).content)
        assert all(f"{key} " in legend for key in ("n", "m", "s", "k", "q"))

    run(test)
