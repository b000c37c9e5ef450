# SPDX-License-Identifier: Apache-2.0
"""The lamps: their envelope, their table of states, and the limits of flashing for any sequence of hits and states."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.panel.lamps import (
    ATTACK,
    ATTACKS,
    COUNT,
    DIMMEST,
    FADE,
    LAMPS,
    LANGUAGE,
    LASTS,
    LIGHT,
    NETWORK_LAMPS,
    NOTE_LAMPS,
    OPENING,
    PRESS,
    SOFTEST,
    WINK,
    Lamps,
    NoteLamp,
    duty,
    language,
    lead,
    seen,
)
from appliance.values import BoxState

README = Path(__file__).parent.parent.parent / "README.md"
FRAME = 1 / 60  # s
DARK = (0.0,) * LAMPS


def live(chosen: int = 0, light: float = 1.0) -> Lamps:
    """Lamps of a box that plays the network, from second 0 on."""
    lamps = Lamps(light)
    lamps.chosen = chosen
    lamps.tell(BoxState.LIVE, 0.0)
    lamps.levels(0.0)
    return lamps


def showing(state: BoxState, chosen: int = 0) -> Lamps:
    lamps = Lamps()
    lamps.chosen = chosen
    lamps.tell(state, 0.0)
    lamps.levels(0.0)
    assert lamps.shown is state
    return lamps


def frames(lamps: Lamps, seconds: float, start: float = 0.0) -> list[tuple[float, ...]]:
    return [lamps.levels(start + frame * FRAME) for frame in range(round(seconds / FRAME))]


def rises(levels: list[float]) -> int:
    """How often a lamp goes from dark to lit."""
    return sum(before < 0.5 <= after for before, after in itertools.pairwise(levels))


# --- light --------------------------------------------------------------------------------------------------


@given(st.floats(0, 1))
def test_a_lamp_is_off_or_bright_enough_not_to_flicker(level: float) -> None:
    light = duty(level)
    assert light == 0.0 or DIMMEST <= light <= 1.0
    if light:
        assert light == pytest.approx(level**2.2)
        assert seen(light) == pytest.approx(level)
    else:
        assert level**2.2 < DIMMEST


def test_a_pulse_rises_quickly_and_sinks_slowly() -> None:
    lamp = NoteLamp()
    lamp.hit(1.0, 10.0)
    assert lamp.level(10.0) == 0.0
    assert lamp.level(10.0 + ATTACK / 2) == pytest.approx(0.5)
    assert lamp.level(10.0 + ATTACK) == pytest.approx(1.0)
    assert lamp.level(10.0 + ATTACK + 0.25) == pytest.approx(1 / math.e)
    assert duty(lamp.level(10.0 + 0.4)) == 0.0


def test_a_second_hit_begins_where_the_first_has_sunk_to() -> None:
    lamp = NoteLamp()
    lamp.hit(0.6, 0.0)
    before = lamp.level(0.2)
    lamp.hit(1.0, 0.2)
    assert lamp.level(0.2) == pytest.approx(before)
    assert lamp.level(0.2 + ATTACK) == pytest.approx(1.0)


def test_the_notes_of_a_chord_are_one_attack_and_the_loudest_tells_how_bright() -> None:
    lamp = NoteLamp()
    for late, bright in enumerate((0.5, 0.9, 0.6)):
        lamp.hit(bright, late * 0.01)
    assert lamp.level(0.02 + ATTACK) == pytest.approx(0.9)
    for at in (0.3, 0.6):
        lamp.hit(1.0, at)
        assert lamp.level(at + ATTACK) == pytest.approx(1.0)  # two more are free


def test_a_hit_too_many_holds_the_level() -> None:
    lamp = NoteLamp()
    for at in (0.0, 0.3, 0.6):
        lamp.hit(1.0, at)
    here = lamp.level(0.8)
    lamp.hit(1.0, 0.8)
    assert {lamp.level(0.8 + late) for late in (0.0, 0.1, 0.33)} == {here}
    assert lamp.level(1.5) < here
    lamp.hit(1.0, 1.5)
    assert lamp.level(1.5 + ATTACK) == pytest.approx(1.0)


def test_a_soft_hit_does_not_dim_a_bright_lamp() -> None:
    lamp = NoteLamp()
    lamp.hit(1.0, 0.0)
    lamp.hit(0.4, 0.1)
    assert lamp.level(0.1) == lamp.level(0.3) > 0.8


# Mostly of one lamp, loud, and a little faster than a lamp may flash.
hits = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 0, 0, 1, 5)), st.sampled_from((0.0, 0.6, 1.0, 1.0)), st.floats(0.001, 0.35)
    ),
    min_size=5,
    max_size=60,
)
dims = st.sampled_from(sorted(LIGHT.values()))


@example([], 1.0, 0.203125, False, BoxState.OFFLINE)  # a slow rise, of which each frame adds about 0.01
@given(hits, dims, st.floats(0, 1), st.booleans(), st.sampled_from(BoxState))
def test_no_music_makes_a_lamp_flash_more_than_three_times_a_second(
    notes: list[tuple[int, float, float]], light: float, night: float, muted: bool, state: BoxState
) -> None:
    lamps = Lamps(light)
    lamps.night, lamps.muted = night, muted
    lamps.tell(state, 0.0)
    at = 0.0
    for degree, velocity, apart in notes:
        at += apart
        lamps.hit(degree, velocity, at)
    shown = [
        [duty(level) for level in levels] for levels in frames(lamps, min(at, 4.0) + 1.0)
    ]  # the rest is more of it
    for lamp in range(LAMPS):
        lit = [levels[lamp] for levels in shown]
        assert all(light == 0.0 or DIMMEST <= light <= 1.0 for light in lit)
        # A note that holds the level holds that of its moment, up to a frame ago; a flash is ten times as much (WCAG).
        steps = enumerate(itertools.pairwise(lit))
        rises = [
            list(run) for up, run in itertools.groupby(steps, lambda step: step[1][1] > step[1][0]) if up
        ]
        # Their first frames.
        flashes = [rise[0][0] for rise in rises if rise[-1][1][1] - rise[0][1][0] > 0.01]
        for first, fourth in zip(flashes, flashes[ATTACKS:], strict=False):
            assert (fourth - first + 1) * FRAME >= 1.0 - 2 * FRAME


# --- notes --------------------------------------------------------------------------------------------------


def test_a_note_lights_its_own_lamp_when_it_is_heard() -> None:
    lamps = live()
    lamps.hit(3, 1.0, at=10.0)
    lamps.hit(3 + NOTE_LAMPS, 0.0, at=20.0)  # a scale of more degrees shares the lamps
    assert lamps.levels(9.9)[:NOTE_LAMPS] == DARK[:NOTE_LAMPS]
    lit = lamps.levels(10.0 + ATTACK - lead(1.0))
    assert lit[3] == pytest.approx(1.0)
    assert lit[:3] + lit[4:NOTE_LAMPS] == (0.0,) * 5
    assert lamps.levels(20.0 + ATTACK - lead(SOFTEST))[3] == pytest.approx(SOFTEST)


@pytest.mark.parametrize("velocity", [0.0, 0.3, 1.0])
def test_a_note_is_seen_when_it_is_heard(velocity: float) -> None:
    lamps = live()
    lamps.hit(0, velocity, at=10.0)
    assert duty(lamps.levels(9.999)[0]) == 0.0
    assert duty(lamps.levels(10.001)[0]) > 0.0


@pytest.mark.parametrize("night", [1.0, 0.25, 0.01])
@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("velocity", [0.0, 0.5, 1.0])
def test_a_note_is_visible_however_much_it_is_dimmed(velocity: float, muted: bool, night: float) -> None:
    lamps = live(light=LIGHT["calm"])
    lamps.muted, lamps.night = muted, night
    lamps.hit(0, velocity, at=1.0)
    lit = [duty(levels[0]) for levels in frames(lamps, 1.0, start=1.0)]
    assert sum(light > 0 for light in lit) >= 3  # frames: 50 ms


def test_mute_night_and_calm_each_take_their_share_of_the_light() -> None:
    def peak(light: float, night: float, muted: bool) -> float:
        lamps = live(light=light)
        lamps.night, lamps.muted = night, muted
        lamps.hit(0, 1.0, at=1.0)
        return duty(lamps.levels(1.0 + ATTACK - lead(1.0))[0])

    assert peak(1.0, 1.0, False) == pytest.approx(1.0)
    assert peak(LIGHT["calm"], 1.0, False) == pytest.approx(0.5)
    assert peak(1.0, 1.0, True) == pytest.approx(0.25)
    assert peak(1.0, 0.25, False) == pytest.approx(0.25)
    assert peak(LIGHT["off"], 1.0, False) == peak(1.0, 0.0, False) == 0.0
    assert live(light=0.0).levels(1.0) == DARK


# --- the states ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", range(NETWORK_LAMPS))
@pytest.mark.parametrize(
    ("state", "lit_in_12_s"), [(BoxState.LIVE, 0), (BoxState.CONNECTING, 3), (BoxState.OFFLINE, 8)]
)
def test_only_the_lamp_of_the_chosen_network_is_lit(state: BoxState, lit_in_12_s: int, chosen: int) -> None:
    shown = frames(showing(state, chosen), 12.0)
    for lamp in range(NETWORK_LAMPS):
        levels = [levels[NOTE_LAMPS + lamp] for levels in shown]
        if lamp == chosen:
            assert rises(levels) == lit_in_12_s
            assert max(levels) == pytest.approx(1.0, abs=0.05)
        else:
            assert set(levels) == {0.0}
    if state is BoxState.LIVE:
        assert {levels[NOTE_LAMPS + chosen] for levels in shown} == {1.0}


def test_the_start_lights_the_note_lamps_one_by_one() -> None:
    lamps = Lamps()
    assert lamps.levels(99.0) == DARK
    lamps.begin(100.0)
    shown = frames(lamps, OPENING, start=100.0)
    full = [next(frame for frame, levels in enumerate(shown) if levels[lamp] > 0.9) for lamp in range(6)]
    assert full == sorted(set(full))
    assert all(levels[NOTE_LAMPS:] == (0.0,) * 3 for levels in shown)
    lamps.tell(BoxState.OFFLINE, 103.0)  # the first state is no change, and shows at once
    lamps.levels(103.0)
    assert lamps.shown is BoxState.OFFLINE


def test_without_a_card_the_network_lamps_run_from_left_to_right_and_the_notes_are_dark() -> None:
    lamps = showing(BoxState.NO_CARD)
    lamps.hit(0, 1.0, at=0.0)
    shown = frames(lamps, 3.0)
    assert all(levels[:NOTE_LAMPS] == DARK[:NOTE_LAMPS] for levels in shown)
    peaks = [max(range(len(shown)), key=lambda frame: shown[frame][NOTE_LAMPS + lamp]) for lamp in range(3)]
    assert peaks == [12, 48, 84]  # frames: 0.2, 0.8 and 1.4 s


def test_an_unknown_network_is_first_and_third_in_turn() -> None:
    lamps = showing(BoxState.SETUP)
    assert [lamps.levels(at)[NOTE_LAMPS:] for at in (0.5, 1.5, 2.5)] == [(1, 0, 0), (0, 0, 1), (1, 0, 0)]


def test_trouble_is_all_three_once_a_second_and_no_notes() -> None:
    shown = frames(showing(BoxState.TROUBLE), 10.0)
    for lamp in range(NETWORK_LAMPS):
        assert rises([levels[NOTE_LAMPS + lamp] for levels in shown]) == 9  # and the one it begins with
    assert {len(set(levels[NOTE_LAMPS:])) for levels in shown} == {1}


@given(st.sampled_from(BoxState), st.integers(0, 2), st.floats(0, 1e7))
def test_every_level_is_a_level(state: BoxState, chosen: int, seconds: float) -> None:
    for place in range(NETWORK_LAMPS):
        assert 0.0 <= LANGUAGE[state].network(place, chosen, seconds) <= 1.0
    if note := LANGUAGE[state].note:
        assert all(0.0 <= note(place, chosen, seconds) <= 1.0 for place in range(NOTE_LAMPS))


@pytest.mark.parametrize("state", BoxState)
def test_no_state_blinks_more_than_twice_a_second(state: BoxState) -> None:
    lamps = showing(state)
    shown = frames(lamps, 12.0)
    for lamp in range(LAMPS):
        assert rises([levels[lamp] for levels in shown]) <= 2 * 12


def test_every_state_looks_different() -> None:
    def look(state: BoxState) -> tuple[tuple[float, ...], ...]:
        lamps = Lamps()
        lamps.begin(0.0)
        lamps.tell(state, 0.0)
        lamps.hit(0, 1.0, at=4.0)
        return tuple(frames(lamps, 6.0))

    assert set(LANGUAGE) == set(BoxState)
    assert len({look(state) for state in BoxState}) == len(BoxState)


def test_while_a_score_plays_the_notes_pulse_and_no_network_is_shown() -> None:
    lamps = showing(BoxState.SCORE)
    lamps.hit(2, 1.0, at=10.0)
    levels = lamps.levels(10.0 + ATTACK - lead(1.0))
    assert levels[2] == pytest.approx(1.0)
    assert levels[NOTE_LAMPS:] == DARK[NOTE_LAMPS:]


def test_the_readme_has_this_very_table() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    start = rows.index(("state", "note lamps", "network lamps")) + 1
    assert rows[start + 1 : start + 1 + len(list(language()))] == list(language())
    assert set(rows[start]) == {"---"}


# --- changes of state, presses, numbers ---------------------------------------------------------------------


def test_a_state_shows_after_it_has_lasted() -> None:
    lamps = live()
    lamps.tell(BoxState.OFFLINE, 100.0)
    seen_as = []
    for at in (100.0 + LASTS - 0.1, 100.0 + LASTS):
        lamps.levels(at)
        seen_as.append(lamps.shown)
        lamps.tell(BoxState.OFFLINE, at)  # reporting it again does not restart the time
    assert seen_as == [BoxState.LIVE, BoxState.OFFLINE]
    assert lamps.levels(100.0 + LASTS + 0.2)[NOTE_LAMPS] == pytest.approx(1.0)  # its first blip comes at once


def test_a_short_state_is_never_shown() -> None:
    lamps = live()
    for outage in range(100):
        at = 20.0 * outage
        lamps.tell(BoxState.OFFLINE, at)
        lamps.levels(at + 9.0)
        lamps.tell(BoxState.LIVE, at + 9.0)
        lamps.levels(at + 19.0)
        assert lamps.shown is BoxState.LIVE


def test_after_a_press_a_new_state_is_shown_at_once() -> None:
    lamps = live()
    lamps.press(50.0)
    lamps.chosen = 1
    lamps.tell(BoxState.CONNECTING, 50.1)
    lamps.levels(50.1)
    assert lamps.shown is BoxState.CONNECTING
    lamps.tell(BoxState.LIVE, 50.1 + PRESS)
    lamps.levels(50.1 + PRESS)
    assert lamps.shown is BoxState.CONNECTING


@pytest.mark.parametrize("state", BoxState)
def test_every_press_is_answered(state: BoxState) -> None:
    quiet, pressed = showing(state, 1), showing(state, 1)
    pressed.press(30.0)
    differ = [
        [place for place in range(LAMPS) if quiet.levels(at)[place] != pressed.levels(at)[place]]
        for at in (29.99, 30.01, 30.05, 30.01 + WINK)
    ]
    assert differ[0] == differ[3] == []
    assert NOTE_LAMPS + 1 in differ[1] + differ[2]


def test_a_number_is_shown_for_a_while() -> None:
    lamps = live()
    lamps.count(2, 10.0)
    assert lamps.levels(10.1)[:NOTE_LAMPS] == (1, 1, 0, 0, 0, 0)
    lamps.count(0, 11.0)
    assert lamps.levels(11.1)[:NOTE_LAMPS] == DARK[:NOTE_LAMPS]
    lamps.hit(5, 1.0, at=12.0)
    assert lamps.levels(12.0 + ATTACK)[5] == 0.0
    assert lamps.levels(11.0 + COUNT)[5] > 0.0


def test_a_hold_puts_the_lamps_out_one_by_one_and_releasing_cancels() -> None:
    lamps = live()
    lit = []
    for step in range(101):
        lamps.held = step / 100
        lit.append(sum(lamps.levels(1.0)))
    assert lit[20] == 1.0  # it can still be a short press
    assert lit[21] == LAMPS
    assert lit[100] == 0.0
    assert lit[21:] == sorted(lit[21:], reverse=True)
    assert set(lit[21:]) == {float(lamps) for lamps in range(LAMPS + 1)}
    lamps.held = 0.0
    assert sum(lamps.levels(1.0)) == 1.0


def test_leaving_fades_all_to_darkness_for_good() -> None:
    lamps = live()
    lamps.leave(10.0)
    lamps.leave(11.0)
    lamps.hit(0, 1.0, at=10.5)
    before, during = lamps.levels(10.0)[NOTE_LAMPS], lamps.levels(10.0 + FADE / 2)[NOTE_LAMPS]
    assert before > during > 0.0
    assert lamps.levels(10.01 + FADE) == lamps.levels(20.0) == DARK
