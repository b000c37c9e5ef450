# SPDX-License-Identifier: Apache-2.0
import itertools
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.queue import CROWD, INBOX, PATIENCE, AmountQueue, Waiting, choose
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger

stroops = st.one_of(st.integers(1, 20), st.integers(1, 2**63 - 1))
amounts = st.lists(st.builds(Amount, stroops, st.sampled_from(Kind), st.booleans(), st.just(1)), max_size=80)


def ledger(*sizes: int, sequence: int = 1) -> Ledger:
    return Ledger(
        sequence, 0, len(sizes), 1, 0, tuple(Amount(size, Kind.PAYMENT, True, sequence) for size in sizes)
    )


def play(
    queue: AmountQueue, arrivals: dict[float, Ledger], seconds: float, tempo: float = 60.0
) -> list[tuple[float, Waiting]]:
    """What a queue plays, and when, if ledgers arrive at these moments."""
    heard: list[tuple[float, Waiting]] = []
    coming = sorted(arrivals.items())
    beat = 0
    while (now := beat * 60.0 / tempo) < seconds:
        while coming and coming[0][0] <= now:
            at, arrived = coming.pop(0)
            queue.put(arrived)
            queue.admit(Moment(at * tempo / 60, at, tempo))
        heard += [(now, waiting) for waiting in queue.drain(Moment(beat, now, tempo))]
        beat += 1
    return heard


@given(amounts, st.integers(1, 20), st.integers(0, 9))
def test_a_choice_is_a_bounded_part_in_the_order_of_the_operations(
    found: list[Amount], slots: int, seed: int
) -> None:
    chosen = choose(tuple(found), slots, Random(seed))
    assert len(chosen) <= slots
    rest = iter(found)
    assert all(amount in rest for amount in chosen)
    if len(found) <= slots:
        assert chosen == found
    elif len(set(found)) > slots > 1:
        assert len(chosen) == slots
        assert min(a.stroops for a in chosen) == min(a.stroops for a in found)
    if found:
        assert max(a.stroops for a in chosen) == max(a.stroops for a in found)


def test_what_repeats_is_collapsed_before_anything_is_left_out() -> None:
    spam = (*(Amount(30000, Kind.CLAIMABLE, False, 1),) * 54, Amount(7, Kind.PAYMENT, True, 1))
    assert choose(spam, 4, Random(1)) == [spam[0], spam[-1]]


def test_a_single_slot_takes_the_largest() -> None:
    found = tuple(Amount(size, Kind.OFFER, True, 1) for size in (5, 9, 7))
    assert choose(found, 1, Random(1)) == [found[1]]


def test_a_sample_has_the_spread_of_the_ledger() -> None:
    sizes = list(range(1000))
    Random(3).shuffle(sizes)
    chosen = choose(tuple(Amount(size + 1, Kind.OFFER, True, 1) for size in sizes), 10, Random(1))
    spread = sorted(amount.stroops for amount in chosen)
    assert spread[0] == 1
    assert spread[-1] == 1000
    assert all(125 * index - 1 <= size <= 125 * (index + 1) + 1 for index, size in enumerate(spread[1:-1]))


def test_a_burst_is_spread_over_the_time_to_the_next_ledger() -> None:
    queue = AmountQueue(Random(1), 1.25)
    arrivals = {5.8 * index: ledger(*range(1, 401), sequence=index) for index in range(60)}
    heard = play(queue, arrivals, 340.0)
    moments = [at for at, _ in heard]
    assert 1.0 <= len(heard) / 340 <= 2.0
    assert max(b - a for a, b in itertools.pairwise(moments)) <= 3.0
    assert max(at - waiting.arrived for at, waiting in heard) < 8.0
    assert queue.passed_over > 20_000


def test_a_quiet_network_is_heard_whole() -> None:
    queue = AmountQueue(Random(1), 1.25)
    arrivals = {
        5.0 * index: ledger(*range(1, 1 + (index % 12 == 0) * 15), sequence=index) for index in range(60)
    }
    heard = play(queue, arrivals, 330.0)
    assert len(heard) == 5 * 15
    assert queue.passed_over == 0
    assert max(at - waiting.arrived for at, waiting in heard) < 12.0


def test_a_few_amounts_on_a_quiet_network_come_close_together() -> None:
    queue = AmountQueue(Random(1), 1.25)
    heard = play(queue, {0.0: ledger(1, 2)}, 20.0)
    assert [at for at, _ in heard] == [0.0, 3.0]


@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 1000)), max_size=12),
    st.floats(30, 180),
    st.sampled_from([0.625, 1.25]),
)
def test_nothing_is_ever_old_and_no_beat_is_crowded(
    gaps: list[tuple[float, int]], tempo: float, density: float
) -> None:
    queue = AmountQueue(Random(1), density)
    arrivals: dict[float, Ledger] = {}
    at = 0.0
    for sequence, (gap, count) in enumerate(gaps):
        at += gap
        arrivals[at] = ledger(*range(1, count + 1), sequence=sequence)
    heard = play(queue, arrivals, at + 30.0, tempo)
    for moment, waiting in heard:
        assert -60 / tempo <= moment - waiting.arrived <= PATIENCE
    beats = [moment for moment, _ in heard]
    assert all(beats.count(beat) <= CROWD for beat in set(beats))


def test_the_inbox_keeps_the_newest_ledgers() -> None:
    queue = AmountQueue(Random(1), 1.0)
    for sequence in range(INBOX + 3):
        queue.put(ledger(1, sequence=sequence))
    admitted = queue.admit(Moment(0.0, 0.0, 60.0))
    assert [heard.sequence for heard in admitted] == list(range(3, INBOX + 3))
    assert queue.admit(Moment(0.0, 0.0, 60.0)) == []


def test_another_network_finds_an_empty_queue() -> None:
    queue = AmountQueue(Random(1), 1.0)
    queue.put(ledger(1, 2, 3))
    queue.admit(Moment(0.0, 0.0, 60.0))
    queue.put(ledger(4))
    queue.clear()
    assert queue.admit(Moment(1.0, 1.0, 60.0)) == []
    assert queue.drain(Moment(9.0, 9.0, 60.0)) == []


@pytest.mark.parametrize(("gap", "learns"), [(2.5, True), (0.1, False), (60.0, False)])
def test_the_interval_is_learnt_from_ordinary_gaps_only(gap: float, learns: bool) -> None:
    queue = AmountQueue(Random(1), 1.0)
    first = queue.interval
    for index in range(100):
        queue.put(ledger(1, sequence=index))
        queue.admit(Moment(0.0, index * gap, 60.0))
    assert math.isclose(queue.interval, gap, rel_tol=0.01) is learns
    assert (queue.interval == first) is not learns
