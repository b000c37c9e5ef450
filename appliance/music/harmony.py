# SPDX-License-Identifier: Apache-2.0
r"""The chord walk: which chord sounds now, and which is next.

Two chords follow each other only if no tone of one lies a semitone from a tone of the other, because they overlap while
one fades and the other begins. In the default scale that makes Bbsus the bridge between the chords with G and the
chords with Ab. Pure; the performer's thread.

    Cm7 ─── Eb(add9)        with G
       \\     /
        Bbsus
       /     \\
    Fm7 ─── Ab6/9           with Ab
"""

from __future__ import annotations

from random import Random

from appliance.music.scales import Chord, Scale, clash

RELEASE = 12.0  # s; a chord's tones ring this long into the next one


class Harmony:
    """A seeded walk over a scale's chords, each held between `hold[0]` and `hold[1]` seconds."""

    def __init__(self, scale: Scale, hold: tuple[float, float], rng: Random) -> None:
        self._rng, self._hold = rng, hold
        chords = scale.chords()
        self._after = {
            chord: tuple(
                other
                for other in chords
                if other != chord and not any(clash(tone, chord.tones) for tone in other.tones)
            )
            for chord in chords
        }
        self.chord = chords[0]
        self._next = rng.choice(self._after[self.chord])
        self._ringing: tuple[int, ...] = ()  # tones of the chord before, during their release
        self.began = self.ends = 0.0  # s of the audio clock; the first call of `move` begins the first chord

    def continue_from(self, before: Harmony, seconds: float) -> None:
        """Continue the walk of another scene, before the first `move`: on its chord, or on one that fits it."""
        sounding = before.sounding(seconds, seconds)
        self._ringing = tuple(sounding)
        self.chord = min(
            self._after,
            key=lambda chord: (
                any(clash(tone, sounding) for tone in chord.tones),
                chord.tones != before.chord.tones,
            ),
        )
        self._next = self._rng.choice(self._after[self.chord])

    def move(self, seconds: float) -> float | None:
        """Begin the next chord if this one has been held long enough.

        Returns for how long the new chord will be held, in seconds, or None while the present one continues.
        """
        if seconds < self.ends:
            return None
        if self.ends > 0.0:
            before, self.chord = self.chord, self._next
            self._ringing = before.tones
            # Returning to the chord before is half as likely as each other one: too often, and the walk alternates
            # between two chords; never, and it repeats a cycle of three.
            onward = [chord for chord in self._after[self.chord] if chord != before]
            self._next = self._rng.choice([*onward, *onward, before])
        held = self._rng.uniform(*self._hold)
        self.began, self.ends = seconds, seconds + held
        return held

    def sounding(self, seconds: float, until: float) -> frozenset[int]:
        """Every tone of this chord, the last one and the next one that overlaps a note from `seconds` to `until`."""
        tones = set(self.chord.tones)
        if seconds < self.began + RELEASE:
            tones.update(self._ringing)
        if until > self.ends:
            tones.update(self._next.tones)
        return frozenset(tones)


def voicing(chord: Chord, scale: Scale, low: int) -> tuple[int, ...]:
    """MIDI pitches of a chord in open position, its tones spread over two octaves from `low` up."""
    close = sorted(low + (scale.root + tone - low) % 12 for tone in chord.tones)
    # Every second tone an octave up, because close intervals in a low register sound muddy.
    return tuple(sorted(pitch + 12 * (index % 2) for index, pitch in enumerate(close)))
