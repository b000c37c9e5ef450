# SPDX-License-Identifier: Apache-2.0
from appliance.ledger.feed.inbox import SIZE, Inbox
from appliance.values import Ledger


def ledger(sequence: int) -> Ledger:
    return Ledger(sequence, 0, 0, 0, 0, ())


def test_what_is_put_is_taken_once_and_in_order() -> None:
    inbox = Inbox()
    assert inbox.take(0.0) == []
    for sequence in (1, 2):
        inbox.put(ledger(sequence))
    assert inbox.take(0.1) == [ledger(1), ledger(2)]
    assert inbox.take(0.2) == []


def test_the_oldest_gives_way_after_a_stall() -> None:
    inbox = Inbox()
    for sequence in range(SIZE + 3):
        inbox.put(ledger(sequence))
    assert inbox.take(0.0) == [ledger(sequence) for sequence in range(3, SIZE + 3)]
