# SPDX-License-Identifier: Apache-2.0
"""How busy the network is, by its own measure: what is not played steers the bed.

The one rule: a ledger is compared only with the running median of its own network, so that 3 operations on a test
network can be as lively as 600 on the public one. Pure; the performer's thread.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from appliance.values import Ledger

MEMORY = 101  # ledgers, about ten minutes
SMOOTHING = 60.0  # s, time constant
BREATH = 2.5  # s, time constant of the breath that a ledger close draws
CALM = 0.3  # where activity rests when nothing is heard


class Activity:
    """Activity and breath of a network, both 0 to 1."""

    def __init__(self) -> None:
        self._operations: deque[int] = deque(maxlen=MEMORY)
        self._level = CALM
        self._aim = CALM
        self._at = 0.0
        self._closed = -math.inf

    def hear(self, ledger: Ledger, seconds: float) -> None:
        """Take a ledger in, at `seconds` of the audio clock."""
        self.level(seconds)
        self._operations.append(ledger.operations)
        usual = median(self._operations)
        # As many as usual is 0.5, none is 0, and no burst ever reaches 1. The 1 stands for "half of the ledgers empty".
        self._aim = ledger.operations / (ledger.operations + usual + 1)
        self._closed = seconds

    def level(self, seconds: float) -> float:
        """Activity now, smoothed over a minute; it falls back to calm when no ledger has come for that long."""
        aim = self._aim if seconds - self._closed < SMOOTHING else CALM
        self._level += (aim - self._level) * (1 - math.exp(-(seconds - self._at) / SMOOTHING))
        self._at = seconds
        return self._level

    def breath(self, seconds: float) -> float:
        """1 at the close of a ledger, sinking within seconds."""
        return math.exp(-(seconds - self._closed) / BREATH)
