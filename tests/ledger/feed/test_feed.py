# SPDX-License-Identifier: Apache-2.0
"""What the feed passes on and logs, with a clock of our own; a listener's lines are put in by hand or by a process."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.ledger.feed.feed import Feed
from appliance.ledger.staleness import AWAY_AFTER
from appliance.ledger.tape import Line, TapePlayer, encode
from appliance.values import Amount, BoxState, Kind, Ledger, Link, LinkState

LEDGER = Ledger(7, 1000, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 7),))
NEXT = replace(LEDGER, sequence=8, closed_at=1005)
RECORDED = Ledger(1, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 1),))
AWAY = Link(LinkState.BACKING_OFF, "public", "it does not answer", 3.0)
NOWHERE = ["/nowhere/listener"]


def recording() -> Iterator[Line]:
    """The same ledger every ten seconds."""
    return (Line(10.0 * index, RECORDED) for index in range(4))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "appliance.ledger.feed.feed"):
        yield caplog


class Fed:
    """A feed, its clock, and the ledgers that it has passed on."""

    def __init__(self, command: list[str] | None = NOWHERE, last: tuple[str, int] | None = None) -> None:
        self.seconds = 0.0
        self.ledgers: list[Ledger] = []
        self.feed = Feed(
            TapePlayer(recording),
            command,
            "public",
            last,
            put=self.ledgers.append,
            clock=lambda: self.seconds,
        )

    def state(self) -> BoxState:
        return self.feed.state

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        self.feed.tick()


def test_the_recording_plays_until_the_network_answers_and_while_it_is_silent() -> None:
    fed = Fed()
    fed.wait(0.1)
    assert fed.ledgers == [RECORDED]
    assert fed.state() is BoxState.CONNECTING
    fed.feed.take(LEDGER)
    fed.wait(AWAY_AFTER - 0.1)
    assert fed.ledgers == [RECORDED, LEDGER]
    assert fed.state() is BoxState.LIVE
    fed.wait(0.2)
    fed.wait(10.0)
    assert fed.ledgers == [RECORDED, LEDGER, RECORDED]
    assert fed.state() is BoxState.OFFLINE


def test_a_network_that_goes_away_is_logged_once_and_so_is_its_return(log: pytest.LogCaptureFixture) -> None:
    fed = Fed()
    for _ in range(3):
        fed.feed.take(AWAY)
    fed.feed.take(LEDGER)
    fed.feed.take(AWAY)  # its ledgers still play: no news yet
    fed.feed.take(NEXT)
    fed.wait(0.1)
    for _ in range(3):
        fed.wait(AWAY_AFTER)
    away, live, silent = log.messages
    assert "public network is away" in away
    assert AWAY.reason in away
    assert live.startswith("Live")
    assert "public network is away" in silent
    assert AWAY.reason not in silent


def test_the_ledger_that_was_played_before_a_restart_is_not_played_again() -> None:
    fed = Fed(last=("public", 7))
    fed.feed.take(LEDGER)
    assert fed.ledgers == []
    assert fed.state() is BoxState.CONNECTING
    fed.feed.take(NEXT)
    assert fed.ledgers == [NEXT]
    assert fed.feed.last == ("public", 8)
    fed.feed.switch("testnet")
    fed.feed.take(NEXT)  # of another network
    assert fed.ledgers == [NEXT, NEXT]
    assert fed.feed.last == ("testnet", 8)


def test_after_a_switch_the_other_network_is_connecting() -> None:
    fed = Fed()
    fed.feed.take(AWAY)
    assert fed.state() is BoxState.OFFLINE
    fed.feed.switch("testnet")
    assert fed.state() is BoxState.CONNECTING


def test_a_computer_without_a_default_route_needs_a_set_up_until_another_state_comes() -> None:
    fed = Fed()
    seen = []
    for state in (
        *(LinkState.UNPLUGGED, LinkState.CONNECTING) * 2,
        LinkState.BACKING_OFF,
        LinkState.UNPLUGGED,
    ):
        fed.feed.take(replace(AWAY, state=state))
        seen.append(fed.state())
    assert seen == [BoxState.SETUP] * 4 + [BoxState.OFFLINE, BoxState.SETUP]
    fed.feed.take(LEDGER)
    assert fed.state() is BoxState.LIVE


def test_without_a_listener_the_network_is_away_and_none_is_started(log: pytest.LogCaptureFixture) -> None:
    fed = Fed(command=None)
    asyncio.run(fed.feed.listen(quiet=False))
    fed.feed.switch("testnet")
    assert fed.state() is BoxState.OFFLINE
    assert log.messages == []


async def listening(fed: Fed, until: object) -> None:
    """Run the feed with its listener until `until()` holds."""
    assert callable(until)
    tasks = [asyncio.create_task(fed.feed.run()), asyncio.create_task(fed.feed.listen(quiet=True))]
    try:
        async with asyncio.timeout(60):
            while not until():
                await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_what_plays_at_first_and_why_there_is_no_network_is_logged(log: pytest.LogCaptureFixture) -> None:
    fed = Fed()
    asyncio.run(listening(fed, lambda: fed.state() is BoxState.OFFLINE))
    assert "recording" in log.messages[0]
    assert "No such file" in log.messages[1]


def test_no_ledger_is_played_twice_when_the_listener_is_restarted(tmp_path: Path) -> None:
    def lines(*entries: Ledger | Link) -> str:
        return "".join(encode(Line(0.0, entry)) + "\n" for entry in entries)

    def ledger(sequence: int) -> Ledger:
        return Ledger(sequence, 1000 + sequence, 0, 0, 0, ())

    live = Link(LinkState.LIVE, "public")
    wrong = Ledger(6, 2**40, 0, 0, 0, ())  # closed in the far future; what follows counts all the same
    (tmp_path / "first").write_text(lines(live, wrong, ledger(7), ledger(8)))
    (tmp_path / "second").write_text(lines(live, ledger(8), ledger(9), ledger(9)))
    program = (
        f"import pathlib, sys\nhere = pathlib.Path({str(tmp_path)!r})\nfile = here / 'first'\n"
        "again = not file.exists()\nfile = here / 'second' if again else file\n"
        "print(file.read_text(), end='', flush=True)\nif again: sys.stdin.read()\nfile.unlink()\n"
    )
    fed = Fed([sys.executable, "-S", "-c", program])
    asyncio.run(listening(fed, lambda: sum(ledger.sequence == 9 for ledger in fed.ledgers) == 2))
    # What one listener sends twice is played twice: of a stream of operations it is a second part of the ledger.
    assert [ledger.sequence for ledger in fed.ledgers if ledger != RECORDED] == [6, 7, 8, 9, 9]
