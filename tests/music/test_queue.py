# SPDX-License-Identifier: Apache-2.0
import itertools
import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.phrase import Candidates
from appliance.music.queue import (
    BETWEEN_RESTS,
    CROWD,
    EXPIRY,
    REST,
    RETRY,
    ROOM,
    AmountQueue,
    Pace,
    Waiting,
    parts,
)
from appliance.music.transport import Moment
from appliance.values import Amount, Kind, Ledger

Heard = list[tuple[float, Waiting]]


def ledger(*sizes: int, sequence: int = 1) -> Ledger:
    return Ledger(
        sequence, 0, len(sizes), 1, 0, tuple(Amount(size, Kind.PAYMENT, True, sequence) for size in sizes)
    )


def play(
    arrivals: dict[float, Ledger], seconds: float, tempo: float = 60.0, density: float = 1.25
) -> tuple[Heard, AmountQueue]:
    """What a queue plays, and when, if ledgers arrive at these moments."""
    pace = Pace()
    queue = AmountQueue(Random(1), density, pace)
    heard: Heard = []
    coming = sorted(arrivals.items())
    beat = 0
    while (now := beat * 60.0 / tempo) < seconds:
        while coming and coming[0][0] <= now:
            at, arrived = coming.pop(0)
            candidates = Candidates()
            candidates.add(arrived.amounts)
            pace.add(arrived, len(candidates), at)
            then = Moment(at * tempo / 60, at, tempo)
            queue.add(arrived, candidates, then, lambda amount: amount.stroops / 1000)
        drained = queue.drain(Moment(beat, now, tempo))
        heard += [(now + delay * 60.0 / tempo, waiting) for waiting, delay in drained]
        beat += 1
    return heard, queue


def test_a_burst_is_spread_over_the_time_to_the_next_ledger() -> None:
    arrivals = {5.8 * index: ledger(*range(1, 401), sequence=index) for index in range(60)}
    heard, queue = play(arrivals, 340.0)
    moments = [at for at, _ in heard]
    assert 1.0 <= len(heard) / 340 <= 2.0
    gaps = [b - a for a, b in itertools.pairwise(moments)]
    rests = [gap for gap in gaps if gap > 3.0]
    assert 1 <= len(rests) <= 3
    assert all(REST < rest < REST + 7.0 for rest in rests)
    assert max(at - waiting.arrived for at, waiting in heard) < 8.0
    assert queue.passed_over > 20_000


@pytest.mark.parametrize("tempo", [30.0, 57.0, 60.0, 114.0, 115.0, 180.0])
def test_the_tempo_is_heard_but_neither_drags_nor_hurries(tempo: float) -> None:
    arrivals = {5.0 * index: ledger(*range(1, 1001), sequence=index) for index in range(60)}
    heard, _ = play(arrivals, 300.0, tempo)
    assert 0.8 <= len(heard) / 300 <= 2.5
    waited = sorted(at - waiting.arrived for at, waiting in heard)
    assert waited[len(waited) * 95 // 100] < 7.0
    assert waited[-1] < 8.0


def test_ledgers_far_apart_are_heard_no_later() -> None:
    arrivals = {14.0 * index: ledger(*range(1, 1001), sequence=index) for index in range(60)}
    heard, _ = play(arrivals, 840.0)
    assert max(at - waiting.arrived for at, waiting in heard) < 8.0


@pytest.mark.parametrize("tempo", [30.0, 60.0, 180.0])
def test_a_quiet_network_is_heard_whole(tempo: float) -> None:
    arrivals = {
        5.0 * index: ledger(*range(1, 1 + (index % 12 == 0) * 15), sequence=index) for index in range(60)
    }
    heard, queue = play(arrivals, 330.0, tempo)
    assert len(heard) == 5 * 15
    assert queue.passed_over == 0
    assert max(at - waiting.arrived for at, waiting in heard) < 8.0


def test_the_first_ledger_of_a_busy_network_is_no_crowd() -> None:
    """A ledger of few amounts can belong to a busy network: its operations show that at once."""
    first = replace(ledger(*range(1, 19)), operations=247)
    heard, _ = play({0.0: first}, 12.0)
    assert 5 <= len(heard) <= 9  # as many as of every ledger after it
    assert min(b - a for a, b in itertools.pairwise(at for at, _ in heard)) >= 0.5


def test_a_few_amounts_on_a_quiet_network_come_close_together() -> None:
    heard, _ = play({0.0: ledger(1, 2)}, 20.0)
    assert [at for at, _ in heard] == [0.0, 3.0]


@given(st.floats(30, 180))
def test_a_beat_is_halved_until_its_steps_are_short(tempo: float) -> None:
    now = Moment(0.0, 0.0, tempo)
    assert 0.26 < now.beat_seconds / parts(now) <= 0.525
    assert parts(now) in (1, 2, 4)


@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 1000)), max_size=12),
    st.floats(30, 180),
    st.sampled_from([0.625, 1.25]),
)
def test_nothing_is_ever_old_and_no_step_is_crowded(
    gaps: list[tuple[float, int]], tempo: float, density: float
) -> None:
    arrivals: dict[float, Ledger] = {}
    at = 0.0
    for sequence, (gap, count) in enumerate(gaps):
        at += gap
        arrivals[at] = ledger(*range(1, count + 1), sequence=sequence)
    heard, _ = play(arrivals, at + 30.0, tempo, density)
    for moment, waiting in heard:
        assert 0.0 <= moment - waiting.arrived <= EXPIRY + 1e-9
    steps = [moment for moment, _ in heard]
    assert all(steps.count(step) <= CROWD for step in set(steps))


@pytest.mark.parametrize("notables", [False, True])
def test_a_notable_amount_is_played_also_in_a_rest_and_crowds_none(notables: bool) -> None:
    pace = Pace()
    queue = AmountQueue(Random(1), 1.25, pace)
    chosen: list[int] = []
    for index in range(120):
        at, arrived = 5.8 * index, ledger(*range(1, 401), sequence=index)
        now, largest = Moment(at, at, 60.0), arrived.amounts[-1]
        candidates = Candidates()
        candidates.add(arrived.amounts)
        pace.add(arrived, len(candidates), at)
        notable, event = (largest if notables else None), notables and index % 2 == 0
        queue.add(
            arrived, candidates, now, lambda amount: amount.stroops / 1000, notable=notable, event=event
        )
        chosen.append(len(queue.waiting))
        assert {waiting.amount for waiting in queue.waiting if waiting.event} == (
            {largest} if event else set()
        )
        assert not notables or largest in [waiting.amount for waiting in queue.waiting]
        queue.waiting.clear()
    rests = [5.8 * index for index in range(1, 120) if chosen[index] == notables < chosen[index - 1]]
    apart = [b - a for a, b in itertools.pairwise(rests)]
    assert apart
    # A rest that is broken is made up for.
    shortest, longest = (RETRY, RETRY + REST) if notables else BETWEEN_RESTS
    assert all(shortest < gap < longest + REST + 5.8 for gap in apart)
    assert {count for count in chosen if count > 1} == {7, 8}


def test_an_amount_that_waited_too_long_is_dropped() -> None:
    old, fresh = (
        Waiting(Amount(size, Kind.OFFER, True, 1), arrived, arrived) for size, arrived in ((1, 0.0), (2, 9.0))
    )
    queue = AmountQueue(Random(1), 1.0, Pace(), [fresh, old])
    assert queue.drain(Moment(12.0, EXPIRY + 2.0, 60.0)) == [(fresh, 0.0)]
    assert queue.passed_over == 1


def test_another_scene_takes_over_what_waits_and_the_newest_of_too_much() -> None:
    waiting = [Waiting(Amount(size + 1, Kind.OFFER, True, 1), 0.0, size / 10) for size in range(ROOM + 5)]
    assert list(AmountQueue(Random(1), 1.0, Pace(), waiting[:3]).waiting) == waiting[:3]
    assert list(AmountQueue(Random(1), 1.0, Pace(), waiting).waiting) == waiting[5:]


@pytest.mark.parametrize(("gap", "learns"), [(2.5, True), (0.1, False), (60.0, False)])
def test_the_interval_is_learnt_from_ordinary_gaps_only(gap: float, learns: bool) -> None:
    pace = Pace()
    first = pace.interval
    for index in range(100):
        pace.add(ledger(1, sequence=index), 1, index * gap)
    assert math.isclose(pace.interval, gap, rel_tol=0.01) is learns
    assert (pace.interval == first) is not learns


def test_a_pace_learns_how_many_amounts_a_ledger_brings() -> None:
    pace = Pace()
    for index in range(100):
        pace.add(ledger(*(5,) * 99, 7), 2, 5.0 * index)
    assert pace.amounts == pytest.approx(2.0, rel=0.01)
