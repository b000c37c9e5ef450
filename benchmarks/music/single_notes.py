# SPDX-License-Identifier: Apache-2.0
"""Row 6: single notes on a silent bed, to see whether touch changes their timbre and whether bells are inharmonic.

Each voice of the melody plays G4 soft and hard, each time on a new synth, so that nothing rings before. A voice is
struck if its hard note reaches nine tenths of its peak within STRUCK s. One synth at a time; one thread.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np
from scipy.signal import find_peaks
from scipy.signal.windows import blackmanharris

from appliance.parts import synth
from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.values import Bed, Note, NoteEvent, Voice
from benchmarks.measure import Figure
from benchmarks.music.spectra import Array, decibels
from benchmarks.play import BED

PITCH = 67  # G4, 392 Hz
SOFT, HARD = 0.3, 0.9
QUIET, HEARD = 3.0, 3.0  # s before a note, in which the synth settles, and of it
LATER = (0.11, 0.29)  # s: the other two beginnings
LENGTH = 1.7  # s
STRUCK = 0.1  # s
ONSET = 0.2  # s whose centroid is taken
CENTROID = 1.35
BELLS = (Voice.BELL, Voice.CHIME)
PARTIALS = 0.3  # s in which a partial is sought
INHARMONIC = 0.12  # of the fundamental: how far a partial is from every harmonic
AUDIBLE = -25.0  # dB against the strongest partial


def of_voices(seed: int = 1) -> list[Figure]:
    """The touch of each struck voice, and the strongest inharmonic partial of bell and chime."""
    figures: list[Figure] = []
    for voice in Voice:
        if voice in BED:
            continue
        hard = note(voice, HARD, seed)
        if attack(hard) <= STRUCK:
            # Oscillators begin at any phase, so notes that begin at other moments differ.
            bright = [centroid(hard), *(centroid(note(voice, HARD, seed, late)) for late in LATER)]
            dark = [centroid(note(voice, SOFT, seed, late)) for late in (0.0, *LATER)]
            touch = float(np.mean(bright) / np.mean(dark))
            figures.append(Figure(f"{voice}: centroid of .9 over .3", touch, low=CENTROID, row=6))
        if voice in BELLS:
            partial = inharmonic(hard)
            figures.append(
                Figure(f"{voice}: strongest inharmonic partial", partial, low=AUDIBLE, unit="dB", row=6)
            )
    return figures


def note(voice: Voice, velocity: float, seed: int = 1, late: float = 0.0) -> Array:
    """The sound of one note from its onset on, the mean of both sides; `late` moves its beginning by so many s."""
    settings = load({"seed": seed}, {}).settings
    with closing(synth(settings)) as instrument:
        instrument.volume(1.0)
        instrument.fade(1.0, 0.01)
        instrument.follow(Bed(0.5, 0.0, 0.0))
        block = instrument.block / SAMPLE_RATE
        blocks: list[Array] = []
        first = int((QUIET + late) / block)
        for index in range(first + int(HEARD / block)):
            if index == first:
                event = NoteEvent(Note(PITCH, velocity, LENGTH, voice), index * block, 0.0, LENGTH)
                instrument.play(event)
                blocks.clear()
            blocks.append(instrument.compute(index * block).mean(axis=1).astype(np.float64))
    sound = np.concatenate(blocks)
    return sound[int(np.argmax(np.abs(sound) > 1e-5)) :]


def attack(sound: Array) -> float:
    """Seconds from the onset to nine tenths of the peak, in steps of 10 ms."""
    frame = SAMPLE_RATE // 100
    peaks = np.abs(sound[: len(sound) // frame * frame]).reshape(-1, frame).max(axis=1)
    return float(np.argmax(peaks > 0.9 * peaks.max())) / 100


def centroid(sound: Array) -> float:
    """The spectral centroid in Hz of the first ONSET s."""
    first = sound[: int(ONSET * SAMPLE_RATE)]
    power = np.square(np.abs(np.fft.rfft(first * np.hanning(len(first)), 32768)))
    frequencies = np.fft.rfftfreq(32768, 1 / SAMPLE_RATE)
    return float((frequencies * power).sum() / power.sum())


def inharmonic(sound: Array) -> float:
    """The strongest partial of the first PARTIALS s that is near no harmonic, in dB against the strongest of all."""
    first = sound[: int(PARTIALS * SAMPLE_RATE)]
    power = np.square(np.abs(np.fft.rfft(first * blackmanharris(len(first)), 65536)))
    ratio = np.fft.rfftfreq(65536, 1 / SAMPLE_RATE) / (440 * 2 ** ((PITCH - 69) / 12))
    peaks, _ = find_peaks(power)
    peaks = peaks[(ratio[peaks] > 1 + INHARMONIC) & (ratio[peaks] < 20)]
    away = peaks[np.abs(ratio[peaks] - np.round(ratio[peaks])) > INHARMONIC]
    strongest = float(power[away].max()) if len(away) else 0.0
    return float(decibels(strongest / float(power.max())))
