# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from appliance.status import MINUTE, Recent, Status
from appliance.values import Amount, BoxState, Kind, Note, NoteEvent, Voice
from tests.support.statuses import STATUS

AMOUNT = Amount(25, Kind.PAYMENT, True, 7)


def event(voice: Voice = Voice.BELL, waited: float | None = None) -> NoteEvent:
    amount = None if waited is None else AMOUNT
    return NoteEvent(Note(67, 0.5, 1.0, voice, amount=amount, waited=waited or 0.0), 0.0, 0.0, 1.0)


def test_a_status_survives_json_and_a_newer_version() -> None:
    assert Status.from_json(STATUS.as_json()) == STATUS
    assert Status.from_json(STATUS.as_json() | {"phase of the moon": 3}) == STATUS


@pytest.mark.parametrize("broken", [{"state": "dancing"}, {"networks": None}])
def test_a_status_that_is_none_raises(broken: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Status.from_json(STATUS.as_json() | broken)
    with pytest.raises(KeyError):
        Status.from_json({})


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, BoxState.LIVE),
        ({"card": ""}, BoxState.NO_CARD),
        ({"card": "", "weak_power": True}, BoxState.TROUBLE),
        ({"safe_mode": True}, BoxState.TROUBLE),
        ({"safe_mode": True, "starting": True}, BoxState.STARTING),
    ],
)
def test_the_lamps_show_what_is_most_urgent(changes: dict[str, object], shown: BoxState) -> None:
    assert replace(STATUS, **changes).shown is shown  # type: ignore[arg-type] # a table of different fields


def test_the_words_name_network_card_sleep_and_trouble() -> None:
    network, card = replace(STATUS, sleep=12, underruns=3).words.split("; ")
    assert network.startswith(f"public: {BoxState.LIVE}, ")
    assert "12 min" in network
    assert card.startswith(f"on {STATUS.card}, ")
    assert "3" in card
    mute = replace(STATUS, card="", silent="No card.", safe_mode=True)
    assert mute.words == f"public: {BoxState.TROUBLE}. No card."


def test_the_words_name_the_piece_that_plays_and_not_the_network() -> None:
    words = replace(STATUS, state=BoxState.SCORE, piece="Evening, Ada").words
    assert words == f"{BoxState.SCORE}: Evening, Ada; on {STATUS.card}"


def test_recent_notes_are_those_of_the_last_minute_that_were_heard() -> None:
    recent = Recent()
    assert recent.at(0.0) == (0, None)
    recent.add(1.0, event(waited=2.0))
    recent.add(2.0, event())
    recent.add(3.0, event(Voice.PAD))
    recent.add(4.0, event(waited=1.0))
    assert recent.at(2.0) == (2, 2.0)
    assert recent.at(4.0) == (3, 1.5)
    assert recent.at(2.5 + MINUTE) == (1, 1.0)
