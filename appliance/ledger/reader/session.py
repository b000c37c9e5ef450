# SPDX-License-Identifier: Apache-2.0
"""A session: one attempt with one server, which gives its last ledger and then each one after it.

Whatever goes wrong is one error, Lost, and ends the session. A cursor is a number that all servers of a network share
(sequence << 32 | operation), so that the next session can be with another server, even of another kind. Values and
a Protocol, without I/O; the listener's process.

Where a session begins (`resume`). This is the listener's only rule against loss and repetition; the player has one of
its own for a new listener (`feed.played`).

    the server's last ledger,       means                             go on
    compared with the last one read
    -----------------------------   -------------------------------   --------------------------------------
    none was read                   the first session                 with it: something sounds at once
    lower, but closed later         the network was reset             with it
    lower by more than CATCH_UP     this server has stopped           with another server: Lost
    within CATCH_UP                 we were away, or it lags          after the last one read: nothing is lost
    higher by more than CATCH_UP    we were away for long             with it; the others are skipped
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from appliance.ledger.networks import Network
from appliance.ledger.staleness import ASK_AFTER, LATE_AFTER, PROBE_AFTER, SILENT_AFTER, STALE_AFTER
from appliance.values import BoxError, Ledger

CATCH_UP = 12  # ledgers, about a minute; a longer absence is not replayed into the music

Mode = Literal["ledgers", "operations"]


class Cause(StrEnum):
    """Why a session ended. The wait, the next server and the advice of the doctor depend on it."""

    UNFOUND = "unfound"  # the server's name has no address
    UNREACHED = "unreached"  # its address takes no connection
    SILENT = "silent"  # it does not answer in time
    BROKEN = "broken"  # it breaks or ends a connection or a stream
    PROXY = "proxy"  # the proxy of the environment cannot be used
    PROXY_UNFOUND = "proxy unfound"  # the proxy's name has no address
    TLS = "tls"  # the server does not speak TLS, or its certificate is for another host
    TLS_VERSION = "tls version"  # the server speaks only TLS that is older than 1.2
    AUTHORITY = "authority"  # this computer does not know the authority of its certificate
    DATE = "date"  # its certificate is not valid at the date of this computer, which can be wrong
    CERTIFICATE = "certificate"  # its certificate is not valid for another reason
    LIMITED = "limited"  # it asks for fewer requests
    KEY = "key"  # it refuses a request without a key
    REFUSED = "refused"  # it refuses a request for another reason; `status` is its code
    REDIRECT = "redirect"  # it sends us to another address
    WEB_PAGE = "web page"  # it sends HTML, as the login page of a Wi-Fi does
    TOO_LONG = "too long"  # an answer is longer than we read
    MALFORMED = "malformed"  # an answer is not what was asked for
    NETWORK = "network"  # it serves another network
    STALE = "stale"  # it answers, but has no new ledgers
    GAP = "gap"  # it has the next ledger no longer, or so many that some are skipped


class Lost(BoxError, ConnectionError):
    """The end of a session. Its text follows the server's name and tells the owner why."""

    def __init__(self, cause: Cause, reason: str, *, retry_after: float = 0.0, status: int = 0) -> None:
        super().__init__(reason)
        self.cause = cause
        self.retry_after = retry_after  # seconds that the server asks for, 0 if it does not say
        self.status = status  # of HTTP, or an RPC server's code, where that was what was wrong


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a conversation can take, in seconds. For the last five see `ledger.staleness`, too."""

    connect: float = 10.0  # name, TCP and TLS
    answer: float = 20.0  # from a request to the end of the answer's header; of a stream, to its hello
    page: float = 15.0  # from a request to the last byte of its page
    stream: float = 30.0  # a stream that ends earlier, without its 200 events, was broken off
    burst: float = 1.0  # a pause that ends a delivery of records: Horizon looks for new ones every 5 s
    again: float = 1.0  # before a page that lacks operations is asked for once more
    missing: float = 0.5  # between two requests for a ledger that a server has announced and does not know
    due: float = 5.0  # until the next ledger: so long such a ledger is asked for
    poll: float = 2.5  # between two questions for what is new: 1,440 an hour, and the shortest ledger
    home: float = 900.0  # before the first endpoint of a list is tried again
    probe: float = PROBE_AFTER  # without an operation: ask whether ledgers close
    ask: float = ASK_AFTER  # without a ledger: ask for the last one
    late: float = LATE_AFTER  # a stream lacks a ledger that its server has
    stale: float = STALE_AFTER  # without a ledger: the server is stale
    silence: float = SILENT_AFTER  # without a whole event on a stream: close the connection


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """How a network is listened to."""

    mode: Mode = "ledgers"  # of a Horizon: ledgers, with operations in pages, or all operations alone
    pages: int = 3  # of 200 operations, events or 50 transactions, read of one ledger at most
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Tip:
    """A ledger's place on its network."""

    sequence: int
    closed_at: int  # seconds since 1970, by the network's clock and not by ours


class Session(Protocol):
    """One attempt with one server: from its first answer until it is Lost."""

    @property
    def dropped(self) -> int:
        """How many events and records were malformed."""

    @property
    def note(self) -> str:
        """What does not work as it should, although ledgers come; "" if all does. It follows the server's name."""

    async def tip(self, network: Network) -> Tip:
        """The server's last closed ledger, once it has stated the passphrase of `network`; raises Lost."""

    def ledgers(self, cursor: int, *, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger after `cursor`, with the cursor after it; raises Lost, and does not end otherwise.

        With `primer` the first ledger is read only in part, to sound sooner.
        """

    async def close(self) -> None:
        """Close every connection."""


def resume(tip: Tip, last: Tip | None, cursor: int) -> tuple[int, int]:
    """The cursor to go on from, and how many ledgers are skipped by that; raises Lost. See the table above."""
    newest = (tip.sequence << 32) - 1  # just before the server's last ledger
    if last is None:
        return newest, 0
    lead = tip.sequence - last.sequence
    if lead < 0 and tip.closed_at > last.closed_at:
        return newest, 0
    if lead < -CATCH_UP:
        raise Lost(Cause.STALE, f"is {-lead} ledgers behind")
    if lead <= CATCH_UP:
        return cursor, 0
    return newest, lead - 1
