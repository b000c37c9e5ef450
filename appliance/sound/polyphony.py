# SPDX-License-Identifier: Apache-2.0
"""The polyphony limiter: fewer notes at once on a machine that is too slow, before its lateness can be heard.

It halves the number of leads at once, and doubles it again only after a while; that time is doubled each time that the
machine was late again too soon. Pure: time is an argument. The performer's thread.

    all leads ──late──▶ half of them ──late──▶ ... FEWEST
        ▲                    │ low load for RESTORE s: twice as many
        └────────────────────┘ (late again within that time: it is doubled, up to RESTORE_MAX)
"""

from __future__ import annotations

LATE = 0.75  # of a block's time, on average: above, the next busy moment would cause an underrun
ROOM = 0.5  # of a block's time: below, there can be time for more
AVERAGE = 0.25  # s of the running average; a buffer lasts about as long on a machine that is half too slow
SETTLE = 0.5  # s until a step down shows in the load
WORST = 2.0  # block times that one block counts at most: a machine that was suspended was not slow
FEWEST = 4  # leads that are always allowed
RESTORE, RESTORE_MAX = 60.0, 960.0  # s of low load before a step up


class PolyphonyLimiter:
    """How many leads can sound at once, `most` at first."""

    def __init__(self, most: int) -> None:
        self.most = self.leads = most
        self._now = 0.0  # s of music
        self._load = 0.0
        self._halved = -SETTLE  # when it last stepped down
        self._doubled = -RESTORE_MAX  # when it last stepped up
        self._busy = 0.0  # when the load was last above ROOM
        self._restore = RESTORE

    def after(self, spent: float, block: float) -> int:
        """Count a block of `block` seconds that took `spent` to compute, and return how many leads can sound now."""
        self._now += block
        self._load += (min(spent / block, WORST) - self._load) * min(1.0, block / AVERAGE)
        if self._load > ROOM:
            self._busy = self._now
        if self._load > LATE:
            self._halve()
        elif self.leads < self.most and self._now - self._busy > self._restore:
            self._double()
        return self.leads

    def _halve(self) -> None:
        if self.leads <= FEWEST or self._now - self._halved < SETTLE:
            return
        if self._now - self._doubled < self._restore:
            self._restore = min(RESTORE_MAX, 2 * self._restore)
        self._halved = self._now
        self.leads = max(FEWEST, self.leads // 2)

    def _double(self) -> None:
        if self._now - self._doubled > 2 * RESTORE_MAX:
            self._restore = RESTORE
        self._doubled = self._busy = self._now
        self.leads = min(self.most, 2 * self.leads)
