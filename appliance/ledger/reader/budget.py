# SPDX-License-Identifier: Apache-2.0
"""Token buckets: they keep the listener within a server's request limit and within a volume of traffic.

No hour, wherever it begins, has more in it than `per_hour`. So the burst is subtracted from the refill: 101 requests at
once and 3,499 an hour make 3,600. Time is an argument. The listener's process.

    requests  101 ┤▔╲
                  │  ╲   ledgers of 2.5 s, 4 requests each   ...and from here on page 3 is left out, then page 2
               60 ┤   ╲________________________________
                0 ┴───────────────────────────────────▶ time
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


class TokenBucket:
    """A token bucket of `at_once` units that is refilled to `per_hour` units in any hour. Times in seconds."""

    def __init__(self, per_hour: float, at_once: float) -> None:
        self._most = self._left = at_once
        self._rate = (per_hour - at_once) / 3600  # a second
        self._seen: float | None = None

    def left(self, now: float) -> float:
        """The units left at `now`, on any clock that never goes back; below 0 if more were taken."""
        if self._seen is not None:
            self._left = min(self._most, self._left + (now - self._seen) * self._rate)
        self._seen = now
        return self._left

    def take(self, now: float, units: float = 1.0) -> None:
        """Take `units`, also if they are not there."""
        self._left = self.left(now) - units

    def wait(self, now: float) -> float:
        """Seconds until there is a whole unit."""
        return max(0.0, (1 - self.left(now)) / self._rate)


# Required for page 1 of a ledger; twice as much for page 2, and so on: the last pages are left out first, and the
# requests for new ledgers do not wait. Five pages fit.
REQUESTS_A_PAGE = 20
BYTES_A_PAGE = 200_000  # packed, a page of 200 operations takes 18 to 32 kB
RATIONED = 60.0  # s
AT_ONCE = 101  # requests
HEADER = 1000  # bytes of a request and its answer's header, about


@dataclass(slots=True)
class Allowance:
    """What one server can be asked for. The first number of each bucket is for any hour, the second at once."""

    # A public Horizon gives an address 3600 requests an hour and 101 at once; every delivery of a stream counts as one,
    # however many records it holds.
    requests: TokenBucket
    # 1.5 GB a day, for a line with a quota; all of a busy public network is 0.9 to 1.7 GB packed.
    traffic: TokenBucket
    _refused: float = -inf  # when a page was last left out

    def may_read(self, page: int, now: float) -> bool:
        """Whether there is enough left for page number `page`, from 1, of a ledger."""
        enough = (
            self.requests.left(now) >= REQUESTS_A_PAGE * page
            and self.traffic.left(now) >= BYTES_A_PAGE * page
        )
        if not enough:
            self._refused = now
        return enough

    def limited(self, now: float) -> None:
        """The server has asked to slow down: from now on it has a public one's limit, and nothing is left of that."""
        if self.requests.left(now) > AT_ONCE:  # an own server's
            self.requests = _public_requests()
        self.requests.take(now, max(0.0, self.requests.left(now)))

    def rationed(self, now: float) -> bool:
        """Whether pages are left out: at least one in the last minute."""
        return now - self._refused < RATIONED


def _public_requests() -> TokenBucket:
    return TokenBucket(3600, AT_ONCE)


def public() -> Allowance:
    """For a public server."""
    return Allowance(_public_requests(), TokenBucket(1.5e9 / 24, 2e6))


def own() -> Allowance:
    """For a server that the owner has configured: in effect no limit, until it asks to slow down."""
    return Allowance(TokenBucket(1e9, 1e6), TokenBucket(1e15, 1e12))
