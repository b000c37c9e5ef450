# SPDX-License-Identifier: Apache-2.0
"""Row 1: whether the onsets lie on a grid, as those of a metronome do.

Grid strength is the mean resultant length of the onsets about a period, at its best period from 0.25 to 2 s: 1 if all
onsets lie on multiples of the period, CHANCE / sqrt(count) if they are random. The pulse line is the strongest line in
the spectrum of the onset curve, 0.45 to 4.5 Hz, over the median of the half hertz around it. Both are taken from a
sound of three minutes, and grid strength from the notes of the score as well. Pure; any thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.signal import find_peaks, lfilter, medfilt

from appliance.values import NoteEvent
from benchmarks.measure import Figure
from benchmarks.music.spectra import FPS, Array, bands, decibels
from benchmarks.play import BED

SHORTEST, LONGEST = 0.25, 2.0  # s, periods
CHANCE = 2.6  # times 1 / sqrt(onsets): the grid strength of random onsets in three minutes
STRENGTH = (0.30, 0.60)
LINE = 9.0  # dB
SMOOTH, RISE = 0.05, 0.06  # s: of the bands' levels, and over which their rise is taken
FAINT = 1e-4  # of the loudest band's mean power, added to each: below, a rise is inaudible
APART = 0.15  # s between two onsets at least
LINE_WINDOW = 30  # s


def grid(moments: Array, weights: Array | None = None) -> tuple[float, float]:
    """The strength of the grid on which `moments` (s) lie best, 0 to 1, and its period in s."""
    if len(moments) < 2:
        return 0.0, 0.0
    weight = np.ones(len(moments)) if weights is None else weights
    # Steps in frequency that turn the phase of the last onset by an eighth of a turn against the first's.
    step = 1 / (8 * max(1.0, float(np.ptp(moments))))
    best, at = 0.0, 0.0
    for frequency in np.arange(1 / LONGEST, 1 / SHORTEST + step, step):
        strength = abs((weight * np.exp(2j * np.pi * moments * frequency)).sum()) / weight.sum()
        if strength > best:
            best, at = float(strength), float(1 / frequency)
    return best, at


def onset_curve(power: Array) -> Array:
    """The mean rise of the bands' levels in dB, FPS values a second."""
    taps = round(SMOOTH * FPS)
    level = decibels(lfilter(np.ones(taps) / taps, 1, power, axis=1) + FAINT * power.mean(axis=1).max())
    ahead = round(RISE * FPS)
    rise = np.zeros_like(level)
    rise[:, ahead:] = np.maximum(0, level[:, ahead:] - level[:, :-ahead])
    return np.asarray(rise.mean(axis=0))


def onsets(curve: Array) -> tuple[Array, Array]:
    """The moments in s of the peaks of an onset curve that stand out, and their heights."""
    usual = medfilt(curve, 2 * FPS + 1)
    spread = float(np.median(np.abs(curve - usual))) + 1e-9
    peaks, _ = find_peaks(curve, distance=round(APART * FPS), prominence=4 * spread, height=0.35)
    peaks = peaks[curve[peaks] > usual[peaks] + 4 * spread]
    return peaks / FPS, curve[peaks]


def line(curve: Array) -> tuple[float, float]:
    """The strongest line of an onset curve over its neighbours in dB, and its frequency in Hz.

    The spectra of windows of half a minute that overlap by half are added up.
    """
    window = LINE_WINDOW * FPS
    shape = np.hanning(window)
    parts = [curve[start : start + window] for start in range(0, len(curve) - window + 1, window // 2)]
    if not parts:
        return 0.0, 0.0
    total = np.sum([np.square(np.abs(np.fft.rfft((part - part.mean()) * shape))) for part in parts], axis=0)
    frequencies = np.fft.rfftfreq(window, 1 / FPS)
    inside = (frequencies >= 0.45) & (frequencies <= 4.5)
    above = decibels(total[inside] / (medfilt(total, 31)[inside] + 1e-9))
    return float(above.max()), float(frequencies[inside][above.argmax()])


def of_notes(notes: Sequence[NoteEvent]) -> list[Figure]:
    """The grid strength of the melody's notes; notes that begin together count once."""
    moments = np.array(sorted({round(event.seconds, 3) for event in notes if event.note.voice not in BED}))
    strength, _ = grid(moments)
    return [Figure("grid strength, of the score", strength, high=_most(len(moments)), row=1)]


def of_sound(
    sound: Array, *, busy: bool = True, strongest: float | None = None, over: float = LINE
) -> list[Figure]:
    """Grid strength and pulse line of a sound. Of its onsets the strongest count, one a second on average.

    Only onsets of a busy network have a lower bound: some of a grid must be left.
    """
    curve = onset_curve(bands(sound))
    moments, heights = onsets(curve)
    chosen = np.argsort(-heights)[: len(curve) // FPS]
    strength, period = grid(moments[chosen], heights[chosen])
    low, high = STRENGTH[0] if busy else None, _most(len(chosen)) if strongest is None else strongest
    return [
        Figure("grid strength, of the sound", strength, low, high, row=1),
        Figure("its period", period, unit="s", row=1),
        Figure("pulse line over its neighbours", line(curve)[0], high=over, unit="dB", row=1),
    ]


def _most(count: int) -> float:
    """The upper bound of the grid strength of so many onsets: a few random ones lie on a grid by chance."""
    return max(STRENGTH[1], CHANCE / math.sqrt(max(1, count)))
