# SPDX-License-Identifier: Apache-2.0
"""The lamps: six that pulse with the notes, three that say what the box listens to.

The one rule: a lamp is a pure function of time. What is hit and what is shown is told; `levels` answers for any
moment, so a terminal, a row of LEDs and a test see the same. Position says which, rhythm says what, colour nothing.
Nothing blinks faster than twice a second. Pure; the thread that shows.

    state                        note lamps            network lamps
    live                         pulse                 the chosen one steady
    connecting                   pulse                 the chosen one breathes slowly
    offline: the recording plays pulse                 the chosen one: two soft blips every 3 s
    no sound card                dark                  one after another, left to right, every 3 s
    muted                        pulse at a quarter    unchanged
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

NOTE_LAMPS = 6
NETWORK_LAMPS = 3
ATTACK = 0.05  # s
DECAY = 0.25  # s, time constant
MUTED = 0.25  # of a pulse


class Shown(Enum):
    """What the network lamps say. The values are words for a person."""

    LIVE = "live"
    CONNECTING = "connecting"
    OFFLINE = "no network, the recording plays"
    NO_CARD = "no sound card"


def _steady(lamp: int, chosen: int, seconds: float) -> float:
    return float(lamp == chosen)


def _breathing(lamp: int, chosen: int, seconds: float) -> float:
    return (lamp == chosen) * (0.5 - 0.5 * math.cos(2 * math.pi * seconds / 4.0))  # 4 s a breath


def _blips(lamp: int, chosen: int, seconds: float) -> float:
    at = seconds % 3.0
    return (lamp == chosen) * max(_blip(at - 0.2), _blip(at - 0.8))


def _running(lamp: int, chosen: int, seconds: float) -> float:
    return _blip(seconds % 3.0 - 0.2 - 0.6 * lamp)


def _blip(since_peak: float) -> float:
    """A soft blink of 0.4 s around its peak."""
    return max(0.0, 1.0 - abs(since_peak) / 0.2)


PATTERNS: dict[Shown, Callable[[int, int, float], float]] = {
    Shown.LIVE: _steady,
    Shown.CONNECTING: _breathing,
    Shown.OFFLINE: _blips,
    Shown.NO_CARD: _running,
}


def pulse(age: float) -> float:
    """The level, 0 to 1, of a lamp that was hit `age` seconds ago."""
    if age < 0.0:
        return 0.0
    return age / ATTACK if age < ATTACK else math.exp(-(age - ATTACK) / DECAY)


class Lamps:
    """Nine levels for any moment. Times are seconds of any clock that never jumps."""

    def __init__(self) -> None:
        self._hits: list[tuple[float, float]] = [(-math.inf, 0.0)] * NOTE_LAMPS  # when, how bright
        self.shown = Shown.CONNECTING
        self.chosen = 0  # which network lamp
        self.muted = False

    def hit(self, degree: int, velocity: float, at: float) -> None:
        """A note of this degree is heard at `at`. A scale with other than six degrees shares the lamps."""
        self._hits[degree % NOTE_LAMPS] = (at, 0.4 + 0.6 * velocity)

    def levels(self, seconds: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """How bright the note lamps and the network lamps are to the eye, 0 to 1."""
        dim = 0.0 if self.shown is Shown.NO_CARD else MUTED if self.muted else 1.0
        notes = tuple(dim * bright * pulse(seconds - at) for at, bright in self._hits)
        pattern = PATTERNS[self.shown]
        return notes, tuple(pattern(lamp, self.chosen, seconds) for lamp in range(NETWORK_LAMPS))
