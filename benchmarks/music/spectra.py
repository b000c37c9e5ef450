# SPDX-License-Identifier: Apache-2.0
"""What several measures of a sound share: its power by band and time, its spectrum, decibels. Pure; any thread."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import stft, welch

from appliance.sound import SAMPLE_RATE

Array = NDArray[np.float64]

FPS = 100  # frames a second of a band's power
WINDOW = 2240  # samples of a frame's spectrum: 47 ms
BANDS = 24  # as wide as the ear's, from LOWEST to HIGHEST Hz
LOWEST, HIGHEST = 60.0, 8000.0


def decibels(power: Array | float) -> Array:
    """Power in dB; -140 dB at least."""
    return 10 * np.log10(np.maximum(power, 1e-14))


def edges(low: float = LOWEST, high: float = HIGHEST, count: int = BANDS) -> Array:
    """The edges in Hz of `count` bands of equal width on the ERB scale (Glasberg and Moore)."""
    ends = 21.4 * np.log10(1 + 0.00437 * np.array([low, high]))
    return np.asarray((10 ** (np.linspace(ends[0], ends[1], count + 1) / 21.4) - 1) / 0.00437)


def bands(sound: Array) -> Array:
    """The power of the sum of both sides in each band, shape (BANDS, frames), FPS frames a second."""
    hop = SAMPLE_RATE // FPS
    frequencies, _, bins = stft(
        sound.mean(axis=1), SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - hop, boundary=None, padded=False
    )
    power = np.square(np.abs(bins))
    limits = edges()
    rows = []
    for low, high in pairwise(limits):
        inside = (frequencies >= low) & (frequencies < high)
        if not inside.any():  # a band narrower than a bin
            inside[np.argmin(np.abs(frequencies - (low + high) / 2))] = True
        rows.append(power[inside].sum(axis=0))
    return np.array(rows)


def spectrum(sound: Array) -> tuple[Array, Array]:
    """Frequencies in Hz, and the mean power of both sides at each (Welch's method, 0.34 s)."""
    frequencies, power = welch(sound.T, SAMPLE_RATE, nperseg=16384)
    return frequencies, power.mean(axis=0)
