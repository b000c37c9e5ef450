# SPDX-License-Identifier: Apache-2.0
"""A session with a Stellar RPC server. It has no streams: it is polled for its last ledger, and read for each new one.

A cursor means the same as at a Horizon server, so that a list of endpoints can hold both kinds. Loaded only for an RPC
endpoint. The listener's process.

    at first                 getNetwork      its passphrase
    every 2.5 s              getHealth       its last ledger, in 150 bytes; getLatestLedger sends the whole ledger
    for each ledger, either  getEvents       what moved: every movement, but no offers; if classic events are on
    or                       getTransactions all that Horizon has, in XDR with its meta: 2.6 kB a transaction

Events are the better default because of the traffic: one is 0.6 kB, so that 1.5 GB a day are some 170 amounts a ledger.
The transactions of a ledger of 2024 are 860 kB, six in ten of them failed, and the traffic allows 40 of them. Events
lack offers that nobody took, the number of failed transactions, operations that moved nothing and new accounts.
A node without EMIT_CLASSIC_EVENTS has no events of payments. Its fees show whether it has them: every transaction pays
one, and with that option each fee is an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from appliance.ledger.networks import Network
from appliance.ledger.reader import xdr
from appliance.ledger.reader.amounts import BadRecord
from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.client import StreamClient
from appliance.ledger.reader.session import CATCH_UP, ListenOptions, Lost, Tip
from appliance.ledger.reader.soroban import (
    EventFilter,
    EventFilterType,
    EventInfo,
    GetEventsResponse,
    SorobanServerAsync,
    Transaction,
    answer,
)
from appliance.values import Amount, Ledger

EVENTS = 200  # a page: 130 kB. A server gives 10,000 at most
TRANSACTIONS = 50  # a page: 130 kB. A server gives 200 at most
FEES = 100  # ledgers in which a fee is looked for; every second one of a test network is empty

R = TypeVar("R", EventInfo, Transaction)


@dataclass(frozen=True, slots=True)
class _Page(Generic[R]):
    records: list[R]
    latest: Tip  # of the server that sent it
    cursor: str  # to the page after it


Ask = Callable[[int, str | None], Awaitable[_Page[R]]]  # for a ledger's page after a cursor


def _filter(*topics: list[str]) -> list[EventFilter]:
    return [EventFilter(type=EventFilterType.CONTRACT, topics=topics)]


_FEE = _filter([xdr.topic("fee"), "*"])
_FLOW = _filter(*([xdr.topic(name), *["*"] * count] for name, count in xdr.FLOWS.items()))


class Rpc:
    """A session with the Stellar RPC server at `endpoint`; what it asks for is taken from `allowance`."""

    def __init__(self, endpoint: str, options: ListenOptions, allowance: Allowance) -> None:
        self._options, self._timeouts, self._allowance = options, options.timeouts, allowance
        self._server = SorobanServerAsync(endpoint, StreamClient(options.timeouts, allowance))
        self._now = asyncio.get_running_loop().time
        self.dropped = 0  # malformed records

    async def close(self) -> None:
        """Close every connection."""
        await self._server.close()

    async def tip(self, network: Network) -> Tip:
        """The server's last ledger, once it has stated the passphrase of `network`; raises Lost."""
        if (await answer(self._server.get_network())).passphrase != network.passphrase:
            raise Lost(f"serves another network than {network.name}")
        latest, oldest = await self._range()
        page = await self._page(self._fees, max(oldest, latest - FEES), latest)
        self._passphrase, self._classic, self._known = network.passphrase, bool(page.records), page.latest
        if not 0 < self._known.sequence < 2**31 or self._known.closed_at < 0:
            raise Lost("does not say which ledger is its last")
        return self._known

    async def _range(self) -> tuple[int, int]:
        """The numbers of the last and of the first ledger that the server has."""
        try:
            health = await answer(self._server.get_health())
        except Lost as lost:
            if lost.status < 0:  # JSON-RPC's codes are
                raise Lost("reports that it is behind its network", stale=True) from lost
            raise
        return health.latest_ledger, health.oldest_ledger

    async def ledgers(self, cursor: int, *, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger after `cursor`, with the cursor after it; of a ledger that `cursor` is within, the rest."""
        pages = 1 if primer else self._options.pages
        following, latest = cursor + 1 >> 32, self._known.sequence
        moved = self._now()
        while True:
            while following <= latest:
                ledger = await self._ledger(following, cursor, pages)
                after = ((following + 1) << 32) - 1
                if ledger.operations or not cursor + 1 & 0xFFFF_FFFF:  # else nothing was left of it
                    yield after, ledger
                cursor, following, pages, moved = after, following + 1, self._options.pages, self._now()
            if self._now() - moved >= self._timeouts.stale:
                raise Lost(f"has had no new ledger for {self._timeouts.stale:.0f} s", stale=True)
            await asyncio.sleep(self._timeouts.poll)
            latest, oldest = await self._range()
            if oldest > following:
                raise Lost("no longer has the ledger that comes next")
            if latest - following > CATCH_UP:  # the next session skips some
                raise Lost("is far ahead of what was read of it")

    async def _ledger(self, sequence: int, cursor: int, pages: int) -> Ledger:
        if self._classic and not cursor + 1 & 0xFFFF_FFFF:
            return await self._of_events(sequence, pages)
        return await self._of_transactions(sequence, cursor, pages)

    async def _read(self, ask: Ask[R], sequence: int, pages: int, limit: int) -> tuple[list[R], int]:
        """A ledger's first records, and an estimate of its close time."""
        records: list[R] = []
        cursor: str | None = None
        before = latest = self._known
        for number in range(1, pages + 1):
            if not self._allowance.may_read(number, self._now()):
                break
            page = await self._page(ask, sequence, sequence, cursor)
            records += [record for record in page.records if record.ledger == sequence]
            latest, cursor = page.latest, page.cursor
            if len(records) < number * limit:
                break
        # A ledger without records has no close time: interpolate between two known ledgers.
        ledgers = max(1, latest.sequence - before.sequence)
        seconds = latest.closed_at - before.closed_at
        return records, before.closed_at + seconds * (sequence - before.sequence) // ledgers

    async def _page(self, ask: Ask[R], start: int, sequence: int, cursor: str | None = None) -> _Page[R]:
        """A page of a server that has the ledger `sequence`. One name can stand for several servers: so asked twice."""
        try:
            page = await ask(start, cursor)
            if page.latest.sequence >= sequence:
                return page
        except Lost as lost:
            if lost.status >= 0:
                raise
        await asyncio.sleep(self._timeouts.again)
        page = await ask(start, cursor)
        if page.latest.sequence < sequence:
            raise Lost("lacks the ledger that it calls its last")
        return page

    # --- a ledger by its events -----------------------------------------------------------------------------

    async def _fees(self, start: int, _: str | None) -> _Page[EventInfo]:
        """One fee since a ledger, if fees are events."""
        return await self._events(self._server.get_events(start, filters=_FEE, limit=1))

    async def _moves(self, sequence: int, cursor: str | None) -> _Page[EventInfo]:
        if cursor:
            return await self._events(self._server.get_events(filters=_FLOW, cursor=cursor, limit=EVENTS))
        return await self._events(self._server.get_events(sequence, sequence + 1, _FLOW, limit=EVENTS))

    async def _events(self, question: Awaitable[GetEventsResponse]) -> _Page[EventInfo]:
        page = await answer(question)
        return _Page(page.events, Tip(page.latest_ledger, page.latest_Ledger_close_time), page.cursor)

    async def _of_events(self, sequence: int, pages: int) -> Ledger:
        """A ledger by its events: its `operations` are those that moved something."""
        events, closed_at = await self._read(self._moves, sequence, pages, EVENTS)
        if events:
            closed_at = int(events[0].ledger_close_at.timestamp())
        self._known = Tip(sequence, closed_at)
        operations = [list(group) for _, group in groupby(events, _operation)]
        amounts = [amount for group in operations for amount in self._amounts(group, sequence)]
        succeeded = len({event.transaction_index for event in events})
        return Ledger(sequence, closed_at, len(operations), succeeded, 0, tuple(amounts))

    def _amounts(self, group: list[EventInfo], sequence: int) -> tuple[Amount, ...]:
        """The amounts of an operation, by those of its events that are well-formed."""
        events: list[xdr.Event] = []
        for info in group:
            try:
                events.append(xdr.event(info.contract_id, info.topic, info.value, self._passphrase))
            except BadRecord:
                self.dropped += 1
        return xdr.amounts_from_events(events, sequence) if events else ()

    # --- a ledger by its transactions -----------------------------------------------------------------------

    async def _envelopes(self, sequence: int, cursor: str | None) -> _Page[Transaction]:
        start = None if cursor else sequence
        page = await answer(self._server.get_transactions(start, cursor, TRANSACTIONS))
        latest = Tip(page.latest_ledger, page.latest_ledger_close_timestamp)
        return _Page(page.transactions, latest, page.cursor)

    async def _of_transactions(self, sequence: int, after: int, pages: int) -> Ledger:
        """A ledger, or what of it comes after the operation whose number is `after`."""
        transactions, closed_at = await self._read(self._envelopes, sequence, pages, TRANSACTIONS)
        if transactions:
            closed_at = transactions[0].created_at
        self._known = Tip(sequence, closed_at)
        succeeded = [one for one in transactions if one.status == "SUCCESS"]
        operations = [amounts for one in succeeded for amounts in self._operations(one, after)]
        amounts = tuple(amount for amounts in operations for amount in amounts)
        failed = len(transactions) - len(succeeded)
        return Ledger(sequence, closed_at, len(operations), len(succeeded), failed, amounts)

    def _operations(self, one: Transaction, after: int) -> list[tuple[Amount, ...]]:
        """The amounts of each of a transaction's operations that come after the one numbered `after`."""
        events = one.events.contract_events_xdr if one.events else None
        record = one.envelope_xdr, one.result_xdr, one.result_meta_xdr
        try:
            operations = xdr.operations(*record, events, self._passphrase, one.ledger)
        except BadRecord:
            self.dropped += 1
            return []
        first = one.ledger << 32 | one.application_order << 12 | 1  # as Horizon numbers operations
        return operations[max(0, after + 1 - first) :]


def _operation(event: EventInfo) -> tuple[int, int]:
    return event.transaction_index, event.operation_index
