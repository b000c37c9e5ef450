# SPDX-License-Identifier: Apache-2.0
"""The knobs, with a model of their noise and of their faults."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.panel.knobs import END, SAMPLES, TOP, Encoders, Potentiometer, Potentiometers
from appliance.values import Gesture, Knob, Moved, Turned
from tests.support.noise import at_rest, idle_changes, reading, slow_turn, step

HERE = 0.42


def test_a_knob_at_rest_moves_at_most_once_a_minute() -> None:
    rng = Random(1)
    for position in (0.0, 0.003, 0.013, 0.2, 0.5, 0.8, 0.987, 1.0):
        assert idle_changes(position, 5, rng) <= 1.0


def test_a_step_is_followed_within_40_ms() -> None:
    rng = Random(2)
    for start, end in ((0.3, 0.7), (0.7, 0.3), (0.1, 0.9), (0.5, 0.75)):
        assert max(step(start, end, rng) for _ in range(50)) <= 0.040


def test_a_slow_turn_is_followed_closely() -> None:
    rng = Random(3)
    assert max(slow_turn(rng) for _ in range(20)) < 0.01


@pytest.mark.parametrize(("end", "position"), [(0.0, 0.0), (0.004, 0.0), (0.997, 1.0), (1.0, 1.0)])
def test_the_ends_are_exact(end: float, position: float) -> None:
    rng = Random(4)
    knob = at_rest(HERE, rng)
    for sample in range(4 * SAMPLES):
        knob.see(reading(end, rng))
        if sample > SAMPLES:
            assert knob.position == position


def test_the_first_reading_is_where_it_stands() -> None:
    knobs = Potentiometers()
    first = knobs.see([512, TOP], 0.0)
    assert first == [Moved(Knob.VOLUME, (512 - END) / (TOP - 2 * END)), Moved(Knob.TEMPO, 1.0)]
    assert knobs.see([512, TOP], 0.1) == []


def test_a_spike_moves_nothing() -> None:
    knob = at_rest(HERE, Random(5))
    before = knob.position
    for raw in (TOP, 430, 430, 0, 430, 430, 430):
        knob.see(raw)
    assert knob.position == pytest.approx(before, abs=0.003)


def floating(sample: int, rng: Random) -> int:
    """An open input, which picks up mains hum and noise."""
    return round(
        min(TOP, max(0.0, 500 + 300 * math.sin(2 * math.pi * 50 * sample / SAMPLES) + rng.gauss(0, 60)))
    )


def test_a_loose_wiper_keeps_its_position_and_counts_again_when_it_is_steady() -> None:
    rng = Random(6)
    knob = at_rest(HERE, rng)
    before = knob.position
    astray = 0
    for sample in range(10 * SAMPLES):
        knob.see(floating(sample, rng))
        astray += abs(knob.position - before) > 0.01
    assert knob.floating
    assert knob.position == pytest.approx(before, abs=0.005)
    assert astray <= 0.1 * SAMPLES, "it is allowed to be astray for a tenth of a second"
    for _ in range(3 * SAMPLES):
        knob.see(reading(0.8, rng))
    assert not knob.floating
    assert knob.position == pytest.approx(0.807, abs=0.01)


@pytest.mark.parametrize(("hertz", "swing"), [(0.5, 0.5), (3.0, 0.5), (6.0, 0.5), (9.0, 0.15)])
def test_a_fast_hand_is_not_taken_for_a_loose_wire(hertz: float, swing: float) -> None:
    rng = Random(7)
    knob = at_rest(0.5, rng)
    for sample in range(4 * SAMPLES):
        knob.see(reading(0.5 + swing * math.sin(2 * math.pi * hertz * sample / SAMPLES), rng))
        assert not knob.floating


@pytest.mark.parametrize("rest", [0, TOP])
def test_a_converter_that_dies_moves_nothing(rest: int) -> None:
    rng, knobs = Random(8), Potentiometers()
    for sample in range(SAMPLES):
        knobs.see([reading(0.3, rng), reading(0.6, rng)], sample / SAMPLES)
    assert not knobs.dead
    for _ in range(SAMPLES):
        assert knobs.see([rest, rest], 1.0) == []
        assert knobs.dead
    gestures: list[Gesture] = []
    for sample in range(SAMPLES):
        gestures += knobs.see([reading(0.3, rng), reading(0.9, rng)], 2.0 + sample / SAMPLES)
        assert knobs.dead == (sample < SAMPLES // 4 - 1), "it counts when it has answered for a while"
    assert {gesture.knob for gesture in gestures if isinstance(gesture, Moved)} == {Knob.TEMPO}


@pytest.mark.parametrize("rest", [0, TOP])
def test_a_converter_that_is_dead_from_the_start_is_ignored_until_it_answers(rest: int) -> None:
    knobs = Potentiometers()
    for _ in range(SAMPLES):
        assert knobs.see([rest, rest], 0.0) == []
    for _ in range(5):
        assert knobs.see([300, rest], 1.0) == []
    assert knobs.see([rest, rest], 1.1) == []
    gestures = [gesture for _ in range(SAMPLES) for gesture in knobs.see([300, 700], 2.0)]
    assert [gesture.knob for gesture in gestures if isinstance(gesture, Moved)] == [Knob.VOLUME, Knob.TEMPO]
    positions = [gesture.position for gesture in gestures if isinstance(gesture, Moved)]
    assert positions == pytest.approx([0.288, 0.689], abs=1e-3)


def test_both_knobs_can_be_turned_to_an_end_at_once() -> None:
    rng, knobs = Random(9), Potentiometers()
    for sample in range(SAMPLES):
        where = max(0.0, 0.5 - 2.0 * sample / SAMPLES)  # all the way in half a second
        knobs.see([reading(where, rng), reading(where / 2, rng)], sample / SAMPLES)
    assert not knobs.dead
    assert knobs.floating == []


def test_a_loose_wiper_is_named() -> None:
    rng, knobs = Random(10), Potentiometers()
    for sample in range(SAMPLES):
        knobs.see([reading(0.3, rng), floating(sample, rng)], sample / SAMPLES)
    assert knobs.floating == [Knob.TEMPO]


@given(st.lists(st.integers(0, TOP), min_size=1, max_size=200))
def test_a_position_is_from_0_to_1_for_any_reading(readings: list[int]) -> None:
    knob = Potentiometer()
    for raw in readings:
        before = knob.position
        moved = knob.see(raw)
        assert 0.0 <= knob.position <= 1.0
        assert moved or knob.position == before


# --- encoders -----------------------------------------------------------------------------------------------


def test_fast_detents_count_more() -> None:
    knobs = Encoders()
    assert knobs.see([7, -3], 0.0) == []
    assert knobs.see([8, -3], 1.0) == [Turned(Knob.VOLUME, 1)]
    assert knobs.see([8, -4], 1.001) == [Turned(Knob.TEMPO, -1)], "each knob has its own pace"
    assert knobs.see([9, -4], 1.025) == [Turned(Knob.VOLUME, 2)]
    assert knobs.see([10, -4], 1.040) == [Turned(Knob.VOLUME, 3)]
    assert knobs.see([9, -4], 1.048) == [Turned(Knob.VOLUME, -4)]
    assert knobs.see([7, -4], 1.056) == [Turned(Knob.VOLUME, -12)], "two within one look are 4 ms apart"
    assert knobs.see([7, -4], 9.0) == []
    assert knobs.see([8, -4], 9.0) == [Turned(Knob.VOLUME, 1)]


@given(st.lists(st.tuples(st.integers(-5, 5), st.floats(0.0, 2.0)), max_size=50))
def test_an_encoder_never_turns_the_other_way(turns: list[tuple[int, float]]) -> None:
    knobs, steps, seconds = Encoders(), 0, 0.0
    knobs.see([0, 0], seconds)
    for detents, pause in turns:
        steps, seconds = steps + detents, seconds + pause
        gestures = knobs.see([steps, 0], seconds)
        assert len(gestures) == (detents != 0)
        for gesture in gestures:
            assert isinstance(gesture, Turned)
            assert gesture.detents % detents == 0
            assert gesture.detents // detents in (1, 2, 3, 4, 6)
