# SPDX-License-Identifier: Apache-2.0
"""Row 5: the chords of eight hours, how they follow each other, and clashes. From the score. Pure; any thread.

A voicing is the set of pad pitches that are held (from the beginning of a note to the start of its release) and that
stays unchanged for SETTLED s, so that tones that enter one after another, are tied or end early make one voicing and
not several. Two voicings in a row that are equal are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from appliance.music.scales import clash
from appliance.values import NoteEvent, Voice
from benchmarks.measure import PAD_RINGS, Figure

SETTLED = 9.0  # s; tones of one chord enter within 8 s
DISTINCT = 60  # in eight hours
LAST_NEW = 4.0  # h
KEPT = 0.60
TOP_MOVE = 2.0  # semitones

Voicing = tuple[float, tuple[int, ...]]  # since when (s), and its MIDI pitches, rising


def voicings(notes: Iterable[NoteEvent]) -> list[Voicing]:
    """The voicings of a score in their order."""
    changes: list[tuple[float, int, int]] = []
    for event in notes:
        if event.note.voice is Voice.PAD:
            changes += [
                (event.seconds, 1, event.note.pitch),
                (event.seconds + event.length, -1, event.note.pitch),
            ]
    held: dict[int, int] = {}
    found: list[Voicing] = []
    changes.sort()
    for (seconds, step, pitch), (until, _, _) in pairwise(changes):
        held[pitch] = held.get(pitch, 0) + step
        sounding = tuple(sorted(pitch for pitch, count in held.items() if count > 0))
        if until - seconds >= SETTLED and sounding and (not found or found[-1][1] != sounding):
            found.append((seconds, sounding))
    return found


def kept(found: Sequence[Voicing]) -> float:
    """The mean share of pitches that stay at a change, of the larger of both voicings."""
    shares = [
        len(set(before) & set(after)) / max(len(before), len(after))
        for (_, before), (_, after) in pairwise(found)
    ]
    return float(np.mean(shares)) if shares else 0.0


def top_move(found: Sequence[Voicing]) -> float:
    """The mean distance in semitones by which the highest pitch moves at a change."""
    moves = [abs(after[-1] - before[-1]) for (_, before), (_, after) in pairwise(found)]
    return float(np.mean(moves)) if moves else 0.0


def pad_clashes(notes: Iterable[NoteEvent]) -> int:
    """Pairs of pad tones a semitone apart, in any octave, that sound together; a release rings PAD_RINGS s."""
    pads = sorted(
        (event for event in notes if event.note.voice is Voice.PAD), key=lambda event: event.seconds
    )
    count = 0
    ringing: list[NoteEvent] = []
    for event in pads:
        ringing = [other for other in ringing if other.seconds + other.length + PAD_RINGS > event.seconds]
        count += sum(clash(event.note.pitch % 12, [other.note.pitch % 12]) for other in ringing)
        ringing.append(event)
    return count


def of_notes(
    notes: Sequence[NoteEvent],
    distinct: int = DISTINCT,
    last_new: float = LAST_NEW,
    least_kept: float = KEPT,
    most_moved: float = TOP_MOVE,
) -> list[Figure]:
    """The figures of the chords of a score."""
    found = voicings(notes)
    first: dict[tuple[int, ...], float] = {}
    for seconds, pitches in found:
        first.setdefault(pitches, seconds)
    last = max(first.values(), default=0.0) / 3600
    return [
        Figure("distinct voicings", len(first), low=distinct, row=5),
        Figure("the last new voicing", last, low=last_new, unit="h", row=5),
        Figure("chord tones kept across a change", kept(found), low=least_kept, row=5),
        Figure("mean move of the top voice", top_move(found), high=most_moved, unit="semitones", row=5),
        Figure("pad tones a semitone apart", pad_clashes(notes), high=0, row=5),
    ]
