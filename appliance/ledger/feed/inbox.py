# SPDX-License-Identifier: Apache-2.0
"""Where the main thread leaves ledgers for the performer's thread. Bounded, without a lock, and neither side waits."""

from __future__ import annotations

from collections import deque

from appliance.values import Ledger

SIZE = 4  # ledgers; more come between two blocks only after a stall, and then the old ones are no news


class Inbox:
    """A deque of ledgers; the oldest gives way when it is full."""

    def __init__(self) -> None:
        self._ledgers: deque[Ledger] = deque(maxlen=SIZE)

    def put(self, ledger: Ledger) -> None:
        """Leave a ledger. Any thread."""
        self._ledgers.append(ledger)

    def take(self, seconds: float) -> list[Ledger]:
        """The ledgers put since last time, whatever the second. The performer's thread."""
        return [self._ledgers.popleft() for _ in range(len(self._ledgers))]
