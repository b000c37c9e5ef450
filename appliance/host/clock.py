# SPDX-License-Identifier: Apache-2.0
"""The wall clock: the minute of the day, or None while the clock has not been set.

A computer without a battery starts at 1970, or, with systemd, at the date of systemd's release or at the last date that
was saved: plausible, but wrong by hours. So the clock counts only after a time server has set it since the boot, or
if a hardware clock with a battery agrees with it. The main thread.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path

FIRST_YEAR = 2024  # of this program
AGREE = 600.0  # s; a hardware clock drifts by a minute or two in a month
EVERY = 1.0  # s between two checks

TIMESYNC, SET = "/run/systemd/timesync", "synchronized"  # while timesyncd runs, and once it has set the clock
BATTERIES = "sys/class/rtc/*/since_epoch"  # s since 1970


class WallClock:
    """The minute of the day by the clock of the computer whose files are below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._due = -math.inf  # when it is checked next, s
        self._minute: int | None = None
        self._set = False  # stays true: a time service that restarts removes its file

    def minute(self, seconds: float) -> int | None:
        """The minute of the day; None if it is not known. `seconds` is the moment by a clock that never jumps."""
        if seconds >= self._due:
            now, self._due = time.time(), seconds + EVERY
            self._set = self._set or is_set(self._root, now)
            self._minute = minute_of_day(now) if self._set else None
        return self._minute


def minute_of_day(now: float) -> int | None:
    """The minute of the day at `now` (s since 1970) in the computer's time zone; None if the date is impossible."""
    time.tzset()  # the C library reads the zone only once, but the owner can change it
    wall = time.localtime(now)
    return 60 * wall.tm_hour + wall.tm_min if wall.tm_year >= FIRST_YEAR else None


def is_set(root: Path, now: float) -> bool:
    """Whether the clock of the computer whose files are below `root` has been set, as far as can be told."""
    timesync = root / TIMESYNC.lstrip("/")
    # Without timesyncd there is no way to know, so the clock is taken as set.
    if not timesync.exists() or (timesync / SET).exists():
        return True
    for battery in root.glob(BATTERIES):
        with suppress(OSError, ValueError):
            if abs(now - int(battery.read_text())) < AGREE:
                return True
    return False
