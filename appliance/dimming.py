# SPDX-License-Identifier: Apache-2.0
"""Dimming: a factor on the volume and on the light, for the night hours and the sleep timer.

Nothing here is sudden. The night comes and goes within a minute, the sleep timer fades for its last minute, and waking
takes two seconds; a wall clock that jumps only brings the night early. The wall clock gives the time of day alone.
Pure; the main thread.

    sleep timer     set ─▶ ... ─▶ its last minute: softer and softer ─▶ muted ─▶ (a press) ─▶ back within 2 s
    night           start ─▶ a minute ─▶ quieter, dimmer ─▶ end ─▶ a minute ─▶ as by day
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DROWSY = 60.0  # s, the end of the sleep timer
WAKING = 2.0  # s
DUSK = 60.0  # s


@dataclass(frozen=True, slots=True)
class NightHours:
    """When it is night, in minutes after midnight, and the factors on volume and light then, 0 to 1."""

    start: int
    end: int
    volume: float
    light: float

    @classmethod
    def between(cls, start: str, end: str, volume: float, light: float) -> NightHours:
        """A night from one time such as "22:30" to another; none without a start."""
        return cls(_minute(start or end), _minute(end), volume, light)

    def at(self, minute: int | None) -> bool:
        """Whether it is night at this minute of the day; never, if the time is not known."""
        if minute is None:
            return False
        # Modulo a day, so that a night may go over midnight, and one of no length is none.
        return (minute - self.start) % 1440 < (self.end - self.start) % 1440


@dataclass(frozen=True, slots=True)
class Dim:
    """The factors on volume (of the knob's travel) and light, 0 to 1, and whether the sleep timer has just run out."""

    volume: float
    light: float
    asleep: bool


class Dimmer:
    """Call `look` ten times a second. Moments are seconds of any clock that never jumps; `max_volume` caps the knob."""

    def __init__(self, night: NightHours, max_volume: float = 1.0) -> None:
        self._night, self._max_volume = night, max_volume
        self.ends = math.inf  # when sleep has come
        self._awake = 1.0
        self._dark: float | None = None  # 0 by day, 1 by night
        self._looked = 0.0

    def sleep(self, minutes: float, seconds: float) -> None:
        """Set the sleep timer at a moment; 0 is off."""
        self.ends = seconds + 60 * minutes if minutes else math.inf

    def hush(self) -> None:
        """Be silent. As after the sleep timer, `look` wakes it within WAKING s unless it is told `muted`."""
        self._awake = 0.0

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
        elif not (
            muted and self._awake == 0.0
        ):  # after the timer ran out, the press that ends the mute wakes it
            drowsy = min(1.0, (self.ends - seconds) / DROWSY)
            self._awake = min(drowsy, self._awake + passed / WAKING)
        dark = float(self._night.at(minute))
        if self._dark is None:
            self._dark = dark
        step = passed / DUSK
        self._dark += min(step, max(-step, dark - self._dark))
        return Dim(
            self._max_volume * self._awake * (1 - self._dark * (1 - self._night.volume)),
            1 - self._dark * (1 - self._night.light),
            asleep,
        )


def _minute(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)
