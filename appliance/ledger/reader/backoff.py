# SPDX-License-Identifier: Apache-2.0
"""Back-off: how long to wait before the next attempt. Full jitter, doubled each time, at most 120 failures an hour.

Only a ledger resets it: a server that says hello and then breaks off would otherwise be called a thousand times an
hour. A failure after a ledger is none of the 120, because a proxy can end every stream after half a minute; ledgers
bound these by themselves. Time and the random generator are arguments. The listener's process.

    failure       1     2     3     4     5     6     7...    a 429: 1     2     3     4     5...
    wait up to    1 s   2 s   4 s   8 s   16 s  32 s  60 s           10 s  20 s  40 s  80 s  120 s
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from appliance.ledger.reader.budget import TokenBucket

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """The numbers of a back-off, in seconds."""

    base: float = 1.0  # the most that the first wait takes
    cap: float = 60.0  # the most that any wait takes
    limited_base: float = 10.0  # the same two after a 429: Horizon regains one request a second
    limited_cap: float = 120.0
    unproven_cap: float = 15.0  # after a certificate that is not valid at our date: our clock may be set soon
    # Failures without a ledger. Jitter alone would allow more, because its mean is half the cap.
    per_hour: float = 120.0
    at_once: float = 20.0  # of these, without a wait of their own


@dataclass(slots=True)
class Backoff:
    """Counts failures and computes the waits."""

    policy: BackoffPolicy = field(default_factory=BackoffPolicy)
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0  # since the last ledger
    _progress: bool = False  # a ledger has come since the last failure
    _attempts: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self._attempts = TokenBucket(self.policy.per_hour, self.policy.at_once)

    def succeeded(self) -> None:
        """A ledger has come."""
        self.failures, self._progress = 0, True

    def failed(self, now: float, *, limited: bool = False, unproven: bool = False) -> float:
        """Seconds to wait after a failure at `now`, by any clock that never goes back.

        `limited` says that the server asked us to slow down, `unproven` that its certificate is not valid at our date.
        """
        policy = self.policy
        base, cap = (policy.limited_base, policy.limited_cap) if limited else (policy.base, policy.cap)
        if unproven:
            cap = policy.unproven_cap
        # 2^16 s is far beyond any cap, and the power must not grow with a month of failures.
        wait = self.chance.uniform(0, min(cap, base * 2 ** min(self.failures, 16)))
        self.failures += 1
        progress, self._progress = self._progress, False
        if progress:
            return wait
        self._attempts.take(now)
        return max(wait, self._attempts.wait(now))


def retry_after(header: str | None, date: str | None = None) -> float:
    """Seconds that a Retry-After header asks for, clamped to 1 s and 1 h; 0 if it asks for nothing.

    It is a number or a date. A date counts from the server's own `date`, because the box has no correct clock until it
    has a network; without that it is ignored.
    """
    if header is None:
        return 0.0
    if _NUMBER.fullmatch(header.strip()):
        seconds = float(header.strip()[:300])  # beyond that it is an hour in any case
    else:
        try:
            then, now = parsedate_to_datetime(header), parsedate_to_datetime(date or "")
            seconds = (then - now).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date; one of the two without a time zone
            return 0.0
    return min(3600.0, max(1.0, seconds))
