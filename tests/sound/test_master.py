# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.master import CEILING, Master, gain

BLOCK = 512
SECONDS = BLOCK / SAMPLE_RATE


def block(level: float) -> NDArray[np.float32]:
    return np.full((BLOCK, 2), level, dtype=np.float32)


def awake() -> Master:
    """A master at full volume."""
    master = Master(BLOCK)
    master.volume(1.0)
    master.fade(1.0, SECONDS)
    for _ in range(200):
        master.process(block(0.0))
    return master


def process(master: Master, *levels: float) -> NDArray[np.float32]:
    """What comes out for blocks of these levels; the first block out went in before."""
    return np.concatenate([master.process(block(level))[0].copy() for level in (*levels, 0.0)][1:])


def test_a_quiet_sound_passes_unchanged_one_block_later() -> None:
    noise = np.random.default_rng(1).uniform(-0.8, 0.8, (20, BLOCK, 2)).astype(np.float32)
    master = awake()
    out = [master.process(one)[0].copy() for one in noise]
    assert np.array_equal(np.concatenate(out[1:]), noise[:-1].reshape(-1, 2))
    assert master.reduction == 0.0


@given(st.lists(st.floats(-5.5, 5.5, width=32), min_size=1, max_size=30))
def test_no_sample_exceeds_the_ceiling_and_no_gain_jumps(levels: list[float]) -> None:
    out = process(awake(), *levels)
    assert np.abs(out).max() <= CEILING + 1e-6
    # Within a block of one level, neighbouring samples differ by the ramp of the gain only.
    for one, level in zip(out.reshape(-1, BLOCK, 2), levels, strict=True):
        assert np.abs(np.diff(one[:, 0])).max() <= abs(level) / BLOCK + 1e-6


def test_the_limiter_is_down_before_the_peak_and_recovers_smoothly() -> None:
    master = awake()
    out = process(master, 0.5, 0.5, 4.0, *[0.5] * 150)[:, 0].reshape(-1, BLOCK)
    assert np.allclose(out[0], 0.5)
    assert out[1][-1] < 0.12  # already low when the peak begins
    assert np.abs(out[2]).max() == pytest.approx(CEILING, abs=1e-3)
    after = [float(one[0]) for one in out[3:]]
    assert all(before <= later + 1e-6 for before, later in pairwise(after))
    assert after[0] < 0.15
    assert after[-1] > 0.48


def test_the_reduction_is_in_decibels() -> None:
    master = awake()
    master.process(block(2 * CEILING))
    assert master.reduction == pytest.approx(6.02, abs=0.01)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf"), 6.5, -1e30])
def test_a_broken_block_becomes_silence(broken: float) -> None:
    master = awake()
    raw = block(0.1)
    raw[100, 1] = broken
    assert master.process(raw)[1] is False
    out, whole = master.process(block(0.1))
    assert whole
    assert not out.any()
    assert np.allclose(master.process(block(0.1))[0], 0.1)


def test_the_volume_glides_in_small_steps() -> None:
    master = awake()
    master.volume(0.0)
    out = process(master, *[0.5] * 100)[:, 0]
    assert np.abs(np.diff(out)).max() < 0.5 / BLOCK
    assert out[-BLOCK:].max() == 0.0
    assert out[round(0.25 * SAMPLE_RATE)] < 0.01


def test_a_fade_is_a_straight_line_of_its_length() -> None:
    master = awake()
    master.fade(0.0, 0.5)
    out = process(master, *[0.5] * 100)[:, 0]
    assert out[round(0.25 * SAMPLE_RATE)] == pytest.approx(0.25, abs=0.02)
    assert out[round(0.5 * SAMPLE_RATE) + 2 * BLOCK] == 0.0
    master.fade(1.0, 0.1)
    assert process(master, *[0.5] * 30)[-1, 0] == pytest.approx(0.5)


def test_it_begins_silent() -> None:
    assert not process(Master(BLOCK), 0.5, 0.5).any()


@pytest.mark.parametrize(("position", "decibels"), [(1.0, 0.0), (0.5, -24.0), (0.25, -36.0)])
def test_the_volume_is_linear_in_decibels(position: float, decibels: float) -> None:
    assert 20 * np.log10(gain(position)) == pytest.approx(decibels)
    assert gain(0.0) == 0.0


def test_a_knob_that_is_turned_down_while_it_rests_holds_at_once() -> None:
    master = awake()
    master.fade(0.0, 0.3)
    assert not master.silent  # the fade takes a while
    process(master, *[0.5] * 40)
    assert master.silent
    master.volume(0.2)
    for _ in range(200):
        assert not master.rest().any()
    master.fade(1.0, 0.3)
    assert not master.silent
    out = process(master, *[0.5] * 60)
    assert np.abs(np.diff(out[:, 0])).max() < 1e-4
    assert out.max() == pytest.approx(0.5 * gain(0.2), rel=1e-3)
