# SPDX-License-Identifier: Apache-2.0
"""Row 4: how far notes stand above the bed, and whether the length of a note follows from its pitch. Pure; any thread.

For each note of the melody, in the ERB band (Glasberg and Moore) around its fundamental and its second and third
harmonic: the lead's greatest power in three windows of 0.17 s that begin within 0.09 s of the note, over the bed's
power in the first of them. A note is audible where the best of the three bands is ABOVE dB or more over the bed. The
murmur is left out: it rises for more than a second, so that these windows hold next to nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from appliance.sound import SAMPLE_RATE
from appliance.values import NoteEvent, Voice
from benchmarks.measure import Figure
from benchmarks.music.network import melody
from benchmarks.music.spectra import Array

WINDOW = 8192  # samples
DELAY = (
    512 / SAMPLE_RATE
)  # s from the moment of a note in the score to its sound: it begins with the next block
FROM = 6.0  # s that are left out at the beginning
ABOVE = 4.0  # dB
AUDIBLE = 0.85
LOW_PITCH = 52  # MIDI pitch, E3
LOW_AUDIBLE = 0.60
CORRELATION = 0.60
FEWEST = 5  # notes; a share among fewer is random


def above_bed(lead: Array, bed: Array, notes: Sequence[NoteEvent]) -> list[tuple[NoteEvent, list[float]]]:
    """The notes of the melody, each with how many dB it stands above the bed at its first three harmonics."""
    shape = np.hanning(WINDOW)[:, None]
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)

    def power(sound: Array, start: int) -> Array:
        bins = np.fft.rfft(sound[start : start + WINDOW] * shape, axis=0)
        return np.asarray(np.square(np.abs(bins)).sum(axis=1))

    found: list[tuple[NoteEvent, list[float]]] = []
    for event in melody(notes):
        start = int((event.seconds + DELAY) * SAMPLE_RATE)
        if (
            event.note.voice is Voice.MURMUR
            or event.seconds < FROM
            or start + 2 * WINDOW > min(len(lead), len(bed))
        ):
            continue
        heard = [power(lead, start + part * WINDOW // 4) for part in range(3)]
        under = power(bed, start)
        over: list[float] = []
        for harmonic in (1, 2, 3):
            centre = harmonic * 440 * 2 ** ((event.note.pitch - 69) / 12)
            width = max(24.7 * (4.37 * centre / 1000 + 1), 12)
            inside = np.abs(frequencies - centre) < width / 2
            loudest = max(float(one[inside].sum()) for one in heard)
            over.append(10 * np.log10(loudest / (float(under[inside].sum()) + 1e-9) + 1e-9))
        found.append((event, over))
    return found


def of_stems(
    lead: Array,
    bed: Array,
    notes: Sequence[NoteEvent],
    audible: float | None = AUDIBLE,
    low_audible: float | None = LOW_AUDIBLE,
) -> list[Figure]:
    """The shares of the notes that are audible above the bed: of all, and of those below E3."""
    found = above_bed(lead, bed, notes)
    best = [max(over) for _, over in found]
    low = [max(over) for event, over in found if event.note.pitch < LOW_PITCH]
    return [
        Figure("notes 4 dB above the bed", _share(best), low=audible, row=4),
        Figure("those below E3", _share(low), low=low_audible if len(low) >= FEWEST else None, row=4),
        Figure("notes whose fundamental is", _share([over[0] for _, over in found]), row=4),
    ]


def of_lengths(notes: Sequence[NoteEvent]) -> list[Figure]:
    """The rank correlation of pitch and length of the notes of amounts (Spearman)."""
    played = [event for event in notes if event.note.amount]
    pitches = [event.note.pitch for event in played]
    if len(set(pitches)) < 2:
        return []
    # At one tempo lengths in seconds; an answer or a chime has no amount.
    rank = float(spearmanr(pitches, [round(event.length, 4) for event in played]).statistic)
    return [Figure("rank correlation of pitch and length", rank, high=CORRELATION, row=4)]


def _share(above: Sequence[float]) -> float:
    return float(np.mean([value > ABOVE for value in above])) if above else float("nan")
