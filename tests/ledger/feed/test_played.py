# SPDX-License-Identifier: Apache-2.0
import pytest

from appliance.ledger.feed.played import LATE, Played
from appliance.values import Ledger


def ledger(sequence: int, closed_at: int | None = None) -> Ledger:
    return Ledger(sequence, 1000 + sequence if closed_at is None else closed_at, 0, 0, 0, ())


def played(state: Played, *ledgers: Ledger, network: str = "public") -> list[int]:
    return [each.sequence for each in ledgers if state.add(network, each)]


def test_everything_of_one_listener_is_played_also_a_second_part_of_a_ledger() -> None:
    assert played(Played(None), ledger(5), ledger(6), ledger(6), ledger(7)) == [5, 6, 6, 7]


def test_a_new_listener_begins_after_what_was_played() -> None:
    state = Played(None)
    played(state, ledger(5), ledger(6))
    state.listener_started()
    assert played(state, ledger(5), ledger(6), ledger(7)) == [7]
    assert state.last == ("public", 7)


def test_a_network_that_was_reset_meanwhile_is_played() -> None:
    state = Played(None)
    played(state, ledger(5000))
    state.listener_started()
    assert played(state, ledger(3, closed_at=7000), ledger(4, closed_at=7005)) == [3, 4]


def test_one_wrong_time_does_not_silence_the_next_listener() -> None:
    state = Played(None)
    played(state, ledger(5, closed_at=2**40), ledger(6))
    state.listener_started()
    assert played(state, ledger(6), ledger(7)) == [7]


def test_a_wrong_time_of_the_last_ledger_does_not_silence_the_next_listener() -> None:
    state = Played(None)
    played(state, ledger(6), ledger(7, closed_at=2**40))
    state.listener_started()
    assert played(state, ledger(7), ledger(8), ledger(9)) == [8, 9]


@pytest.mark.parametrize(("behind", "expected"), [(0, []), (LATE, []), (LATE + 1, [6])])
def test_how_far_a_server_can_be_behind(behind: int, expected: list[int]) -> None:
    state = Played(None)
    played(state, ledger(7, closed_at=9000))
    state.listener_started()
    assert played(state, ledger(6, closed_at=9000 - behind)) == expected


def test_of_a_restart_of_the_box_the_last_ledger_is_known_and_no_time() -> None:
    state = Played(("public", 6))
    state.listener_started()
    assert played(state, ledger(6), ledger(6), ledger(7), ledger(8)) == [7, 8]
    state = Played(("public", 6))
    assert played(state, ledger(6), network="testnet") == [6]


def test_another_network_has_times_of_its_own() -> None:
    state = Played(None)
    played(state, ledger(5, closed_at=9000))
    state.network_changed()
    assert played(state, ledger(50, closed_at=100), network="testnet") == [50]
    state.network_changed()
    assert played(state, ledger(5, closed_at=9000)) == [5]


def test_a_switch_away_and_back_before_a_ledger_does_not_repeat_the_last_one() -> None:
    state = Played(None)
    played(state, ledger(5))
    state.network_changed()
    state.network_changed()
    assert played(state, ledger(5), ledger(6)) == [6]
