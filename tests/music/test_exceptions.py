# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.music.exceptions import APART, ENOUGH, MEMORY, Exceptions

USUAL = [1000 + size for size in range(100)]


def judged(sizes: list[int], gap: float = 6.0) -> list[tuple[bool, bool]]:
    """The judgement of the largest amounts of ledgers so many seconds apart."""
    exceptions = Exceptions()
    return [exceptions.judge(size, gap * index) for index, size in enumerate(sizes)]


def test_a_whale_is_an_event_and_dust_is_nothing() -> None:
    sizes = USUAL[:30:-1]  # falling, so that none of them is an event
    assert judged([*sizes, 10**9])[-1] == (True, True)
    assert judged([*sizes, 1])[-1] == (False, False)


def test_before_there_is_anything_to_compare_with_nothing_is_exceptional() -> None:
    assert judged([10**size for size in range(ENOUGH)]) == [(False, False)] * ENOUGH


def test_where_all_ledgers_are_alike_none_is_an_event() -> None:
    assert not any(event for _, event in judged([5000] * 50))


def test_two_whales_close_together_are_one_event_but_both_are_notable() -> None:
    *_, first, second = judged([*USUAL[:30:-1], 10**9, 10**10])
    assert first == (True, True)
    assert second == (True, False)


@given(st.lists(st.integers(1, 10**12), max_size=400), st.floats(1.0, 30.0))
def test_events_are_apart_and_notable(sizes: list[int], gap: float) -> None:
    judgements = judged(sizes, gap)
    events = [gap * index for index, (_, event) in enumerate(judgements) if event]
    assert all(notable for notable, event in judgements if event)
    assert all(later - earlier >= APART for earlier, later in pairwise(events))


def test_old_ledgers_are_forgotten() -> None:
    sizes = [10**9] * 40 + Random(1).choices(USUAL, k=MEMORY) + [2000]
    assert judged(sizes)[-1] == (True, True)
