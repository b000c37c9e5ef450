# SPDX-License-Identifier: Apache-2.0
r"""The chord walk: which chord sounds now, which come next, and how their tones lead into each other.

The chords are all sets of three to five tones of the scale without a semitone. Two chords follow each other only if no
tone of one lies a semitone from a tone of the other, because they overlap while one fades and the other begins. So in
the default scale the walk goes from chords with G to chords with Ab, and back, over chords that hold neither.

The walk is planned three chords ahead. A pitch that the next chords keep is held through them, as one long note; the
others enter one after another. Pure; the performer's thread.

    pitch  Ab4         ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
           F4  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━               enters late, is tied over one change
           C4  ━━━━━━━━━━━━━━━      ━━━━━━━━━━━━━━
           time ─┬─────────────────┬──────────────┬─▶     changes of the chord
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from random import Random

from appliance.music.scales import Chord, Scale, clash

RELEASE = 12.0  # s; a chord's tones ring this long into the next one
AHEAD = 3  # chords that are planned, and the most that one tone is tied through
ENTER = (0.8, 2.6)  # s between two tones that enter; five tones enter within 8 s
# Clashes with no tone of any scale; for a scale whose chords all clash with what rings.
ROOT_ALONE: Chord = (0,)
SPAN = 24  # semitones above `low` within which a chord lies
KEPT = 5.0  # exponent: how strongly the walk prefers a chord that shares tones
RECENT = 12  # chords that are less likely because they were heard lately
CLOSE_BELOW = 62  # MIDI pitch below which intervals under a minor third sound muddy


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone of the bed that begins."""

    pitch: int  # MIDI
    begins: float  # s of the audio clock
    ends: float  # s; the start of its release


@dataclass(frozen=True, slots=True)
class _Planned:
    chord: Chord
    pitches: tuple[int, ...]
    held: float  # s


class Harmony:
    """A seeded walk over a scale's chords, each held between `hold[0]` and `hold[1]` seconds.

    `low` gives the lowest pitch of a chord at a moment. It begins on the chord of `before`, or on one that does not
    clash with what sounds of it at `seconds`.
    """

    def __init__(
        self,
        scale: Scale,
        hold: tuple[float, float],
        rng: Random,
        low: Callable[[float], int],
        seconds: float = 0.0,
        before: Harmony | None = None,
    ) -> None:
        self._scale, self._rng, self._hold, self._low = scale, rng, hold, low
        chords = scale.chords()
        beginnings = (*chords, ROOT_ALONE)
        self._after = {
            chord: tuple(
                other for other in chords if other != chord and not any(clash(tone, chord) for tone in other)
            )
            for chord in beginnings
        }
        self._recent: deque[Chord] = deque(maxlen=RECENT)
        self._ringing = (
            before.sounding(seconds, seconds) if before else frozenset[int]()
        )  # during their release
        # The piece begins at home: on the root with its fifth, four tones if there are.
        first = min(chords, key=lambda chord: (not {0, 7} <= set(chord), abs(len(chord) - 4)))
        if before:
            first = min(
                beginnings,
                key=lambda chord: (
                    any(clash(tone, self._ringing) for tone in chord),
                    set(chord) != set(before.chord),
                ),
            )
        self._plan: deque[_Planned] = deque()
        self._ends = seconds  # of the last planned chord
        self._add(first)
        while len(self._plan) <= AHEAD:
            self._add(self._choose())
        self._tied: dict[int, float] = {}  # pitches that are held, and until when
        self._begun = False
        self.began = self.ends = (
            seconds  # of the present chord; the first call of `move` begins the first one
        )

    @property
    def chord(self) -> Chord:
        """The chord that sounds now."""
        return self._plan[0].chord

    def move(self, seconds: float) -> list[Tone] | None:
        """Begin the next chord if this one has been held long enough.

        Returns the tones that begin with it, none if all are held already; None if this chord stays.
        """
        if seconds < self.ends:
            return None
        if self._begun:
            self._ringing = frozenset(self._plan.popleft().chord)
            self._add(self._choose())
        self._begun = True
        self.began, self.ends = seconds, seconds + self._plan[0].held
        self._tied = {
            pitch: until for pitch, until in self._tied.items() if until > seconds + self._hold[0] / 2
        }
        entering = [pitch for pitch in self._plan[0].pitches if pitch not in self._tied]
        self._rng.shuffle(entering)
        tones: list[Tone] = []
        begins = seconds
        for pitch in entering:
            until = seconds
            for planned in list(self._plan)[:AHEAD]:
                if pitch not in planned.pitches:
                    break
                until += planned.held
            self._tied[pitch] = until
            tones.append(Tone(pitch, begins, until))
            begins += self._rng.uniform(*ENTER)
        return tones

    def sounding(self, seconds: float, until: float) -> frozenset[int]:
        """Every tone of this chord, the last one and the next ones that overlap a note from `seconds` to `until`."""
        tones = set(self.chord)
        if seconds < self.began + RELEASE:
            tones.update(self._ringing)
        ends = self.ends
        for planned in list(self._plan)[1:]:
            if until > ends:
                tones.update(planned.chord)
            ends += planned.held
        return frozenset(tones)

    def _add(self, chord: Chord) -> None:
        """Plan one more chord."""
        held = self._rng.uniform(*self._hold)
        before = self._plan[-1].pitches if self._plan else ()
        pitches = voicing(chord, self._scale, self._low(self._ends), before, self._rng)
        self._plan.append(_Planned(chord, pitches, held))
        self._recent.append(chord)
        self._ends += held

    def _choose(self) -> Chord:
        """The chord after the last planned one: probably one that shares most tones and was not heard lately."""
        last = self._plan[-1].chord
        others = self._after[last]
        weights = [
            (len(set(last) & set(other)) / max(len(last), len(other))) ** KEPT
            / (1 + 4 * self._recent.count(other))
            for other in others
        ]
        return self._rng.choices(others, weights)[0] if any(weights) else self._rng.choice(others)


def voicing(chord: Chord, scale: Scale, low: int, before: tuple[int, ...], rng: Random) -> tuple[int, ...]:
    """MIDI pitches of a chord within SPAN semitones from `low` up, rising; those that lead best from `before`.

    Common tones stay where they are, the top voice moves least, low intervals are open. Chance decides between
    voicings that are about equally good, so that a chord has many.
    """
    choices = [tuple(range(low + (scale.root + tone - low) % 12, low + SPAN, 12)) for tone in chord]
    voicings = (tuple(sorted(pitches)) for pitches in product(*choices))
    return min(voicings, key=lambda pitches: _cost(pitches, before, low) + rng.uniform(0.0, 2.0))


def _cost(pitches: tuple[int, ...], before: tuple[int, ...], low: int) -> float:
    """How badly a voicing follows another one; in semitones, approximately."""
    muddy = sum(
        3.0 * (high - below < 3 and below < CLOSE_BELOW) + 2.0 * (high - below > 12)
        for below, high in pairwise(pitches)
    )
    centred = 0.3 * abs(sum(pitches) / len(pitches) - low - SPAN / 2)
    if not before:
        return muddy + centred
    kept = len(set(pitches) & set(before))
    return muddy + centred - 3.0 * kept + 1.5 * abs(pitches[-1] - before[-1])
