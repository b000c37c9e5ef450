# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

from appliance.ledger.feed.source import Source
from appliance.ledger.staleness import AWAY_AFTER
from appliance.ledger.tape import Line, TapePlayer
from appliance.values import Ledger


def recording() -> TapePlayer:
    """A ledger every 5 s, numbered by its second."""

    def lines() -> Iterator[Line]:
        for second in range(5, 1000, 5):
            yield Line(float(second), Ledger(second, 0, 0, 0, 0, ()))

    return TapePlayer(lines)


def sequences(ledgers: list[Ledger]) -> list[int]:
    return [ledger.sequence for ledger in ledgers]


def test_without_a_network_the_recording_plays_at_once_and_on() -> None:
    source = Source(recording())
    assert not source.live
    assert sequences([ledger for second in range(21) for ledger in source.due(float(second))]) == [
        5,
        10,
        15,
        20,
    ]


def test_the_first_live_ledger_takes_over() -> None:
    source = Source(recording())
    assert sequences(source.due(12.0)) == [5, 10]
    source.ledger_came(13.0)
    assert source.live
    assert source.due(30.0) == []


def test_after_twenty_silent_seconds_the_recording_goes_on_where_it_stopped() -> None:
    source = Source(recording())
    source.due(12.0)
    for second in range(13, 100, 5):
        source.ledger_came(float(second))
        assert source.due(float(second)) == []
    source.due(98.0 + AWAY_AFTER - 0.1)
    assert source.live
    assert source.due(98.0 + AWAY_AFTER) == []
    assert not source.live
    assert sequences(source.due(98.0 + AWAY_AFTER + 4.0)) == [15]


def test_a_switch_brings_the_recording_until_the_other_network_speaks() -> None:
    source = Source(recording())
    source.ledger_came(1.0)
    source.due(2.0)
    source.network_changed()
    assert not source.live
    assert sequences(source.due(8.0)) == [5]
    source.ledger_came(9.0)
    assert source.live
