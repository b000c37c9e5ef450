# SPDX-License-Identifier: Apache-2.0
"""The evening: how loud and how bright the box may be at a moment, whatever the knob says.

The one rule: nothing here is ever sudden. Night comes and goes within a minute, sleep takes its last minute to come
and two seconds to go; a clock that jumps is no more than a night that comes early. The wall clock is asked for the
time of day alone. Pure; the main thread.

    sleep timer     set ─▶ ... ─▶ its last minute: softer and softer ─▶ muted ─▶ (a press) ─▶ back within 2 s
    night           begins ─▶ a minute ─▶ quieter, dimmer ─▶ ends ─▶ a minute ─▶ as by day
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DROWSY = 60.0  # s, the end of the sleep timer
WAKING = 2.0  # s
DUSK = 60.0  # s


@dataclass(frozen=True, slots=True)
class Night:
    """When it is night, in minutes after midnight, and what is left then of volume and light, 0 to 1."""

    begins: int
    ends: int
    volume: float
    light: float

    @classmethod
    def between(cls, begins: str, ends: str, volume: float, light: float) -> Night:
        """A night from one time such as "22:30" to another; none without a beginning."""
        return cls(_minute(begins or ends), _minute(ends), volume, light)

    def at(self, minute: int | None) -> bool:
        """Whether it is night at this minute of the day; never, where nobody knows the time."""
        if minute is None:
            return False
        # Modulo a day, so that a night may go over midnight, and one of no length is none.
        return (minute - self.begins) % 1440 < (self.ends - self.begins) % 1440


@dataclass(frozen=True, slots=True)
class Dim:
    """What is left of volume (of the knob's way) and of light, 0 to 1; and whether sleep has come."""

    volume: float
    light: float
    asleep: bool


class Evening:
    """Looked at ten times a second. Moments are seconds of any clock that never jumps; `loudest` caps the knob."""

    def __init__(self, night: Night, loudest: float = 1.0) -> None:
        self._night, self._loudest = night, loudest
        self.ends = math.inf  # when sleep has come
        self._awake = 1.0
        self._dark: float | None = None  # 0 by day, 1 by night
        self._looked = 0.0

    def sleep(self, minutes: float, seconds: float) -> None:
        """Set the sleep timer at a moment; 0 is off."""
        self.ends = seconds + 60 * minutes if minutes else math.inf

    def left(self, seconds: float) -> float:
        """Minutes until sleep; infinite without a timer."""
        return max(0.0, self.ends - seconds) / 60

    def look(self, seconds: float, minute: int | None, *, muted: bool) -> Dim:
        """What holds at this moment; `minute` is of the day, by the clock on the wall."""
        passed, self._looked = seconds - self._looked, seconds
        asleep = seconds >= self.ends
        if asleep:
            self.ends = math.inf
            self._awake = 0.0
        elif not (muted and self._awake == 0.0):  # who fell asleep is woken by the hand that ends the mute
            drowsy = min(1.0, (self.ends - seconds) / DROWSY)
            self._awake = min(drowsy, self._awake + passed / WAKING)
        dark = float(self._night.at(minute))
        if self._dark is None:
            self._dark = dark
        step = passed / DUSK
        self._dark += min(step, max(-step, dark - self._dark))
        return Dim(
            self._loudest * self._awake * (1 - self._dark * (1 - self._night.volume)),
            1 - self._dark * (1 - self._night.light),
            asleep,
        )


def _minute(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)
