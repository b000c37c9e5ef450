# SPDX-License-Identifier: Apache-2.0
"""The rank of an amount among recent amounts.

Only order counts, so neither a very large amount nor an asset with unusual units distorts the melody. Lumens and issued
assets are ranked separately, each among the last 512. Pure; the performer's thread.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable

from appliance.values import Amount

WINDOW = 512  # amounts; a minute and a half of a busy network, ten minutes of a quiet one
ENOUGH = 32  # amounts that make a distribution; above, the warm-up amounts are removed
HASTE = 48  # warm-up amounts removed for each new one: a network of one amount a ledger is rid of them within a minute


class Ranking:
    """A rolling window of amounts, in order of size and of arrival.

    `warm` are amounts of a recording, which are used until there are enough new ones.
    """

    def __init__(self, warm: Iterable[Amount] = (), window: int = WINDOW) -> None:
        self._windows = {native: _Window(window) for native in (True, False)}
        self.add(warm)
        for of_unit in self._windows.values():
            of_unit.mark_warm()

    def add(self, amounts: Iterable[Amount]) -> None:
        """Add amounts, dropping the oldest of their unit once the window is full.

        All amounts of a ledger in one call, because a small board can sort the window once a ledger, but not for each
        of a thousand amounts.
        """
        of_unit: dict[bool, list[int]] = {True: [], False: []}
        for amount in amounts:
            of_unit[amount.native].append(amount.stroops)
        for native, stroops in of_unit.items():
            if stroops:
                self._windows[native].add(stroops)

    def place(self, amount: Amount) -> tuple[float, float]:
        """The share of the window that is smaller, and the share that is not larger: 0 <= low <= high <= 1.

        Equal amounts share the span between the two; spam repeats one amount thousands of times. With an empty window
        both are 0.5.
        """
        return self._windows[amount.native].place(amount.stroops)


class _Window:
    def __init__(self, size: int) -> None:
        self._size = size
        self._arrived: deque[int] = deque(maxlen=size)
        self._sorted: list[int] = []
        self._warm = 0  # how many of the oldest are warm-up amounts

    def mark_warm(self) -> None:
        self._warm = len(self._arrived)

    def add(self, stroops: Iterable[int]) -> None:
        for one in stroops:
            if self._warm:
                self._warm -= len(self._arrived) == self._size
            self._arrived.append(one)
            if self._warm:
                for _ in range(min(self._warm, len(self._arrived) - ENOUGH, HASTE)):
                    self._arrived.popleft()
                    self._warm -= 1
        self._sorted = sorted(self._arrived)

    def place(self, stroops: int) -> tuple[float, float]:
        if not self._sorted:
            return 0.5, 0.5
        count = len(self._sorted)
        return bisect_left(self._sorted, stroops) / count, bisect_right(self._sorted, stroops) / count
