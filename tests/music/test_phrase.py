# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from appliance.music.phrase import RARE, Candidates, walk
from appliance.values import Amount, Kind

stroops = st.one_of(st.integers(1, 20), st.integers(1, 2**63 - 1))
amounts = st.lists(st.builds(Amount, stroops, st.sampled_from(Kind), st.booleans(), st.just(1)), max_size=80)


def choose(found: Sequence[Amount], slots: int, rng: Random, batch: int = 100) -> list[Amount]:
    """A choice from amounts that come in batches."""
    candidates = Candidates()
    for start in range(0, len(found), batch):
        candidates.add(found[start : start + batch])
    return candidates.choose(slots, rng)


def height(amount: Amount) -> float:
    """Where amounts of 0 to 1000 stroops stand."""
    return amount.stroops / 1000


@given(amounts, st.integers(1, RARE), st.integers(0, 9))
def test_a_choice_is_a_bounded_part_in_the_order_of_the_operations(
    found: list[Amount], slots: int, seed: int
) -> None:
    chosen = choose(tuple(found), slots, Random(seed))
    assert len(chosen) <= slots
    rest = iter(found)
    assert all(amount in rest for amount in chosen)
    distinct = list(dict.fromkeys(found))
    if len(distinct) <= slots:
        assert chosen == distinct
    else:
        assert len(chosen) == slots
    if slots == RARE and found:
        assert min(a.stroops for a in chosen) == min(a.stroops for a in found)
        assert max(a.stroops for a in chosen) == max(a.stroops for a in found)


@given(amounts, st.integers(1, RARE), st.integers(1, 9))
def test_the_batches_make_no_difference(found: list[Amount], slots: int, batch: int) -> None:
    assert choose(found, slots, Random(1), batch) == choose(found, slots, Random(1))


@given(st.lists(amounts, max_size=4))
def test_only_new_amounts_are_returned(batches: list[list[Amount]]) -> None:
    candidates = Candidates()
    new = [amount for batch in batches for amount in candidates.add(batch)]
    assert new == list(dict.fromkeys(amount for batch in batches for amount in batch))
    assert len(candidates) == len(new)


def test_what_repeats_is_collapsed_before_anything_is_left_out() -> None:
    spam = (*(Amount(30000, Kind.CLAIMABLE, False, 1),) * 54, Amount(7, Kind.PAYMENT, True, 1))
    assert choose(spam, 4, Random(1)) == [spam[0], spam[-1]]


def test_the_ends_of_a_ledger_are_heard_but_do_not_rule() -> None:
    found = tuple(Amount(size + 1, Kind.OFFER, True, 1) for size in range(1000))
    rng = Random(1)
    for slots in (1, 2, 4, 8):
        chosen = [amount.stroops for _ in range(300) for amount in choose(found, slots, rng)]
        assert 0.02 < chosen.count(1000) / len(chosen) < 1.3 / RARE


def test_a_sample_has_the_spread_of_the_ledger() -> None:
    sizes = list(range(1000))
    Random(3).shuffle(sizes)
    chosen = choose(tuple(Amount(size + 1, Kind.OFFER, True, 1) for size in sizes), 10, Random(1))
    spread = sorted(amount.stroops for amount in chosen)
    assert all(100 * index < size <= 100 * (index + 1) for index, size in enumerate(spread))


def test_what_is_rare_is_heard_among_what_is_common() -> None:
    rng = Random(1)
    found = [Amount(size + 1, Kind.OFFER, True, 1) for size in range(200)]
    for size in (50, 120):
        found[size] = Amount(size + 1, Kind.PAYMENT, True, 1)
    chosen = [amount for _ in range(300) for amount in choose(found, 8, rng)]
    payments = sum(amount.kind is Kind.PAYMENT for amount in chosen)
    # Two of eight strata hold one payment and 24 offers; by number alone 24 would be heard, not 300.
    assert 240 < payments < 360
    assert len({amount.stroops for amount in chosen}) > 190


@given(amounts, st.floats(0, 1), st.integers(0, 9))
def test_a_walk_leaves_nothing_out(found: list[Amount], begins: float, seed: int) -> None:
    gone = list(walk(found, lambda amount: amount.stroops / 2**63, begins, Random(seed)))
    assert sorted(gone, key=repr) == sorted(found, key=repr)


def test_a_walk_goes_by_steps_and_sometimes_leaps() -> None:
    rng = Random(1)
    walked: list[float] = []
    shuffled: list[float] = []
    for _ in range(200):
        found = [
            Amount(rng.randrange(100 * stratum, 100 * stratum + 100), Kind.OFFER, True, 1)
            for stratum in range(10)
        ]
        rng.shuffle(found)
        for order, leaps in ((found, shuffled), (list(walk(found, height, 0.5, rng)), walked)):
            leaps += [abs(height(one) - height(other)) for one, other in pairwise(order)]
    assert mean(walked) < 0.6 * mean(shuffled)
    assert 0.05 < mean(leap > 0.3 for leap in walked) < 0.25


def test_a_walk_begins_near_where_the_last_one_ended() -> None:
    found = [Amount(size, Kind.OFFER, True, 1) for size in range(50, 1000, 100)]
    begins = [next(walk(found, height, 0.9, Random(seed))) for seed in range(200)]
    assert mean(map(height, begins)) > 0.8
