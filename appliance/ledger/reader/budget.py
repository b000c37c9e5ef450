# SPDX-License-Identifier: Apache-2.0
"""Stores that refill with time: how a server's limit is kept before the server has to say so, and a line's volume.

The one rule: no hour, whichever, has more in it than `per_hour`. So what may go at once is taken off what comes
back: 101 requests at once and 3,499 an hour make 3,600. Pure: time is an argument; any thread.

    requests  101 ┤▔╲
                  │  ╲   ledgers of 2.5 s, 4 requests each   ...and from here on page 3 is left out, then page 2
               60 ┤   ╲________________________________
                0 ┴───────────────────────────────────▶ time
"""

from __future__ import annotations

from dataclasses import dataclass


class TokenBucket:
    """A store of `at_once` units, to which so many come back as time passes. Times in seconds."""

    def __init__(self, per_hour: float, at_once: float) -> None:
        self._most = self._left = at_once
        self._rate = (per_hour - at_once) / 3600  # a second
        self._seen: float | None = None

    def left(self, now: float) -> float:
        """How much there is at `now`, on any clock that never goes back; below 0 where more was taken."""
        if self._seen is not None:
            self._left = min(self._most, self._left + (now - self._seen) * self._rate)
        self._seen = now
        return self._left

    def take(self, now: float, units: float = 1.0) -> None:
        """So much has been taken, whether it was there or not."""
        self._left = self.left(now) - units

    def wait(self, now: float) -> float:
        """Seconds until there is a whole unit."""
        return max(0.0, (1 - self.left(now)) / self._rate)


# What must be left for page 1 of a ledger, twice as much for page 2, and so on: the last pages are left out first,
# and what tells of new ledgers never waits. Five pages fit.
REQUESTS_A_PAGE = 20
BYTES_A_PAGE = 200_000  # packed, a page of 200 operations takes 18 to 32 kB
HEADER = 1000  # bytes of a request and its answer's header, about


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one server may be asked for. The first number of each is for any hour, the second at once."""

    # A public Horizon gives an address 3600 requests an hour and 101 at once; every delivery of a stream counts.
    requests: TokenBucket
    # 1.5 GB a day, which a line with a quota bears; all of a busy public network packed are 0.9 to 1.7 GB.
    traffic: TokenBucket

    def may_read(self, page: int, now: float) -> bool:
        """Whether there is enough left for page number `page`, from 1, of a ledger."""
        return (
            self.requests.left(now) >= REQUESTS_A_PAGE * page
            and self.traffic.left(now) >= BYTES_A_PAGE * page
        )


def public() -> Allowance:
    """For a server that everybody shares."""
    return Allowance(TokenBucket(3600, 101), TokenBucket(1.5e9 / 24, 2e6))


def own() -> Allowance:
    """For a server of one's own: so much that it is no limit."""
    return Allowance(TokenBucket(1e9, 1e6), TokenBucket(1e15, 1e12))
