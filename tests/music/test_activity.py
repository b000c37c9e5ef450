# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.activity import CALM, Activity
from appliance.values import Ledger


def ledger(operations: int) -> Ledger:
    return Ledger(1, 0, operations, 0, 0, ())


def test_a_usual_ledger_is_halfway_whatever_the_network() -> None:
    for usual in (3, 600):
        activity = Activity()
        for index in range(200):
            activity.add(ledger(usual), 5.0 * index)
        assert 0.4 < activity.level(1000.0) <= 0.5


def test_a_busy_minute_raises_the_activity_and_passes() -> None:
    activity = Activity()
    for index in range(60):
        activity.add(ledger(100), 5.0 * index)
    before = activity.level(300.0)
    for index in range(12):
        activity.add(ledger(1000), 300.0 + 5.0 * index)
    assert activity.level(360.0) > before + 0.15
    assert abs(activity.level(900.0) - CALM) < 0.02


@pytest.mark.parametrize(("operations", "times"), [(0, 0.0), (10, 0.1), (100, 1.0), (400, 4.0), (10**6, 8.0)])
def test_how_many_times_busier_than_usual_a_network_is(operations: int, times: float) -> None:
    activity = Activity()
    for index in range(100):
        activity.add(ledger(100), 6.0 * index)
    assert activity.relative(600.0) == pytest.approx(1.0, abs=0.02)
    for index in range(100, 125):
        activity.add(ledger(operations), 6.0 * index)
    assert activity.relative(750.0) == pytest.approx(times, rel=0.05, abs=0.01)


def test_a_large_ledger_after_an_idle_hour_is_not_less_than_nothing() -> None:
    """It is taken in after its moment, while beats go on: time goes back a little."""
    for ahead in range(1, 100):
        activity = Activity()
        for index in range(300):
            activity.add(ledger(0), 5.0 * index)
        activity.add(ledger(1000), 1500.0)
        activity.level(1500.0 + ahead / 330)
        assert activity.relative(1500.0) >= 0.0


def test_each_ledger_begins_a_breath() -> None:
    activity = Activity()
    assert activity.breath(10.0) == 0.0
    activity.add(ledger(0), 10.0)
    assert activity.breath(10.0) == 1.0
    assert activity.breath(20.0) < 0.02


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**6)), max_size=50))
def test_activity_stays_within_its_bounds(ledgers: list[tuple[float, int]]) -> None:
    activity, seconds = Activity(), 0.0
    for gap, operations in ledgers:
        seconds += gap
        activity.add(ledger(operations), seconds)
        assert 0.0 <= activity.level(seconds) < 1.0
