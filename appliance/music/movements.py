# SPDX-License-Identifier: Apache-2.0
"""The long form: slow changes over minutes and hours, how dense the melody is, and the murmur of an idle network.

Movements last minutes, tides hours; the hour of the day, where it is known, makes half of each tide. The periods are
incommensurable, so their combination does not repeat. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from random import Random

# Minutes. Neighbouring periods stand in no simple ratio.
MOVEMENTS = {"phrase": 3.4, "brightness": 8.0, "density": 13.1, "wind": 20.9, "space": 29.3, "register": 47.0}

# Hours.
TIDES = {"density": 2.3, "register": 3.1, "brightness": 5.3, "level": 1.7}
DARKEST = 3.0  # the hour of the day at which the music is lowest, darkest and sparsest; twelve hours later it is not

# Seconds; unequal and incommensurable, as the tape loops of "Music for Airports".
LOOPS = (17.1, 18.43, 19.81, 21.37, 22.93)

BREATHS = (97.3, 61.7)  # s, periods of the murmur's phrases

LOAD = 30.0  # s, time constant of the melody's density
USUAL = 0.54  # velocity of a note of the public network, approximately

FIRST = 0.08  # velocities a second, a quarter of a usual melody: the first chord is not much louder than the others
HEADROOM = 0.57  # share of the load of a melody at its densest, up to which it is not softened

IDLE_AFTER = 24.0  # s without a note of the ledger; more than a rest of the melody
IDLE_RISE = 6.0  # s over which the murmur fades in


class Movements:
    """Low-frequency oscillators: each a sine of its own period, with a phase from the seed."""

    def __init__(self, rng: Random) -> None:
        self._phase = {name: rng.random() for name in MOVEMENTS}
        self._tide = {name: rng.random() for name in TIDES}
        self.hour: float | None = None  # of the day, 0 to 24; None where it is not known

    def lfo(self, name: str, seconds: float) -> float:
        """The value of a movement, -1 to 1."""
        return math.sin(2 * math.pi * (seconds / (60 * MOVEMENTS[name]) + self._phase[name]))

    def tide(self, name: str, seconds: float) -> float:
        """The value of a tide, -1 to 1; the hour of the day, if it is known, makes half of it."""
        tide = math.sin(2 * math.pi * (seconds / (3600 * TIDES[name]) + self._tide[name]))
        if self.hour is None:
            return tide
        return (tide - math.cos(2 * math.pi * (self.hour - DARKEST) / 24)) / 2


class MelodyLoad:
    """How dense and loud the melody is. The bed fills the rest, so that a quiet network is as loud as a busy one."""

    def __init__(self) -> None:
        self._dense = FIRST  # velocities a second, running mean

    def add(self, velocities: float, beat_seconds: float) -> None:
        """Add a beat; `velocities` is the sum over the notes that the melody played in it."""
        self._dense += (velocities / beat_seconds - self._dense) * (1.0 - math.exp(-beat_seconds / LOAD))

    def left(self, densest: float) -> float:
        """The share that the melody leaves: 1 if it is silent, 0 at `densest` notes a second of usual velocity."""
        return max(0.0, 1.0 - self._dense / (densest * USUAL))

    def gain(self, densest: float) -> float:
        """The factor on the velocities of a melody that is much too loud, such as one of very large amounts; else 1.

        Not by all of the excess: a busy network may be a little louder than a usual one.
        """
        loudest = HEADROOM * densest * USUAL
        return math.pow(loudest / max(loudest, self._dense), 0.9)


class Murmur:
    """A few loops that each play one tone of the chord, and sound only while no amount is played."""

    def __init__(self, rng: Random) -> None:
        self._next = [rng.uniform(0.0, period) for period in LOOPS]

    def due(self, seconds: float, silent_for: float) -> list[tuple[int, float]]:
        """The loops that are due, as (which loop, loudness 0 to 1); none until IDLE_AFTER s without an amount."""
        # Phrases that come and go, the second one less: a little piece, not a hum.
        swell = 0.65 + 0.35 * math.sin(2 * math.pi * seconds / BREATHS[0])
        swell *= 0.75 + 0.25 * math.sin(2 * math.pi * seconds / BREATHS[1])
        loudness = swell * min(1.0, (silent_for - IDLE_AFTER) / IDLE_RISE)
        due: list[tuple[int, float]] = []
        for loop, period in enumerate(LOOPS):
            if self._next[loop] <= seconds:
                self._next[loop] += period * math.ceil((seconds - self._next[loop] + 1e-9) / period)
                if loudness > 0.0:
                    due.append((loop, loudness))
        return due
