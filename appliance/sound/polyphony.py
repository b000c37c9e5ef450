# SPDX-License-Identifier: Apache-2.0
"""Relief for a machine that computes too slowly: fewer notes at once before anybody hears that it is late.

The one rule: down at once, up with patience, and with twice the patience where it was up too soon. Pure: time is what
is told to it. The performer's thread.

    all leads ──late──▶ half of them ──late──▶ ... FEWEST
        ▲                    │ room for PATIENCE: twice as many
        └────────────────────┘ (late again before it has paid off: the patience is doubled)
"""

from __future__ import annotations

LATE = 0.75  # of a block's time, on average: above, the next busy moment would be heard
ROOM = 0.5  # below, there may be time for more
AVERAGE = 0.25  # s of the running average; a buffer that is computed half too slowly lasts about as long
SETTLE = 0.5  # s until a step down shows in the load
WORST = 2.0  # blocks that one block counts as at most: a machine that slept, or took a busy ledger in, was not slow
FEWEST = 4  # leads that are always left
PATIENCE, LONGEST = 60.0, 960.0  # s


class PolyphonyLimiter:
    """Says how many leads may sound, `most` at first."""

    def __init__(self, most: int) -> None:
        self.most = self.leads = most
        self._now = 0.0  # s of music
        self._load = 0.0
        self._halved = -SETTLE
        self._given = -LONGEST  # back, the last time
        self._crowded = 0.0  # when there was no room, the last time
        self._patience = PATIENCE

    def after(self, spent: float, block: float) -> int:
        """Take note of a block of `block` seconds that took `spent` to compute: how many leads may sound from now."""
        self._now += block
        self._load += (min(spent / block, WORST) - self._load) * min(1.0, block / AVERAGE)
        if self._load > ROOM:
            self._crowded = self._now
        if self._load > LATE:
            self._halve()
        elif self.leads < self.most and self._now - self._crowded > self._patience:
            self._give_back()
        return self.leads

    def _halve(self) -> None:
        if self.leads <= FEWEST or self._now - self._halved < SETTLE:
            return
        if self._now - self._given < self._patience:
            self._patience = min(LONGEST, 2 * self._patience)
        self._halved = self._now
        self.leads = max(FEWEST, self.leads // 2)

    def _give_back(self) -> None:
        if self._now - self._given > 2 * LONGEST:
            self._patience = PATIENCE
        self._given = self._crowded = self._now
        self.leads = min(self.most, 2 * self.leads)
