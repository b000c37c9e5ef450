# SPDX-License-Identifier: Apache-2.0
"""Passes ledgers from the main thread to the performer's thread. Bounded, without a lock; neither side waits."""

from __future__ import annotations

from collections import deque

from appliance.values import Ledger

SIZE = 4  # ledgers; more come between two blocks only after a stall, and then the oldest can be dropped


class Inbox:
    """A deque of ledgers; the oldest is dropped when it is full."""

    def __init__(self) -> None:
        self._ledgers: deque[Ledger] = deque(maxlen=SIZE)

    def put(self, ledger: Ledger) -> None:
        """Add a ledger. Any thread."""
        self._ledgers.append(ledger)

    def take(self, seconds: float) -> list[Ledger]:
        """The ledgers added since the last call. The performer's thread; `seconds` is unused."""
        return [self._ledgers.popleft() for _ in range(len(self._ledgers))]
