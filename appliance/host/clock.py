# SPDX-License-Identifier: Apache-2.0
"""The clock on the wall: which minute of the day it is, where anybody can know.

The one rule: a clock that nobody has set is not believed, however sensible its date. Without a battery a computer goes
on from 1970, and systemd from the day on which it was built itself, or on which it last saved a date: at any hour. So
either a time server has set it since the start, or a clock with a battery says the same. The main thread.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path

FIRST_YEAR = 2024  # of this program
AGREE = 600.0  # s; a month without a time server is worth a minute or two
EVERY = 1.0  # s between two looks at the computer

TIMESYNC, SET = "/run/systemd/timesync", "synchronized"  # while it runs, and once it has set the clock
BATTERIES = "sys/class/rtc/*/since_epoch"  # s since 1970


class WallClock:
    """The minute of the day by the computer whose files are below `root`; it may be asked again and again."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._due = -math.inf  # when it is looked at again, s
        self._minute: int | None = None
        self._set = False  # once it was, it is: a time server that is started anew has said nothing yet

    def minute(self, seconds: float) -> int | None:
        """At a moment of any clock that never jumps; None where nobody knows."""
        if seconds >= self._due:
            now, self._due = time.time(), seconds + EVERY
            self._set = self._set or is_set(self._root, now)
            self._minute = minute_of_day(now) if self._set else None
        return self._minute


def minute_of_day(now: float) -> int | None:
    """The minute of the day in the computer's time zone `now`, in s since 1970; None if that cannot be right."""
    time.tzset()  # the C library reads the zone once, and its owner may set another
    wall = time.localtime(now)
    return 60 * wall.tm_hour + wall.tm_min if wall.tm_year >= FIRST_YEAR else None


def is_set(root: Path, now: float) -> bool:
    """Whether somebody has set the clock of the computer whose files are below `root`, as far as can be told."""
    timesync = root / TIMESYNC.lstrip("/")
    if not timesync.exists() or (timesync / SET).exists():  # whoever else sets it does not say so
        return True
    for battery in root.glob(BATTERIES):
        with suppress(OSError, ValueError):
            if abs(now - int(battery.read_text())) < AGREE:
                return True
    return False
