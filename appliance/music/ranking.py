# SPDX-License-Identifier: Apache-2.0
"""Where an amount stands among the amounts before it.

The one rule: only order counts, so neither a whale nor an asset with strange units can bend the melody. Lumens and
issued assets are ranked apart, each against the last 512 of its own. Pure; the performer's thread.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable

from appliance.values import Amount

WINDOW = 512  # amounts; a minute and a half of a busy network, ten minutes of a quiet one
ENOUGH = 32  # amounts that make a distribution; beyond, what is of another time goes
HASTE = 48  # of those for each that comes: a test network of one amount a ledger is at home within a minute


class Ranking:
    """A rolling window of amounts, kept in order of size as well as of arrival.

    `warm` are amounts of another time, which stand in until there are enough of this one.
    """

    def __init__(self, warm: Iterable[Amount] = (), window: int = WINDOW) -> None:
        self._windows = {native: _Window(window) for native in (True, False)}
        self.add(warm)
        for of_unit in self._windows.values():
            of_unit.call_strange()

    def add(self, amounts: Iterable[Amount]) -> None:
        """Remember amounts, forgetting the oldest of their unit once the window is full.

        In one go: a small board has time for ordering the window once a ledger, but not for each of a thousand amounts.
        """
        of_unit: dict[bool, list[int]] = {True: [], False: []}
        for amount in amounts:
            of_unit[amount.native].append(amount.stroops)
        for native, stroops in of_unit.items():
            if stroops:
                self._windows[native].add(stroops)

    def place(self, amount: Amount) -> tuple[float, float]:
        """The share of the window that is smaller, and the share that is no larger: 0 <= low <= high <= 1.

        An amount that equals many others (spam repeats one thousands of times) owns the whole span between them.
        With an empty window every amount stands in the middle.
        """
        return self._windows[amount.native].place(amount.stroops)


class _Window:
    def __init__(self, size: int) -> None:
        self._size = size
        self._arrived: deque[int] = deque(maxlen=size)
        self._sorted: list[int] = []
        self._strange = 0  # of the oldest, those of another time

    def call_strange(self) -> None:
        self._strange = len(self._arrived)

    def add(self, stroops: Iterable[int]) -> None:
        for one in stroops:
            if self._strange:
                self._strange -= len(self._arrived) == self._size
            self._arrived.append(one)
            if self._strange:
                for _ in range(min(self._strange, len(self._arrived) - ENOUGH, HASTE)):
                    self._arrived.popleft()
                    self._strange -= 1
        self._sorted = sorted(self._arrived)

    def place(self, stroops: int) -> tuple[float, float]:
        if not self._sorted:
            return 0.5, 0.5
        count = len(self._sorted)
        return bisect_left(self._sorted, stroops) / count, bisect_right(self._sorted, stroops) / count
