# SPDX-License-Identifier: Apache-2.0
"""Rows 11 and 12: whether the hours, the half minutes and the murmur of an idle network differ. Pure; any thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyloudnorm

from appliance.sound import SAMPLE_RATE
from appliance.values import NoteEvent
from benchmarks.measure import Figure
from benchmarks.music.network import melody
from benchmarks.music.spectra import FPS, Array, bands, decibels

HOUR = 3600.0
NOTES_DIFFER = 0.15
PITCH_DIFFERS = 1.5  # semitones
HALF_MINUTE = 30  # s
HALF_MINUTES = (1.0, 2.0)  # dB, standard deviation
FRAME = 5  # s of a spectrum whose distance from others is taken
FAR = 1.3
MURMUR = 3.0  # dB
MURMUR_WINDOW = 20.0  # s of which the level is taken
MURMUR_FLOOR = -70.0  # dBFS


def of_hours(notes: Sequence[NoteEvent], hours: int) -> list[Figure]:
    """How far the hours of a score differ: (largest - smallest) / mean of their notes, and of their mean pitches."""
    events = melody(notes)
    at = np.array([event.seconds for event in events])
    pitch = np.array([event.note.pitch for event in events])
    parts = [(at >= hour * HOUR) & (at < (hour + 1) * HOUR) for hour in range(hours)]
    counts = np.array([part.sum() for part in parts])
    means = np.array([pitch[part].mean() if part.any() else 0.0 for part in parts])
    return [
        Figure("notes of the hours differ", float(np.ptp(counts) / counts.mean()), low=NOTES_DIFFER, row=11),
        Figure(
            "pitch of the hours differs", float(np.ptp(means)), low=PITCH_DIFFERS, unit="semitones", row=11
        ),
    ]


def half_minutes(sound: Array) -> Array:
    """The loudness of each half minute in LUFS (ITU-R BS.1770)."""
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    length = HALF_MINUTE * SAMPLE_RATE
    starts = range(0, len(sound) - length + 1, length)
    return np.array([meter.integrated_loudness(sound[start : start + length]) for start in starts])


def distances(sound: Array) -> tuple[float, float]:
    """How far apart the spectra of frames of FRAME s are, in dB: of neighbours, and of those half the sound apart.

    A spectrum is the levels of the bands, less each band's mean; the distance is Euclidean.
    """
    power = bands(sound)
    length = FRAME * FPS
    count = power.shape[1] // length
    level = decibels(power[:, : count * length].reshape(len(power), count, length).mean(axis=2))
    frames = level.T
    apart = np.linalg.norm(frames[:, None] - frames[None], axis=2)
    lag = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    return float(apart[lag == 1].mean()), float(apart[lag >= count // 2].mean())


def of_sound(sound: Array, *, even: bool = False) -> list[Figure]:
    """How much the half minutes of a sound differ in loudness, and strangers from neighbours in their spectra.

    The loudness of an `even` scene has no bounds.
    """
    near, far = distances(sound)
    low, high = (None, None) if even else HALF_MINUTES
    return [
        Figure("half-minute level, SD", float(half_minutes(sound).std()), low, high, "dB", row=11),
        Figure("spectra far apart over neighbours", far / near, low=FAR, row=11),
    ]


def of_murmur(lead: Array, whole: Array) -> list[Figure]:
    """The standard deviation of the murmur's level, from the melody of an empty network alone, and of all.

    The murmur's level is that of MURMUR_WINDOW s, in which each of the first edition's loops sounded about once;
    silence counts as MURMUR_FLOOR. The level of all is that of ten seconds.
    """
    alone, all_ = _levels(lead, MURMUR_WINDOW), _levels(whole, 10.0)
    return [
        Figure("level of the murmur, SD", float(alone.std()), low=MURMUR, unit="dB", row=12),
        Figure("level of an idle network, SD", float(all_.std()), unit="dB", row=12),
    ]


def _levels(sound: Array, seconds: float) -> Array:
    """The level in dB of each window of so many seconds."""
    length = round(seconds * SAMPLE_RATE)
    count = len(sound) // length
    power = np.square(sound[: count * length]).mean(axis=1).reshape(count, length).mean(axis=1)
    return np.maximum(decibels(power), MURMUR_FLOOR)
