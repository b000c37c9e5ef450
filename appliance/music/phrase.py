# SPDX-License-Identifier: Apache-2.0
"""From the amounts of a ledger to a phrase: which of them are played, and in what order.

The sample has the distribution of the ledger, rare kinds are not lost among common ones, and each note is near the one
before. The order within a ledger carries no information, because the network shuffles the transactions of a ledger;
played in that order, the melody leaps an octave from note to note. Pure; the performer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random

from appliance.values import Amount

RARE = 20  # the smallest amount of a ledger is at most one note of so many, and so is the largest
STEPWISE = 1.5  # rate of an exponential distribution: the nearest amount is taken 78 times of 100


def choose(amounts: Sequence[Amount], slots: int, rng: Random) -> list[Amount]:
    """At most `slots` of a ledger's amounts, in their order: all if they fit, else a stratified sample.

    Duplicates (same kind, unit and stroops) are removed first. The amounts are sorted by size and divided into `slots`
    equal strata, and one is taken from each, so the sample has the distribution of the ledger. Within a stratum every
    kind is equally likely: one payment among two hundred offers should be played. The smallest and the largest amount
    are taken with a probability that makes each at most one note in RARE; otherwise the melody would return to its
    highest and lowest note with every ledger.
    """
    if len(amounts) <= slots:
        return list(amounts)
    distinct = list(dict.fromkeys(amounts))
    if len(distinct) <= slots:
        return distinct
    by_size = sorted(range(len(distinct)), key=lambda index: (distinct[index].stroops, index))
    edges = [stratum * len(by_size) // slots for stratum in range(slots + 1)]
    picked = [_pick(distinct, by_size[start:end], rng) for start, end in pairwise(edges)]
    if rng.random() * RARE < slots:
        picked[0], picked[-1] = by_size[0], by_size[-1]
    return [distinct[index] for index in sorted(picked)]


def _pick(amounts: Sequence[Amount], stratum: Sequence[int], rng: Random) -> int:
    kind = rng.choice(list(dict.fromkeys(amounts[index].kind for index in stratum)))
    return rng.choice([index for index in stratum if amounts[index].kind is kind])


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
