# SPDX-License-Identifier: Apache-2.0
"""Scales, and the chords that are made of their tones.

A pitch class is a number of semitones above the root, 0 to 11; only `Scale` knows the root. The only dissonances are
semitones, which `clash` finds. (The default scale has one: G and Ab.) Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

# Chords chosen by hand; those of the other scales are stacked. For every chord of one scale here there is one of the
# other that does not clash with it, so that a change of scene is smooth.
_CHORDS = {
    "wind": {
        "Cm7": (0, 3, 7, 10),
        "Ab6/9": (8, 0, 3, 5, 10),
        "Fm7": (5, 8, 0, 3),
        "Eb(add9)": (3, 7, 10, 5),
        "Bbsus": (10, 3, 5),
    },
    "original": {
        "Cm": (0, 3, 7),
        "Eb6": (3, 7, 0),
        "C5": (0, 7),
        "Cm(no5)": (0, 3),
        "Ab": (8, 0, 3),
    },
}


@dataclass(frozen=True, slots=True)
class Chord:
    """Pitch classes above the root, the chord's own root first. Its name is spelled for the root C."""

    name: str
    tones: tuple[int, ...]


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
        """The chords for the bed; none holds a semitone within itself."""
        if self.name in _CHORDS:
            return tuple(Chord(name, tones) for name, tones in _CHORDS[self.name].items())
        steps = self.steps
        stacked = (
            Chord(
                f"on {steps[first]}", tuple(steps[(first + 2 * third) % len(steps)] for third in range(count))
            )
            for first in range(len(steps))
            for count in (4, 3)
        )
        return tuple(chord for chord in stacked if not any(clash(tone, chord.tones) for tone in chord.tones))


def clash(tone: int, others: Iterable[int]) -> bool:
    """Whether a pitch class lies a semitone from one of the others."""
    return any((tone - other) % 12 in (1, 11) for other in others)
