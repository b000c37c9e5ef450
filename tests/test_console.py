# SPDX-License-Identifier: Apache-2.0
"""The console without a box around it: gestures, the night, the sleep timer and the status, with a clock of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.console import Console
from appliance.dimming import DROWSY, DUSK
from appliance.panel.lamps import OPENING, Lamps
from appliance.saved.crashes import Run
from appliance.saved.state import SavedControls, State
from appliance.settings import Settings, SettingsError, load
from appliance.sound.outputs.speaker import OutputStatus
from appliance.values import (
    Amount,
    BoxError,
    BoxState,
    Button,
    Chosen,
    Context,
    Doubled,
    Held,
    Kind,
    Note,
    NoteEvent,
    Pressed,
    Voice,
)

NETWORKS = ["public", "testnet", "futurenet"]
NOON = 720
EVENT = NoteEvent(
    Note(67, 0.5, 1.0, Voice.BELL, amount=Amount(25, Kind.PAYMENT, True, 7), waited=1.5), 1.0, 1.0, 1.0
)


def settings(**given: object) -> Settings:
    return load(given, {}).settings


class Desk:
    """A console and its clock."""

    def __init__(
        self, given: Settings | None = None, run: Run | None = None, saved: State | None = None
    ) -> None:
        self.seconds = 1000.0
        self.lamps = Lamps()
        self.console = Console(
            given or settings(), NETWORKS, self.lamps, lambda: self.seconds, saved=saved, run=run or Run("")
        )
        self.switched: list[str] = []
        self.console.switch = self.switched.append


def test_the_network_button_steps_through_and_back() -> None:
    desk, seen = Desk(), []
    for gesture in (*(Pressed(Button.NETWORK),) * 4, Held(Button.NETWORK)):
        desk.console.obey(gesture)
        seen.append(desk.console.controls.network)
    assert seen == desk.switched == ["testnet", "futurenet", "public", "testnet", "public"]


def test_a_night_dims_from_the_start_and_ends() -> None:
    desk = Desk(settings(**{"night.start": "22:00", "night.end": "7:00", "sound.max_volume": 0.8}))
    desk.console.dim(0)
    assert desk.console.controls.dim == pytest.approx(0.8 * 0.75)
    assert desk.console.status().light == 0.25
    desk.seconds += DUSK
    desk.console.dim(NOON)
    assert desk.console.controls.dim == pytest.approx(0.8)
    day = Desk()
    day.console.dim(None)
    assert (day.console.controls.dim, day.console.status().light) == (1.0, 1.0)


def test_the_hour_is_heard_where_it_is_known_and_the_owner_likes_it() -> None:
    for given, minute, hour in (({}, 1350, 22.5), ({}, None, None), ({"music.hours": False}, 1350, None)):
        desk = Desk(settings(**given))
        desk.console.dim(minute)
        assert desk.console.controls.hour == hour
    desk = Desk()
    for minute in (1439, 0, None):  # past midnight, and a clock that is lost
        desk.console.dim(minute)
        assert desk.console.controls.hour == (None if minute is None else minute / 60)


def test_a_sleep_timer_is_counted_down_fades_and_mutes() -> None:
    desk = Desk()
    desk.console.dim(NOON)
    assert desk.console.status().sleep == 0
    desk.console.obey(Doubled(Button.MUTE))
    assert desk.console.status().sleep == 30
    assert desk.console.sleep_ends == 1000.0 + 1800
    desk.seconds += 1800 - DROWSY / 2
    desk.console.dim(NOON)
    assert 0.4 < desk.console.controls.dim < 0.6
    assert desk.console.status().sleep == 1
    desk.seconds += DROWSY / 2
    desk.console.dim(NOON)
    controls = desk.console.controls
    assert (controls.muted, controls.sleep, controls.dim) == (True, 0, 0.0)
    assert desk.console.sleep_ends == 0.0


def test_a_sleep_timer_that_is_set_again_begins_again() -> None:
    desk = Desk()
    for minutes in (30, 30, 60):
        desk.console.obey(Chosen("sleep", minutes))
        assert desk.console.sleep_ends == desk.seconds + 60 * minutes
        desk.seconds += 1200
    desk.console.obey(Chosen("volume", 0.5))
    assert desk.console.sleep_ends == desk.seconds - 1200 + 3600


def kept(desk: Desk, keep: Callable[[], Path]) -> None:
    async def write(_: str) -> Path:
        return keep()

    desk.console.keep = write

    async def run() -> None:
        desk.console.obey(Doubled(Button.NETWORK))
        await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_gesture_keeps_and_one_that_cannot_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[Path] = []

    def keep() -> Path:
        asked.append(Path("x"))
        if len(asked) > 1:
            raise BoxError("The disk is full.")
        return asked[0]

    kept(Desk(), keep)
    assert (len(asked), caplog.text) == (1, "")
    kept(Desk(), keep)
    assert "The disk is full." in caplog.text


def test_a_hold_switches_off_a_box_and_no_laptop() -> None:
    done: list[int] = []

    async def power_off() -> None:
        done.append(1)

    async def run(*, box: bool) -> None:
        desk = Desk()
        desk.console.power_off = power_off if box else None
        desk.console.obey(Held(Button.MUTE))
        await asyncio.sleep(0.01)

    asyncio.run(run(box=False))
    assert done == []
    asyncio.run(run(box=True))
    assert done == [1]


@pytest.mark.parametrize(
    ("sleeps_in", "muted", "sleep"), [(600.0, False, 30), (-1.0, True, 0), (0.0, True, 0)]
)
def test_a_sleep_timer_that_ran_out_while_nothing_played_has_muted_the_box(
    sleeps_in: float, muted: bool, sleep: int
) -> None:
    desk = Desk(run=Run("", sleep=30, sleeps_at=1000.0 + sleeps_in))
    assert (desk.console.controls.muted, desk.console.controls.sleep) == (muted, sleep)
    assert desk.console.status().sleep == (10 if sleep else 0)
    assert desk.console.sleep_ends == (1600.0 if sleep else 0.0)


def test_a_mute_outlives_a_crash() -> None:
    assert Desk(run=Run("", muted=True)).console.controls.muted


def test_controls_come_back_and_are_saved() -> None:
    were = SavedControls(0.7, 60.0, "public", "wind")
    saved = State(were, replace(were, volume=0.25, network="testnet", scene="night"))
    console = Desk(saved=saved).console
    now = console.controls
    assert (now.volume, now.network, now.scene) == (0.25, "testnet", "night")
    console.obey(Chosen("tempo", 90.0))
    assert console.saved(("testnet", 7)) == State(were, replace(saved.controls, tempo=90.0), ("testnet", 7))


def test_the_scene_changes_with_the_settings_and_a_wrong_one_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    console = Desk().console
    console.reload(lambda: settings(scene="night"))
    assert console.controls.scene == console.saved(None).settings.scene == "night"

    def wrong() -> Settings:
        raise SettingsError("No such scene.")

    console.reload(wrong)
    assert "No such scene." in caplog.text
    console.reload(None)
    assert console.controls.scene == "night"


class Sounding:
    """What a live performance says of itself."""

    level, seconds = -30.0, OPENING + 1
    output_status = OutputStatus("the USB card", "", 3, 0.128)


def test_the_status_is_of_all_that_plays() -> None:
    desk = Desk()
    console = desk.console
    assert console.status().shown is BoxState.STARTING
    assert console.level < -100
    console.sounding, console.state = Sounding(), lambda: BoxState.LIVE
    console.context = Context("public", "night", "wind", "D", 72.0)
    console.add(EVENT, 3, desk.seconds + 0.1)
    status = console.status()
    assert (status.card, status.underruns, status.latency) == ("the USB card", 3, 0.128)
    assert (status.scene, status.tempo, status.tones[0]) == ("night", 72.0, "D")
    assert (status.shown, console.level) == (BoxState.LIVE, -30.0)
    assert status.notes_a_minute == 0  # it is not heard yet
    desk.seconds += 0.2
    assert (console.status().notes_a_minute, console.status().delay) == (1, 1.5)
    console.state = lambda: BoxState.OFFLINE
    assert (console.status().notes_a_minute, console.status().delay) == (1, None)  # a recording is never late
    assert Desk(run=Run("", safe=True)).console.status().safe_mode


def test_the_lamps_are_told_and_notes_light_them() -> None:
    desk = Desk()
    desk.console.sounding, desk.console.state = Sounding(), lambda: BoxState.LIVE
    desk.lamps.begin(desk.seconds - 100)
    desk.console.obey(Pressed(Button.NETWORK))
    desk.console.light()
    desk.console.add(EVENT, 3, desk.seconds)
    desk.console.add(replace(EVENT, note=replace(EVENT.note, voice=Voice.PAD)), 5, desk.seconds)
    levels = desk.lamps.levels(desk.seconds + 0.1)
    assert levels[3] > 0.4
    assert levels[5] == 0.0
    assert levels[6:] == (0.0, 1.0, 0.0)  # testnet, live
