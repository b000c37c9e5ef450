# SPDX-License-Identifier: Apache-2.0
"""The rank of an amount among recent amounts.

Only order counts, so neither a very large amount nor an asset with unusual units distorts the melody. Lumens and issued
assets are ranked separately, each among the last 512. Pure; the performer's thread.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Sequence

from appliance.values import Amount

WINDOW = 512  # amounts; a minute and a half of a busy network, ten minutes of a quiet one
ENOUGH = 32  # amounts that make a distribution; above, the warm-up amounts are removed
WARM = 128  # warm-up amounts of a unit: enough to tell nineteen degrees apart
HASTE = 12  # warm-up amounts removed for each new one: a network of one amount a ledger is rid of them within a minute


class Ranking:
    """A rolling window of amounts, in order of size and of arrival.

    `warm` are amounts of a recording, which are used until there are enough new ones.
    """

    def __init__(self, warm: Iterable[Amount] = (), window: int = WINDOW) -> None:
        amounts = tuple(warm)
        self._windows = {
            native: _Window(window, [amount.stroops for amount in amounts if amount.native is native])
            for native in (True, False)
        }

    def add(self, amounts: Iterable[Amount]) -> None:
        """Add amounts, dropping the oldest of their unit once the window is full."""
        for amount in amounts:
            self._windows[amount.native].add(amount.stroops)

    def place(self, amount: Amount) -> tuple[float, float]:
        """The share of the window that is smaller, and the share that is not larger: 0 <= low <= high <= 1.

        Equal amounts share the span between the two; spam repeats one amount thousands of times. With an empty window
        both are 0.5.
        """
        return self._windows[amount.native].place(amount.stroops)


class _Window:
    def __init__(self, size: int, warm: Sequence[int]) -> None:
        self._size = size
        # Evenly from the whole recording.
        self._arrived = deque(warm[:: max(1, len(warm) // WARM)][-min(WARM, size) :])
        self._sorted = sorted(self._arrived)
        self._warm = len(self._arrived)  # how many of the oldest are warm-up amounts

    def add(self, stroops: int) -> None:
        if len(self._arrived) == self._size:
            self._drop()
        self._arrived.append(stroops)
        insort(self._sorted, stroops)
        for _ in range(min(self._warm, len(self._arrived) - ENOUGH, HASTE)):
            self._drop()

    def _drop(self) -> None:
        """Drop the oldest."""
        del self._sorted[bisect_left(self._sorted, self._arrived.popleft())]
        self._warm = max(0, self._warm - 1)

    def place(self, stroops: int) -> tuple[float, float]:
        if not self._sorted:
            return 0.5, 0.5
        count = len(self._sorted)
        return bisect_left(self._sorted, stroops) / count, bisect_right(self._sorted, stroops) / count
