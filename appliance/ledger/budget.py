# SPDX-License-Identifier: Apache-2.0
"""A store of turns that refills with time: how a server's limit is kept before the server has to say so.

The one rule: no hour, whichever, has more than `per_hour` turns in it. So what may go at once is taken off what
comes back: 101 at once and 3,499 an hour make 3,600. Pure: time is an argument; any thread.

    turns  101 ┤▔╲
               │  ╲   ledgers of 2.5 s, 4 requests each     ...and from here on page 3 is left out, then page 2
            60 ┤   ╲___________________________________
             0 ┴──────────────────────────────────────▶ time
"""

from __future__ import annotations


class Bucket:
    """Turns that may be taken: `at_once` from the start, and so many more as time passes. Times in seconds."""

    def __init__(self, per_hour: float, at_once: float) -> None:
        self._most = self._left = at_once
        self._rate = (per_hour - at_once) / 3600  # a second
        self._seen: float | None = None

    def left(self, now: float) -> float:
        """How many turns there are at `now`, on any clock that never goes back; below 0 where more were taken."""
        if self._seen is not None:
            self._left = min(self._most, self._left + (now - self._seen) * self._rate)
        self._seen = now
        return self._left

    def take(self, now: float) -> None:
        """A turn has been taken, whether there was one or not."""
        self._left = self.left(now) - 1

    def wait(self, now: float) -> float:
        """Seconds until there is a whole turn."""
        return max(0.0, (1 - self.left(now)) / self._rate)


# What a public Horizon gives an address: its defaults, per-hour-rate-limit 3600 and a burst of 100 beside the first.
PER_HOUR, AT_ONCE = 3600, 101


def public_limit() -> Bucket:
    """The requests that a public Horizon answers."""
    return Bucket(PER_HOUR, AT_ONCE)


def no_limit() -> Bucket:
    """For a server of one's own: 1000 requests a second, which nobody will notice."""
    return Bucket(3_601_000, 1000)
