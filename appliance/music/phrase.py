# SPDX-License-Identifier: Apache-2.0
"""From the amounts of a ledger to a phrase: which of them are played, and in what order.

The one rule: what is chosen is shaped like the ledger, what is rare in it is not lost among what is common, and the ear
is led from each note to one near it. (The order within a ledger says nothing: the network shuffles what it applies
together. Played as it comes, the melody leaps an octave from note to note, and is noise.) Pure; the performer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random

from appliance.values import Amount

RARE = 20  # notes, of which the smallest amount of a ledger is at most one, and the largest
STEPWISE = 1.5  # how firmly the nearest is taken: 78 times of 100, of the others again 78 the next


def choose(amounts: Sequence[Amount], slots: int, rng: Random) -> list[Amount]:
    """At most `slots` of a ledger's amounts, in their order: all if they fit, else a stratified sample.

    What repeats (same kind, unit and stroops) is collapsed first. The sample holds one from each of as many equal
    strata, so that its distribution is the ledger's, and within a stratum every kind that is there is as likely as
    every other: one payment among two hundred offers is news. From the ends come the smallest and the largest, but not
    so often that they are more than one note in RARE each: the melody would knock at its own ceiling.
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
    """The amounts in the order of a melody: from the height `begins` on mostly to the nearest that is left.

    What was passed by is left for a leap, which small steps then fill: so does a tune go.
    """
    left = [(height(amount), amount) for amount in amounts]
    here = begins
    while left:
        left.sort(key=lambda standing: abs(standing[0] - here))
        here, amount = left.pop(min(int(rng.expovariate(STEPWISE)), len(left) - 1))
        yield amount
