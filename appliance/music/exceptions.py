# SPDX-License-Identifier: Apache-2.0
"""Which amounts are exceptional, so that a very large payment is an event and not one note among others.

The largest amount of each ledger is compared with those of the last ledgers. An amount that is larger than nearly all
of them is always played; the largest of all are events, at most one in APART s. Where all ledgers have the same
largest amount, none is exceptional. Pure; the performer's thread.

    share of recent largest amounts   above    below
    notable (always played)           <= 15 %
    event                             <=  5 %  >= 60 %   and no event within APART s
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque

MEMORY = 256  # ledgers: 25 minutes of the public network
ENOUGH = 8  # ledgers before anything is exceptional
NOTABLE, RARE, COMMON = 0.15, 0.05, 0.6
APART = 31.0  # s between two events, which wait for up to seven seconds: 20 s from note to note


class Exceptions:
    """Compares the largest amount of each ledger with those before."""

    def __init__(self) -> None:
        self._arrived: deque[int] = deque()  # stroops
        self._sorted: list[int] = []
        self._last = -APART  # s of the audio clock; the last event

    def judge(self, stroops: int, seconds: float) -> tuple[bool, bool]:
        """Whether the largest amount of a ledger that arrives at `seconds` is notable, and whether it is an event."""
        count = len(self._sorted)
        above = count - bisect_right(self._sorted, stroops)
        below = bisect_left(self._sorted, stroops)
        self._arrived.append(stroops)
        insort(self._sorted, stroops)
        if len(self._arrived) > MEMORY:
            del self._sorted[bisect_left(self._sorted, self._arrived.popleft())]
        if count < ENOUGH:
            return False, False
        event = above <= RARE * count and below >= COMMON * count and seconds - self._last >= APART
        if event:
            self._last = seconds
        return above <= NOTABLE * count, event
