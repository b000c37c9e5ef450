# SPDX-License-Identifier: Apache-2.0
from itertools import combinations
from random import Random

import pytest

from appliance.music.movements import (
    DARKEST,
    HEADROOM,
    IDLE_AFTER,
    LOAD,
    LOOPS,
    MOVEMENTS,
    TIDES,
    USUAL,
    MelodyLoad,
    Movements,
    Murmur,
)


def test_no_two_periods_meet_again_within_a_day() -> None:
    for a, b in combinations([*LOOPS, *(60 * minutes for minutes in MOVEMENTS.values())], 2):
        ratio = max(a, b) / min(a, b)
        assert abs(ratio - round(ratio)) > 1e-3


@pytest.mark.parametrize("name", sorted(MOVEMENTS))
def test_a_movement_reaches_both_ends_and_repeats_after_its_period(name: str) -> None:
    movements, period = Movements(Random(1)), 60 * MOVEMENTS[name]
    levels = [movements.lfo(name, second) for second in range(int(period))]
    assert min(levels) < -0.99
    assert max(levels) > 0.99
    assert movements.lfo(name, 10.0) == pytest.approx(movements.lfo(name, 10.0 + period))


@pytest.mark.parametrize("name", sorted(TIDES))
def test_a_tide_is_half_the_hour_of_the_day_where_that_is_known(name: str) -> None:
    movements, period = Movements(Random(1)), 3600 * TIDES[name]
    levels = [movements.tide(name, float(second)) for second in range(0, int(period), 60)]
    assert min(levels) < -0.99
    assert max(levels) > 0.99
    movements.hour = DARKEST
    by_night = movements.tide(name, 100.0)
    movements.hour = DARKEST + 12
    assert movements.tide(name, 100.0) == pytest.approx(by_night + 1.0)


@pytest.mark.parametrize("bpm", [30, 60, 180])
def test_a_dense_melody_leaves_nothing_to_the_bed_and_a_sparse_one_its_share(bpm: int) -> None:
    load, beat = MelodyLoad(), 60 / bpm
    assert load.left(1.25) == pytest.approx(0.9, abs=0.05)  # before the first note a melody is expected
    for densest, left in ((1.25, 0.2), (0.5, 0.0)):
        for index in range(round(6 * LOAD / beat)):
            load.add(USUAL * (int((index + 1) * beat) - int(index * beat)), beat)  # a note a second
        assert load.left(densest) == pytest.approx(left, abs=0.03)
    for _ in range(round(6 * LOAD / beat)):
        load.add(0, beat)
    assert load.left(1.25) > 0.99


def test_a_melody_that_is_too_loud_is_turned_down_to_the_most_and_no_other() -> None:
    load = MelodyLoad()
    for velocities, gain in ((HEADROOM * USUAL, 1.0), (2 * HEADROOM * USUAL, 0.5**0.9)):
        for _ in range(600):
            load.add(velocities, 1.0)
        assert load.gain(1.0) == pytest.approx(gain, abs=0.01)


def test_the_murmur_is_silent_while_amounts_are_played() -> None:
    murmur = Murmur(Random(1))
    assert [said for second in range(600) for said in murmur.due(float(second), IDLE_AFTER)] == []


def test_each_loop_of_the_murmur_comes_round_in_its_own_time() -> None:
    murmur, said = Murmur(Random(1)), dict.fromkeys(range(len(LOOPS)), 0)
    for second in range(3600):
        for loop, loudness in murmur.due(float(second), 100.0):
            assert 0.0 < loudness <= 1.0
            said[loop] += 1
    for loop, count in said.items():
        assert count == pytest.approx(3600 / LOOPS[loop], abs=1)


def test_the_murmur_comes_up_softly() -> None:
    murmur = Murmur(Random(1))
    loudness = [level for second in range(30) for _, level in murmur.due(float(second), float(second))]
    assert loudness == sorted(loudness)
    assert loudness[0] < 0.5


def test_the_murmur_comes_and_goes() -> None:
    murmur = Murmur(Random(1))
    loudness = [level for second in range(600) for _, level in murmur.due(float(second), 100.0)]
    assert max(loudness) > 4 * min(loudness)


def test_a_murmur_that_was_not_called_for_an_hour_has_no_backlog() -> None:
    assert len(Murmur(Random(1)).due(3600.0, 100.0)) == len(LOOPS)
