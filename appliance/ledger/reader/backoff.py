# SPDX-License-Identifier: Apache-2.0
"""Back-off: how long to wait before the next attempt. Full jitter, doubled each time, at most 120 attempts an hour.

Only a minute of health resets it: a server that answers and then breaks off would otherwise be called a thousand times
an hour. Time and the random generator are arguments. The listener's process.

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
    unproven_cap: float = 15.0  # after an invalid certificate: it becomes valid when our clock is set
    healthy: float = 60.0  # of unbroken success resets the back-off
    per_hour: float = 120.0  # failures; jitter alone would allow more, because its mean is half the cap
    at_once: float = 20.0  # of these, without a wait of their own


@dataclass(slots=True)
class Backoff:
    """Counts failures and computes the waits."""

    policy: BackoffPolicy = field(default_factory=BackoffPolicy)
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0  # since the last healthy minute
    _good: tuple[float, float] | None = None  # the first and the last success since the last failure
    _attempts: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self._attempts = TokenBucket(self.policy.per_hour, self.policy.at_once)

    def succeeded(self, now: float) -> None:
        """A ledger has come at `now` (seconds on any clock that never goes back)."""
        self._good = (self._good[0] if self._good else now, now)

    def failed(self, now: float, *, limited: bool = False, unproven: bool = False) -> float:
        """Seconds to wait after a failure at `now`.

        `limited` says that the server asked us to slow down, `unproven` that its certificate was invalid.
        """
        policy = self.policy
        if self._good and self._good[1] - self._good[0] >= policy.healthy:
            self.failures = 0
        self._good = None
        base, cap = (policy.limited_base, policy.limited_cap) if limited else (policy.base, policy.cap)
        if unproven:
            cap = policy.unproven_cap
        # 2^16 s is far beyond any cap, and the power must not grow with a month of failures.
        wait = self.chance.uniform(0, min(cap, base * 2 ** min(self.failures, 16)))
        self.failures += 1
        self._attempts.take(now)
        return max(wait, self._attempts.wait(now))


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, clamped to 1 s and 1 h; 0 if it is not a plain number.

    A date is ignored: it needs a correct clock, and the box has none until it has a network.
    """
    if header is None or not (header.isascii() and header.isdigit()):
        return 0.0
    return float(min(3600, max(1, int(header[:9]))))
