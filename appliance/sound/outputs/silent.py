# SPDX-License-Identifier: Apache-2.0
"""No output: at the pace of a sound card, for a machine without one, or at full speed, for a score without sound.

After a stall, `Silent` continues from now instead of catching up. The performer's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE

AHEAD = 0.1  # s that a card's buffer would hold
STALLED = 0.5  # s behind at which it gives up the lost time


class Silent:
    """Waits as long as a card would have played. `clock` and `sleep` are seconds that never jump."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.latency = AHEAD
        self._clock, self._sleep = clock, sleep
        self._played_until = clock()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Return when a card with a buffer of AHEAD seconds would have taken the block."""
        now = self._clock()
        if now - self._played_until > STALLED:
            self._played_until = now
        self._played_until += len(samples) / SAMPLE_RATE
        if (early := self._played_until - AHEAD - now) > 0:
            self._sleep(early)

    def close(self) -> None:
        """Nothing is left to play."""


class Discard:
    """Drops every block at once."""

    latency = 0.0

    def write(self, samples: NDArray[np.float32]) -> None:
        """Drop a block."""

    def close(self) -> None:
        """Do nothing."""
