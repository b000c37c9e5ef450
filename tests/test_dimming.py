# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dimming import Dim, Dimmer, NightHours

TICK = 0.1  # s
NOON, MIDNIGHT = 720, 0
NEVER = NightHours(0, 0, 0.75, 0.25)
NIGHT = NightHours(22 * 60 + 30, 7 * 60, 0.75, 0.25)


def looks(dimmer: Dimmer, begins: float, ends: float, minute: int | None = NOON) -> list[Dim]:
    count = round((ends - begins) / TICK)
    return [dimmer.look(begins + index * TICK, minute, muted=False) for index in range(count)]


@pytest.mark.parametrize(
    ("night", "inside", "outside"),
    [
        (NIGHT, [1350, 1439, 0, 419], [420, 720, 1349]),
        (NightHours(60, 120, 1, 1), [60, 119], [59, 120, 0, 1439]),
        (NEVER, [], [0, 1, 720, 1439]),
    ],
)
def test_a_night_may_go_over_midnight(night: NightHours, inside: list[int], outside: list[int]) -> None:
    assert all(night.at(minute) for minute in inside)
    assert not any(night.at(minute) for minute in outside)
    assert not night.at(None)


@pytest.mark.parametrize(
    ("begins", "ends", "night"),
    [
        ("22:30", "7:00", NIGHT),
        ("", "07:00", NightHours(420, 420, 0.75, 0.25)),
        ("00:00", "23:59", NightHours(0, 1439, 0.75, 0.25)),
    ],
)
def test_a_night_is_given_by_two_times(begins: str, ends: str, night: NightHours) -> None:
    assert NightHours.between(begins, ends, 0.75, 0.25) == night


def test_by_day_only_the_maximum_volume_counts() -> None:
    assert looks(Dimmer(NEVER), 1000, 1001)[-1] == Dim(1.0, 1.0, asleep=False)
    assert looks(Dimmer(NEVER, 0.75), 1000, 1001)[0] == Dim(0.75, 1.0, asleep=False)


def test_a_start_at_night_is_quiet_from_the_first_sound() -> None:
    assert Dimmer(NIGHT).look(1000.0, MIDNIGHT, muted=False) == Dim(0.75, 0.25, asleep=False)


def test_night_comes_and_goes_within_a_minute() -> None:
    dimmer = Dimmer(NIGHT, 0.8)
    looks(dimmer, 0, 10)
    dusk = looks(dimmer, 10, 75, MIDNIGHT)
    assert dusk[300].volume == pytest.approx(0.8 * 0.875, abs=0.01)
    assert dusk[-1].volume == pytest.approx(0.6)
    assert dusk[-1].light == pytest.approx(0.25)
    assert looks(dimmer, 75, 140)[-1] == Dim(0.8, 1.0, asleep=False)


def test_a_clock_that_jumps_makes_no_sudden_change() -> None:
    dimmer, volumes = Dimmer(NIGHT), []
    for index in range(3000):
        minute = (NOON, MIDNIGHT, None, 1439)[index // 7 % 4]
        volumes.append(dimmer.look(index * TICK, minute, muted=False).volume)
    assert max(abs(after - before) for before, after in pairwise(volumes)) < 0.25 / 60 * TICK * 1.01


def test_the_sleep_timer_fades_for_its_last_minute_and_then_mutes_once() -> None:
    dimmer = Dimmer(NEVER)
    looks(dimmer, 0, 1)
    dimmer.sleep(30, 1.0)
    assert dimmer.left(1.0) == 30
    waiting = looks(dimmer, 1, 1 + 29 * 60)
    assert {dim.volume for dim in waiting} == {1.0}
    falling = looks(dimmer, 1 + 29 * 60, 1 + 30 * 60)
    assert falling[300].volume == pytest.approx(0.5, abs=0.01)
    assert falling[-1].volume < 0.01
    assert not any(dim.asleep for dim in falling)
    assert dimmer.look(1 + 30 * 60, NOON, muted=False) == Dim(0.0, 1.0, asleep=True)
    for index in range(100):
        assert dimmer.look(1802 + index * TICK, NOON, muted=True) == Dim(0.0, 1.0, asleep=False)
    waking = looks(dimmer, 1812, 1815)
    assert waking[0].volume < 0.06
    assert waking[10].volume == pytest.approx(0.5, abs=0.06)
    assert waking[-1].volume == 1.0


def test_a_timer_that_is_cancelled_brings_the_sound_back_gradually() -> None:
    dimmer = Dimmer(NEVER)
    dimmer.sleep(1, 0.0)
    assert looks(dimmer, 0, 50)[-1].volume == pytest.approx(1 / 6, abs=0.01)
    dimmer.sleep(0, 50.0)
    back = looks(dimmer, 50, 52)
    assert back[0].volume < 0.25
    assert back[-1].volume == 1.0
    assert dimmer.left(52.0) == float("inf")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 30]), st.integers(0, 1439) | st.none(), st.booleans(), st.integers(1, 900)
        ),
        max_size=8,
    )
)
def test_no_step_up_is_sudden(story: list[tuple[int, int | None, bool, int]]) -> None:
    dimmer, seconds, volumes = Dimmer(NIGHT), 0.0, [1.0]
    for minutes, minute, muted, ticks in story:
        dimmer.sleep(minutes, seconds)
        for _ in range(ticks):
            seconds += TICK
            dim = dimmer.look(seconds, minute, muted=muted)
            assert 0.0 <= dim.volume <= 1.0
            assert 0.25 <= dim.light <= 1.0
            volumes.append(dim.volume)
    assert max((after - before for before, after in pairwise(volumes[1:])), default=0.0) < TICK / 2.0 + 0.001
