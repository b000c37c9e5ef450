# SPDX-License-Identifier: Apache-2.0
"""The half-band filter: what goes through, what does not, and block by block the same as in one piece."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE, SYNTH_RATE
from appliance.sound.upsampler import TAPS, Upsampler, taps

BLOCK = 256
DELAY = 2 * (TAPS // 2)  # samples of the output


def doubled(samples: NDArray[np.float32], block: int = BLOCK) -> NDArray[np.float32]:
    upsampler = Upsampler(block)
    return np.concatenate(
        [upsampler.process(samples[begin : begin + block]).copy() for begin in range(0, len(samples), block)]
    )


def sine(hertz: float, rate: int, length: int) -> NDArray[np.float32]:
    wave = np.sin(2 * math.pi * hertz * np.arange(length) / rate).astype(np.float32)
    return np.stack([wave, -wave], axis=1)


@given(st.floats(20.0, 8000.0))
def test_a_sine_below_8_khz_is_the_same_sine_at_twice_the_rate(hertz: float) -> None:
    out = doubled(sine(hertz, SYNTH_RATE, 4 * BLOCK))[BLOCK + DELAY :]
    wanted = sine(hertz, SAMPLE_RATE, 8 * BLOCK)[BLOCK : BLOCK + len(out)]
    assert np.abs(out - wanted).max() < 10 ** (-65 / 20)


def test_its_weights_are_symmetric_and_keep_a_constant() -> None:
    assert taps() == pytest.approx(taps()[::-1])
    assert taps().sum() == pytest.approx(1.0)
    constant = np.ones((2 * BLOCK, CHANNELS), dtype=np.float32)
    assert doubled(constant)[DELAY + TAPS :] == pytest.approx(1.0)


@pytest.mark.parametrize("block", [128, 256, 512])
def test_blocks_of_any_size_join_without_a_seam(block: int) -> None:
    noise = np.random.default_rng(1).standard_normal((1024, CHANNELS), dtype=np.float32)
    assert doubled(noise, block) == pytest.approx(doubled(noise, 1024), abs=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_sample_is_forgotten_when_it_is_cleared(broken: float) -> None:
    upsampler = Upsampler(BLOCK)
    samples = np.full((BLOCK, CHANNELS), broken, dtype=np.float32)
    assert not np.isfinite(upsampler.process(samples)).all()
    upsampler.clear()
    samples[:] = 0.0
    assert not upsampler.process(samples).any()
