# SPDX-License-Identifier: Apache-2.0
"""Rows 7 and 10: bass, air, and how much moves within a phrase. Pure; any thread."""

from __future__ import annotations

import numpy as np
import pyloudnorm
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfilt

from appliance.sound import SAMPLE_RATE
from benchmarks.measure import Figure
from benchmarks.music.spectra import Array, decibels, spectrum

BASS = 100.0  # Hz
SHARE_OF_BASS = {"night": 0.20}  # by scene; other scenes USUAL_BASS
USUAL_BASS = 0.12
SMALL_SPEAKER = 120.0  # Hz, the corner of a high-pass of the fourth order
LOST = 0.5  # LU
AIR = (3200.0, 6400.0)  # Hz
SHARE_OF_AIR = {"night": -36.0}  # dB
USUAL_AIR = -26.0
HIGHEST = 6000.0  # Hz
ABOVE = -25.0  # dB
FRAME = 0.01  # s
AROUND = 301  # frames, the median of which is taken
MOVES = 1.8  # dB


def of_sound(sound: Array, scene: str, *, even: bool = False) -> list[Figure]:
    """The balance of a sound. The bounds on bass and air are the scene's; the movement of an `even` one has none."""
    frequencies, power = spectrum(sound)
    total = power.sum()
    bass = float(power[frequencies < BASS].sum() / total)
    air = float(decibels(power[(frequencies >= AIR[0]) & (frequencies < AIR[1])].sum() / total))
    high = float(decibels(power[frequencies > HIGHEST].sum() / total))
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    thin = sosfilt(butter(4, SMALL_SPEAKER, "hp", fs=SAMPLE_RATE, output="sos"), sound, axis=0)
    lost = float(meter.integrated_loudness(sound) - meter.integrated_loudness(thin))
    most, least = SHARE_OF_BASS.get(scene, USUAL_BASS), SHARE_OF_AIR.get(scene, USUAL_AIR)
    moves = None if even else MOVES
    return [
        Figure("power below 100 Hz", bass, high=most, row=7),
        Figure("lost behind a 120 Hz high-pass", lost, high=LOST, unit="LU", row=7),
        Figure("3.2 to 6.4 kHz against the whole", air, low=least, unit="dB", row=10),
        Figure("above 6 kHz", high, high=ABOVE, unit="dB", row=10),
        Figure("10 ms level around its 3 s median, SD", _moves(sound), low=moves, unit="dB", row=10),
    ]


def _moves(sound: Array) -> float:
    """The standard deviation in dB of the level of FRAME s from the median of the three seconds around it."""
    frame = round(FRAME * SAMPLE_RATE)
    power = np.square(sound[: len(sound) // frame * frame]).mean(axis=1).reshape(-1, frame).mean(axis=1)
    level = decibels(power)
    return float((level - median_filter(level, AROUND, mode="nearest")).std())
