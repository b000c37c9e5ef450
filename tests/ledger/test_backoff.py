# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from appliance.ledger.backoff import Backoff, Pace, retry_after


class Most(random.Random):
    """Chance that always takes the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_grow_twofold_up_to_a_minute() -> None:
    backoff = Backoff(chance=Most())
    assert [backoff.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_429_waits_longer() -> None:
    backoff = Backoff(chance=Most())
    assert [backoff.failed(limited=True) for _ in range(6)] == [10, 20, 40, 80, 120, 120]


def test_the_server_is_waited_for_at_least_as_long_as_it_asks() -> None:
    backoff = Backoff(chance=Most())
    assert backoff.failed(limited=True, retry_after=3600) == 3600
    assert backoff.failed(limited=True, retry_after=1) == 20


def test_full_jitter_uses_the_whole_range() -> None:
    waits = sorted(Backoff(failures=3, chance=random.Random(seed)).failed() for seed in range(400))
    assert 0 <= waits[0] < 0.2
    assert 7.8 < waits[-1] <= 8
    assert 3.5 < sum(waits) / 400 < 4.5


def test_only_a_minute_of_health_forgives() -> None:
    backoff = Backoff(chance=Most())
    for _ in range(5):
        backoff.well(100)
        backoff.well(159.9)
        backoff.failed()
    assert backoff.failures == 5
    backoff.well(200)
    backoff.well(260)
    assert backoff.failed() == 1


def test_a_failure_ends_the_health() -> None:
    backoff = Backoff(chance=Most())
    backoff.well(0)
    backoff.failed()
    backoff.well(59)
    backoff.well(100)
    assert backoff.failed() == 2


def test_one_good_moment_and_a_long_silence_are_no_health() -> None:
    backoff = Backoff(chance=Most())
    for wait in (1, 2, 4):
        backoff.well(0)
        assert backoff.failed() == wait


def test_months_of_failures_keep_to_the_cap() -> None:
    backoff = Backoff(Pace(), Most(), failures=10**6)
    assert backoff.failed() == 60
    assert backoff.failed(limited=True) == 120


def test_a_hostile_server_is_called_at_most_120_times_an_hour() -> None:
    backoff, seconds, calls = Backoff(chance=random.Random(7)), 0.0, 0
    while seconds < 10 * 3600:
        seconds += backoff.failed()
        calls += 1
    assert calls <= 10 * 130  # the mean of full jitter is half the cap; the first minute is quicker


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("1", 1),
        ("0", 1),
        ("120", 120),
        ("3601", 3600),
        ("1000000000", 3600),
        ("9" * 5000, 3600),
        ("-5", 0),
        ("1.5", 0),
        ("٥", 0),
        ("Tue, 24 Nov 2026 01:49:19 GMT", 0),
    ],
)
def test_retry_after_is_kept_between_a_second_and_an_hour(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds
