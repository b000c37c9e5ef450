# SPDX-License-Identifier: Apache-2.0
"""Outputs without sound: at the pace of a sound card, for a machine without one, or at full speed, for a score.

After a stall, `Silent` continues from now instead of catching up. The performer's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import BURST

AHEAD = 0.1  # s of a simulated buffer
STALLED = 0.5  # s behind after which the lost time is dropped


class Silent:
    """Takes blocks at the pace of a card. `clock` gives seconds that never jump; `sleep` waits for so many."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._played_until = clock()

    @property
    def latency(self) -> float:
        """Seconds from `write` until it would be heard, at present."""
        return max(0.0, self._played_until - self._clock())

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take a block; if a buffer of AHEAD seconds is full then, return when it has room for a burst."""
        now = self._clock()
        if now - self._played_until > STALLED:
            self._played_until = now
        self._played_until += len(samples) / SAMPLE_RATE
        if (early := self._played_until - AHEAD - now) > 0:
            self._sleep(early + BURST / SAMPLE_RATE)

    def close(self) -> None:
        """Do nothing."""


class Discard:
    """Drops every block at once."""

    latency = 0.0

    def write(self, samples: NDArray[np.float32]) -> None:
        """Drop a block."""

    def close(self) -> None:
        """Do nothing."""
