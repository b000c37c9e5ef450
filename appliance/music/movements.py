# SPDX-License-Identifier: Apache-2.0
"""The long form and the silence: what changes over minutes, and what hums when the ledger says nothing.

The one rule: no two periods here have a common multiple that anyone will live through, so nothing ever comes round
again. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from random import Random

# Minutes. Neighbouring periods stand in no simple ratio.
MOVEMENTS = {"brightness": 8.0, "density": 13.1, "wind": 20.9, "space": 29.3, "register": 47.0}

# Seconds; unequal and incommensurable, as the tape loops of "Music for Airports" were.
LOOPS = (17.1, 18.43, 19.81, 21.37, 22.93)

AIR = 60.0  # s, time constant of how much room the melody leaves
USUAL = 0.54  # velocity of a note of the public network, near enough

IDLE_AFTER = 7.0  # s without a note of the ledger; more than the longest ordinary ledger
IDLE_RISE = 12.0  # s over which the murmur comes up


class Movements:
    """Slow tides, each a sine of its own period, starting where the seed puts it."""

    def __init__(self, rng: Random) -> None:
        self._phase = {name: rng.random() for name in MOVEMENTS}

    def lfo(self, name: str, seconds: float) -> float:
        """Where a movement stands, -1 to 1."""
        return math.sin(2 * math.pi * (seconds / (60 * MOVEMENTS[name]) + self._phase[name]))


class MelodyLoad:
    """How much room the melody leaves: 1 where it is silent, 0 where it is as dense and loud as it may be.

    The bed fills what is left, so that a quiet network is as loud as a busy one.
    """

    def __init__(self) -> None:
        self._dense = 0.0  # velocities a second, running mean

    def hear(self, velocities: float, beat_seconds: float) -> None:
        """Take note of a beat, and of the velocities of the notes that the melody played in it, all together."""
        self._dense += (velocities / beat_seconds - self._dense) * (1.0 - math.exp(-beat_seconds / AIR))

    def left(self, densest: float) -> float:
        """The share that is left, where `densest` notes a second of usual velocity leave none."""
        return max(0.0, 1.0 - self._dense / (densest * USUAL))

    def ease(self, densest: float) -> float:
        """By how much to soften a melody that has grown too loud, as one of whales would: 1 for all others."""
        loudest = densest * USUAL
        return loudest / max(loudest, self._dense)


class Murmur:
    """A few loops that each say one tone of the chord, heard only while the ledger is silent."""

    def __init__(self, rng: Random) -> None:
        self._next = [rng.uniform(0.0, period) for period in LOOPS]

    def due(self, seconds: float, silent_for: float) -> list[tuple[int, float]]:
        """The loops that come round by now, as (which loop, loudness 0 to 1); none while the ledger speaks."""
        loudness = min(1.0, (silent_for - IDLE_AFTER) / IDLE_RISE)
        due: list[tuple[int, float]] = []
        for loop, period in enumerate(LOOPS):
            if self._next[loop] <= seconds:
                self._next[loop] += period * math.ceil((seconds - self._next[loop] + 1e-9) / period)
                if loudness > 0.0:
                    due.append((loop, loudness))
        return due
