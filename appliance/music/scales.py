# SPDX-License-Identifier: Apache-2.0
"""Scales, and the chords that are made of their tones.

A pitch class is a number of semitones above the root, 0 to 11; only `Scale` knows the root. The only dissonances are
semitones, which `clash` finds. (The default scale has one: G and Ab.) Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

ROOTS = {
    name: pitch_class
    for pitch_class, names in enumerate(
        ("C", "C# Db", "D", "D# Eb", "E", "F", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B")
    )
    for name in names.split()
}

NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")  # as a lamp is labelled

STEPS = {
    "wind": (0, 3, 5, 7, 8, 10),  # C Eb F G Ab Bb: minor pentatonic with an added A flat
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "major-pentatonic": (0, 2, 4, 7, 9),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "original": (0, 2, 3, 7, 8, 9),  # C D Eb G Ab A: the web page of 2018
}

Chord = tuple[int, ...]  # pitch classes above the root of the scale, the chord's own root first
SIZES = (3, 4, 5)  # tones of a chord

# The bed of the page of 2018 was a recording, in which these chords were heard: Cm, Eb6, C5, Cm without its fifth, Ab.
_CHORDS: dict[str, tuple[Chord, ...]] = {"original": ((0, 3, 7), (3, 7, 0), (0, 7), (0, 3), (8, 0, 3))}


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale on a root. `root` is a pitch class, 0 = C to 11 = B."""

    name: str
    root: int

    @property
    def steps(self) -> tuple[int, ...]:
        """Its pitch classes above the root, rising."""
        return STEPS[self.name]

    def degrees(self, low: int, octaves: int) -> tuple[int, ...]:
        """MIDI pitches from the first root at or above `low` up through `octaves`, both roots included."""
        first = low + (self.root - low) % 12
        return (
            *tuple(first + 12 * octave + step for octave in range(octaves) for step in self.steps),
            first + 12 * octaves,
        )

    def degree(self, pitch: int) -> int:
        """Which step of the scale a MIDI pitch is, 0 for the root; a foreign pitch counts as the next one below."""
        above = (pitch - self.root) % 12
        return max(index for index, step in enumerate(self.steps) if step <= above)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its degrees, rising."""
        return tuple(NAMES[(self.root + step) % 12] for step in self.steps)

    def tone(self, pitch: int) -> int:
        """The pitch class of a MIDI pitch above the root."""
        return (pitch - self.root) % 12

    def chords(self) -> tuple[Chord, ...]:
        """The chords for the bed: every set of three to five tones that holds no semitone."""
        if self.name in _CHORDS:
            return _CHORDS[self.name]
        return tuple(
            _from_its_root(tones)
            for size in SIZES
            for tones in combinations(self.steps, size)
            if not any(clash(tone, tones) for tone in tones)
        )


def _from_its_root(tones: Chord) -> Chord:
    """A chord that begins with its root: the first tone with a fifth above it, else the first one."""
    root = next((tone for tone in tones if (tone + 7) % 12 in tones), tones[0])
    return (root, *(tone for tone in tones if tone != root))


def clash(tone: int, others: Iterable[int]) -> bool:
    """Whether a pitch class lies a semitone from one of the others."""
    return any((tone - other) % 12 in (1, 11) for other in others)
