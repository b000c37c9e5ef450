# SPDX-License-Identifier: Apache-2.0
"""What is heard, and what is said about it, with a clock of our own and a listener's lines put in by hand."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.ledger.feed.feed import Feed
from appliance.ledger.feed.source import PATIENCE
from appliance.ledger.tape import Line, TapePlayer
from appliance.values import Amount, Kind, Ledger, Link, LinkState

LEDGER = Ledger(7, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 7),))
NEXT = replace(LEDGER, sequence=8)
RECORDED = Ledger(1, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 1),))
AWAY = Link(LinkState.BACKING_OFF, "public", "it is not there", 3.0)


def recording() -> Iterator[Line]:
    """The same ledger every ten seconds."""
    return (Line(10.0 * index, RECORDED) for index in range(4))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "appliance.ledger.feed.feed"):
        yield caplog


class Ear:
    """A hearing, its clock, and what has come out of it."""

    def __init__(self, *, listener: bool = True, last: tuple[str, int] | None = None) -> None:
        self.seconds = 0.0
        self.heard: list[Ledger] = []
        command = ["/nowhere/listener"] if listener else None
        self.hearing = Feed(
            TapePlayer(recording), command, "public", last, put=self.heard.append, clock=lambda: self.seconds
        )

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        self.hearing.play()


def test_the_recording_plays_until_the_network_speaks_and_when_it_is_silent() -> None:
    ear = Ear()
    ear.wait(0.1)
    assert ear.heard == [RECORDED]
    assert (ear.hearing.live, ear.hearing.away) == (False, False)
    ear.hearing.hear(LEDGER)
    ear.wait(PATIENCE - 0.1)
    assert ear.heard == [RECORDED, LEDGER]
    assert ear.hearing.live
    ear.wait(0.2)
    ear.wait(10.0)
    assert ear.heard == [RECORDED, LEDGER, RECORDED]
    assert (ear.hearing.live, ear.hearing.away) == (False, True)


def test_what_goes_away_is_told_once_and_so_is_its_return(said: pytest.LogCaptureFixture) -> None:
    ear = Ear()
    for _ in range(3):
        ear.hearing.hear(AWAY)
    ear.hearing.hear(LEDGER)
    ear.hearing.hear(AWAY)  # its ledgers still play: no news yet
    ear.hearing.hear(NEXT)
    ear.wait(0.1)
    for _ in range(3):
        ear.wait(PATIENCE)
    assert said.messages == [
        "The public network is away: it is not there. The recording plays.",
        "Live: playing the public network.",
        "The public network is away: it has said nothing for a while. The recording plays.",
    ]


def test_the_ledger_that_was_heard_before_a_restart_is_not_heard_again() -> None:
    ear = Ear(last=("public", 7))
    ear.hearing.hear(LEDGER)
    assert (ear.heard, ear.hearing.live) == ([], False)
    ear.hearing.hear(NEXT)
    ear.hearing.hear(NEXT)
    assert ear.heard == [NEXT]
    assert ear.hearing.last == ("public", 8)
    ear.hearing.switch("testnet")
    ear.hearing.hear(NEXT)  # of another network, which counts for itself
    assert ear.heard == [NEXT, NEXT]


def test_after_a_switch_nothing_is_known_of_the_network() -> None:
    ear = Ear()
    ear.hearing.hear(AWAY)
    assert ear.hearing.away
    ear.hearing.switch("testnet")
    assert (ear.hearing.live, ear.hearing.away) == (False, False)


def test_a_computer_without_a_way_out_is_one_until_something_else_is_heard() -> None:
    ear = Ear()
    seen = []
    for state in (
        *(LinkState.UNPLUGGED, LinkState.CONNECTING) * 2,
        LinkState.BACKING_OFF,
        LinkState.UNPLUGGED,
    ):
        ear.hearing.hear(replace(AWAY, state=state))
        seen.append(ear.hearing.unplugged)
    assert seen == [True] * 4 + [False, True]
    ear.hearing.hear(LEDGER)
    assert not ear.hearing.unplugged


def test_without_a_listener_the_network_is_away_and_nobody_is_kept(said: pytest.LogCaptureFixture) -> None:
    ear = Ear(listener=False)
    ear.hearing.begin()
    asyncio.run(ear.hearing.listen(quiet=False))
    ear.hearing.switch("testnet")
    assert ear.hearing.away
    assert said.messages == ["Playing the recording."]


def test_a_listener_is_kept_and_told_of_a_switch(said: pytest.LogCaptureFixture) -> None:
    ear = Ear()
    ear.hearing.begin()

    async def run() -> None:
        task = asyncio.create_task(ear.hearing.listen(quiet=True))
        while not ear.hearing.away:
            await asyncio.sleep(0.01)
        ear.hearing.switch("testnet")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert said.messages[0] == "Playing the recording until the network answers."
    assert "No such file" in said.messages[1]
