# SPDX-License-Identifier: Apache-2.0
"""How busy the network is, relative to itself. It steers the bed, so that operations that are not played are heard too.

A ledger is compared only with the running median of its own network, so 3 operations on a test network can be as lively
as 600 on the public one. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from appliance.values import Ledger

MEMORY = 101  # ledgers, about ten minutes
SMOOTHING = 25.0  # s, time constant: four or five ledgers
SILENT = 60.0  # s without a ledger
BREATH = 2.5  # s, time constant of the swell after each ledger
CALM = 0.3  # the activity without ledgers
USUAL = 0.5  # of a ledger like the others, and before the first one


class Activity:
    """The activity of a network and the breath that follows each ledger, both 0 to 1."""

    def __init__(self) -> None:
        self._operations: deque[int] = deque(maxlen=MEMORY)
        self._level = USUAL
        self._target = CALM
        self._at = 0.0
        self._closed = -math.inf

    def add(self, ledger: Ledger, seconds: float) -> None:
        """Add a ledger that arrived at `seconds` of the audio clock."""
        self.level(seconds)
        self._operations.append(ledger.operations)
        usual = median(self._operations)
        # A usual ledger gives 0.5, an empty one 0, and no burst reaches 1. The 1 covers a median of 0.
        self._target = ledger.operations / (ledger.operations + usual + 1)
        self._closed = seconds

    def level(self, seconds: float) -> float:
        """The activity, smoothed; it returns to CALM when no ledger has arrived for SILENT s."""
        target = self._target if seconds - self._closed < SILENT else CALM
        step = (target - self._level) * (1 - math.exp(-(seconds - self._at) / SMOOTHING))
        # A large ledger is taken in after its moment, so time can go back a little, and rounding then below 0.
        self._level, self._at = max(0.0, self._level + step), seconds
        return self._level

    def relative(self, seconds: float) -> float:
        """How busy the network is against its median: 1 as usual, 4 four times as busy; at most 8."""
        level = self.level(seconds)
        return min(8.0, level / max(1e-3, 1.0 - level))

    def breath(self, seconds: float) -> float:
        """1 when a ledger arrives, decaying within seconds."""
        return math.exp(-(seconds - self._closed) / BREATH)
