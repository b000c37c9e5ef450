# SPDX-License-Identifier: Apache-2.0
"""From the amounts of a ledger to a phrase: which of them are played, and in what order.

The sample has the distribution of the ledger, rare kinds are not lost among common ones, and each note is near the one
before. The order within a ledger carries no information, because the network shuffles the transactions of a ledger;
played in that order, the melody leaps an octave from note to note. Pure; the performer's thread.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from random import Random

from appliance.values import Amount, Kind

RARE = 20  # the smallest amount of a ledger is at most one note of so many, and so is the largest
PLACE = 24  # bits for the place of an amount in its ledger
PLACES = (1 << PLACE) - 1
STEPWISE = 1.5  # rate of an exponential distribution: the nearest amount is taken 78 times of 100


class Candidates:
    """The distinct amounts of a ledger, sorted by size: all of them, and those of each kind.

    It grows batch by batch, so that a ledger of thousands of amounts is sorted over several blocks.
    """

    def __init__(self) -> None:
        self._amounts: list[Amount] = []
        self._places: dict[Amount, int] = {}  # in _amounts
        # An entry is one number, stroops above place: numbers sort twice as fast as pairs.
        self._by_size: list[int] = []
        self._of_kind: dict[Kind, list[int]] = {}

    def __len__(self) -> int:
        return len(self._amounts)

    @property
    def largest(self) -> Amount | None:
        """The largest amount; None if there is none."""
        return self._amounts[self._by_size[-1] & PLACES] if self._by_size else None

    def add(self, amounts: Iterable[Amount]) -> list[Amount]:
        """Add amounts, and return those that are new: spam repeats one amount a hundred times in a ledger."""
        first = len(self._amounts)
        for amount in amounts:
            place = len(self._amounts)
            if self._places.setdefault(amount, place) == place:
                self._amounts.append(amount)
                entry = amount.stroops << PLACE | place
                insort(self._by_size, entry)
                insort(self._of_kind.setdefault(amount.kind, []), entry)
        return self._amounts[first:]

    def choose(self, slots: int, rng: Random) -> list[Amount]:
        """At most `slots` amounts, in their order: all if they fit, else a stratified sample.

        The amounts are divided by size into `slots` equal strata, and one is taken from each, so the sample has the
        distribution of the ledger. Within a stratum every kind is equally likely: one payment among two hundred offers
        should be played. The smallest and the largest amount are taken with a probability that makes each at most one
        note in RARE; otherwise the melody would return to its highest and lowest note with every ledger.
        """
        by_size = self._by_size
        if len(by_size) <= slots:
            return list(self._amounts)
        if not slots:
            return []
        edges = [stratum * len(by_size) // slots for stratum in range(slots + 1)]
        picked = [self._pick(by_size[start], by_size[end - 1], rng) for start, end in pairwise(edges)]
        if rng.random() * RARE < slots:
            picked[0], picked[-1] = by_size[0], by_size[-1]
        return [self._amounts[place] for place in sorted(entry & PLACES for entry in picked)]

    def _pick(self, first: int, last: int, rng: Random) -> int:
        """An entry of the stratum between two entries, which belong to it."""
        spans = [
            (of_kind, start, end)
            for of_kind in self._of_kind.values()
            if (start := bisect_left(of_kind, first)) < (end := bisect_right(of_kind, last))
        ]
        of_kind, start, end = rng.choice(spans)
        return of_kind[rng.randrange(start, end)]


def walk(
    amounts: Sequence[Amount], height: Callable[[Amount], float], begins: float, rng: Random
) -> Iterator[Amount]:
    """The amounts in the order of a melody: from the height `begins` on, mostly to the nearest one that is left.

    Amounts that were passed over make a leap later, which small steps then fill, as in a tune.
    """
    left = [(height(amount), amount) for amount in amounts]
    here = begins
    while left:
        left.sort(key=lambda each: abs(each[0] - here))
        here, amount = left.pop(min(int(rng.expovariate(STEPWISE)), len(left) - 1))
        yield amount
