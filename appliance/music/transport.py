# SPDX-License-Identifier: Apache-2.0
"""Musical time: from samples to beats.

The only clock is the number of samples rendered. The tempo can change with every block; the phase of the beat continues
from where it is, so a change never skips or repeats a beat. Pure; the performer's thread.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of musical time."""

    beat: float  # beats since the start
    seconds: float  # samples rendered / sample rate
    tempo: float  # beats a minute at this point

    @property
    def beat_seconds(self) -> float:
        """The length of a beat at this tempo, in s."""
        return 60.0 / self.tempo


class Transport:
    """Counts samples and beats, a block at a time."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._samples = 0
        # Beats begun so far. An int and a phase keep their precision over years; one float would not.
        self._beats = 0
        self._phase = 0.0  # of the present beat, 0 to 1
        self._tempo = 60.0

    @property
    def now(self) -> Moment:
        """The moment at which the next block begins."""
        beat = self._beats - 1 + self._phase if self._beats else 0.0
        return Moment(beat, self._samples / self._rate, self._tempo)

    def advance(self, samples: int, tempo: float) -> list[Moment]:
        """Advance by a block at `tempo` beats a minute, and return the beats that begin in it.

        The first block begins with beat 0. A block shorter than a beat holds at most one.
        """
        self._tempo = tempo
        begun: list[Moment] = []
        if self._beats == 0:
            begun.append(self._begin(0.0))
        ahead = 0.0  # samples from the start of the block to the moment of the phase
        per_sample = tempo / 60.0 / self._rate
        while ahead + (to_next := (1.0 - self._phase) / per_sample) < samples:
            ahead += to_next
            self._phase = 0.0
            begun.append(self._begin(ahead))
        self._phase += (samples - ahead) * per_sample
        self._samples += samples
        return begun

    def _begin(self, ahead: float) -> Moment:
        self._beats += 1
        return Moment(float(self._beats - 1), (self._samples + ahead) / self._rate, self._tempo)
