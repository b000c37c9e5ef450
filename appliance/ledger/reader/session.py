# SPDX-License-Identifier: Apache-2.0
"""What a source of ledgers is: a visit to one server, which tells its last ledger and then each one after it.

The one rule: whatever goes wrong on a visit is one error, Lost, and ends it. A cursor is a number that all servers
of a network share (sequence << 32 | operation), so that the next visit may be to another server, even of another
kind. Pure; any thread. Where a visit begins, `resume` says:

    the server's last ledger, against   means                             go on
    the last one heard
    ─────────────────────────────────   ───────────────────────────────   ─────────────────────────────────
    none was heard                      a new beginning                   with it: something sounds at once
    lower, but closed later             the network was begun anew        with it
    lower, beyond CATCH_UP              this server has stopped           elsewhere: Lost
    within CATCH_UP                     we were away, or it lags          after the last one heard: no loss
    higher, beyond CATCH_UP             we were away for long             with it; the others are skipped
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from appliance.ledger.networks import Network
from appliance.values import BoxError, Ledger

CATCH_UP = 12  # ledgers, about a minute; a longer absence is not replayed into the music

Mode = Literal["ledgers", "operations"]


class Lost(BoxError, ConnectionError):
    """The end of a visit. Its text goes on after the server's name and tells the owner why."""

    def __init__(
        self,
        reason: str,
        *,
        limited: bool = False,
        retry_after: float = 0.0,
        stale: bool = False,
        status: int = 0,
        unproven: bool = False,
        unfound: bool = False,
    ) -> None:
        super().__init__(reason)
        self.limited = limited  # the server asks for fewer requests
        self.retry_after = retry_after  # seconds that it asks for, 0 if it does not say
        self.stale = stale  # the server answers, but its ledgers stand still
        self.status = status  # of HTTP, or an RPC server's code, where that was what was wrong
        self.unproven = unproven  # its certificate does not count, perhaps because of our clock
        self.unfound = unfound  # nobody knows where it is


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a conversation may take, in seconds."""

    connect: float = 10.0  # name, TCP and TLS
    answer: float = 20.0  # from a request to the end of the answer's header; of a stream, to its hello
    page: float = 15.0  # from a request to the last byte of its page
    silence: float = 70.0  # without a whole event on a stream: Horizon itself ends a quiet one after 55 s
    ledger: float = 30.0  # without a new ledger: then the stream is opened anew; after twice this, STALE
    stream: float = 30.0  # a stream that ends earlier, without its 200 events, was not ended in good order
    burst: float = 1.0  # a pause that ends a ledger's operations: Horizon looks for new ones every 5 s
    probe: float = 15.0  # without an operation: look whether ledgers close. The box waits 20 s for one
    again: float = 1.0  # until a page that lacks operations is asked for once more
    poll: float = (
        2.5  # between two questions for the last ledger, 1,440 an hour; as short as a ledger may get
    )
    home: float = 900.0  # until the first endpoint of a list is tried again


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """How a network is listened to."""

    mode: Mode = "ledgers"  # of a Horizon: ledgers, with operations in pages, or all operations alone
    pages: int = 3  # of 200 operations, events or 50 transactions, read of one ledger at most
    patience: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Tip:
    """A ledger's place on its network."""

    sequence: int
    closed_at: int  # seconds since 1970, by the network's clock and not by ours


class Session(Protocol):
    """One attempt with one server: from its first answer until it is Lost."""

    @property
    def dropped(self) -> int:
        """How many events and records made no sense."""

    async def tip(self, network: Network) -> Tip:
        """The server's last closed ledger, once it has shown that it serves `network`; raises Lost."""

    def ledgers(self, cursor: int, *, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger after `cursor`, with the cursor after it; raises Lost, and never ends otherwise.

        `primer` says that the first one is wanted soon rather than whole: something must sound.
        """

    async def close(self) -> None:
        """End every connection."""


def resume(tip: Tip, last: Tip | None, cursor: int) -> tuple[int, int]:
    """The cursor to go on from, and how many ledgers are skipped by that; raises Lost. See the table above."""
    anew = (tip.sequence << 32) - 1  # just before the server's last ledger
    if last is None:
        return anew, 0
    lag = tip.sequence - last.sequence
    if lag < 0 and tip.closed_at > last.closed_at:
        return anew, 0
    if lag < -CATCH_UP:
        raise Lost(f"is {-lag} ledgers behind", stale=True)
    if lag <= CATCH_UP:
        return cursor, 0
    return anew, lag - 1
