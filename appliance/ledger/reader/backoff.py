# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next attempt: full jitter, twice as far each time, and never more than 120 an hour.

The one rule: only a minute of health forgives. A server that greets and hangs up again is not healthy, and
would be called a thousand times an hour if its greeting counted. Pure: time and chance are arguments; any
thread.

    failure       1     2     3     4     5     6     7...    a 429: 1     2     3     4     5...
    wait up to    1 s   2 s   4 s   8 s   16 s  32 s  60 s           10 s  20 s  40 s  80 s  120 s
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from appliance.ledger.reader.budget import TokenBucket


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """The numbers of a back-off, in seconds."""

    base: float = 1.0  # the most that the first wait takes
    cap: float = 60.0  # the most that any wait takes
    limited_base: float = 10.0  # the same two after a 429: Horizon regains one request a second
    limited_cap: float = 120.0
    unproven_cap: float = 15.0  # after a certificate that does not count: once the clock is right, it will
    healthy: float = 60.0  # unbroken health that forgives
    per_hour: float = 120.0  # failures; jitter alone comes to some more, for its mean is half the cap
    at_once: float = 20.0  # of these, for the first minutes of a bad night


@dataclass(slots=True)
class Backoff:
    """Counts failures and says how long to wait."""

    pace: BackoffPolicy = field(default_factory=BackoffPolicy)
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0  # since the last healthy minute
    _well: tuple[float, float] | None = None  # the first and the last good moment since the last failure
    _attempts: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self._attempts = TokenBucket(self.pace.per_hour, self.pace.at_once)

    def succeeded(self, now: float) -> None:
        """Something good has come at `now` (seconds on any clock that never goes back)."""
        self._well = (self._well[0] if self._well else now, now)

    def failed(self, now: float, *, limited: bool = False, unproven: bool = False) -> float:
        """Seconds to wait after a failure at `now`.

        `limited` says that the server asked us to slow down, `unproven` that it could not prove who it is.
        """
        if self._well and self._well[1] - self._well[0] >= self.pace.healthy:
            self.failures = 0
        self._well = None
        base, cap = (
            (self.pace.limited_base, self.pace.limited_cap) if limited else (self.pace.base, self.pace.cap)
        )
        if unproven:
            cap = self.pace.unproven_cap
        # 2^16 s is far beyond any cap, and the power must not grow with a month of failures.
        wait = self.chance.uniform(0, min(cap, base * 2 ** min(self.failures, 16)))
        self.failures += 1
        self._attempts.take(now)
        return max(wait, self._attempts.wait(now))


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, kept within 1 s and 1 h; 0 where it is no plain number.

    A date is not read: it would need a right clock, and the box has none until its network is well.
    """
    if header is None or not (header.isascii() and header.isdigit()):
        return 0.0
    return float(min(3600, max(1, int(header[:9]))))
