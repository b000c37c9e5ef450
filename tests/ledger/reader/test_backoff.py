# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from appliance.ledger.reader.backoff import Backoff, BackoffPolicy, retry_after


class Most(random.Random):
    """Chance that always takes the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Least(random.Random):
    """Chance that never waits."""

    def uniform(self, a: float, b: float) -> float:
        return a


def test_waits_double_up_to_a_minute() -> None:
    backoff = Backoff(chance=Most())
    assert [backoff.failed(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_429_waits_longer() -> None:
    backoff = Backoff(chance=Most())
    assert [backoff.failed(0, limited=True) for _ in range(6)] == [10, 20, 40, 80, 120, 120]


def test_who_cannot_prove_who_it_is_is_asked_soon_again() -> None:
    """N15: the clock can be set at any moment, and until then only a handshake is tried."""
    backoff = Backoff(chance=Most())
    assert [backoff.failed(0, unproven=True) for _ in range(7)] == [1, 2, 4, 8, 15, 15, 15]


def test_full_jitter_uses_the_whole_range() -> None:
    waits = sorted(Backoff(failures=3, chance=random.Random(seed)).failed(0) for seed in range(400))
    assert 0 <= waits[0] < 0.2
    assert 7.8 < waits[-1] <= 8
    assert 3.5 < sum(waits) / 400 < 4.5


def test_a_ledger_resets_it() -> None:
    backoff = Backoff(chance=Most())
    assert [backoff.failed(0) for _ in range(5)] == [1, 2, 4, 8, 16]
    backoff.succeeded()
    assert [backoff.failed(0) for _ in range(3)] == [1, 2, 4]


@pytest.mark.parametrize("lasts", [0.5, 5, 25, 27.5, 59])
def test_a_proxy_that_ends_every_stream_is_called_again_within_a_second(lasts: float) -> None:
    """Also for a day: each of its streams has brought ledgers. That is more than 120 failures an hour."""
    backoff, now = Backoff(chance=Most()), 0.0
    while now < 86_400:
        now += lasts
        backoff.succeeded()
        wait = backoff.failed(now)
        assert wait <= 1
        now += wait


def test_progress_does_not_use_up_the_attempts_of_an_hour() -> None:
    backoff = Backoff(chance=Least())
    for _ in range(1000):
        backoff.succeeded()
        assert backoff.failed(0) == 0
    assert [backoff.failed(0) for _ in range(19)] == [0] * 19
    assert backoff.failed(0) > 0


def test_months_of_failures_keep_to_the_cap() -> None:
    backoff = Backoff(BackoffPolicy(), Most(), failures=10**6)
    assert backoff.failed(0) == 60
    assert backoff.failed(0, limited=True) == 120


@pytest.mark.parametrize("chance", [random.Random(7), Least()])
def test_a_hostile_server_is_called_at_most_120_times_in_any_hour(chance: random.Random) -> None:
    backoff, now, calls = Backoff(chance=chance), 0.0, []
    while now < 10 * 3600:
        now += backoff.failed(now)
        calls.append(now)
    assert max(sum(begin <= call < begin + 3600 for call in calls) for begin in calls) <= 120
    assert len(calls) > 900  # and the box does not give up either


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
        ("1.5", 1.5),
        (" 7 ", 7),
        ("٥", 0),
        ("Tue, 24 Nov 2026 01:49:19 GMT", 0),
    ],
)
def test_retry_after_is_kept_between_a_second_and_an_hour(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("Tue, 24 Nov 2026 01:49:19 GMT", "Tue, 24 Nov 2026 01:48:49 GMT", 30),
        ("Tue, 24 Nov 2026 01:49:19 GMT", "Tue, 24 Nov 2026 01:50:00 GMT", 1),  # over already
        ("Tue, 24 Nov 2099 01:49:19 GMT", "Tue, 24 Nov 2026 01:50:00 GMT", 3600),
        ("Tue, 24 Nov 2026 01:49:19", "Tue, 24 Nov 2026 01:48:49 GMT", 0),
        ("tomorrow", "Tue, 24 Nov 2026 01:48:49 GMT", 0),
        ("Tue, 24 Nov 2026 01:49:19 GMT", "today", 0),
    ],
)
def test_a_date_counts_from_the_date_of_its_server(header: str, date: str, seconds: float) -> None:
    assert retry_after(header, date) == seconds
