# SPDX-License-Identifier: Apache-2.0
"""Musical time: from samples to beats.

The one rule: the only clock is the number of samples rendered. The tempo may change at any block; the beat's phase
goes on from where it is, so a turn of the knob never skips a beat nor doubles one. Pure; the performer's thread.
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
        """How long a beat lasts at this tempo."""
        return 60.0 / self.tempo


class Transport:
    """Counts samples and beats, a block at a time."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._samples = 0
        self._beats = (
            0  # begun so far; an int and a phase keep their precision over years, one float would not
        )
        self._phase = 0.0  # of the beat that is running, 0 to 1
        self._tempo = 60.0

    @property
    def now(self) -> Moment:
        """The moment at which the next block begins."""
        beat = self._beats - 1 + self._phase if self._beats else 0.0
        return Moment(beat, self._samples / self._rate, self._tempo)

    def advance(self, samples: int, tempo: float) -> list[Moment]:
        """Move on by a block at `tempo` beats a minute, and return the beats that begin in it.

        The very first block begins with beat 0. A block shorter than a beat holds at most one.
        """
        self._tempo = tempo
        begun: list[Moment] = []
        if self._beats == 0:
            begun.append(self._begin(0.0))
        ahead = 0.0  # samples from the block's start to where the phase stands
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
