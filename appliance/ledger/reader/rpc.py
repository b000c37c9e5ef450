# SPDX-License-Identifier: Apache-2.0
"""A session with a Stellar RPC server. It has no streams: it is polled for its last ledger, and read for each new one.

A cursor means the same as at a Horizon server, so that a list of endpoints can hold both kinds. Loaded only for an RPC
endpoint. The listener's process.

    at first                 getNetwork      its passphrase
    every 2.5 s              getHealth       its last ledger, in 150 bytes; getLatestLedger sends the whole ledger
    for each ledger, either  getEvents       what moved: every movement, but no offers; if classic events are on
    or                       getTransactions all that Horizon has, in XDR with its meta: 2.6 kB a transaction

Events are the better default because of the traffic: one is 0.6 kB, so that 1.5 GB a day are some 170 amounts a ledger.
The transactions of a ledger of 2024 are 860 kB, six in ten of them failed, and the traffic allows 40 of them. Where the
two differ is said in `xdr`; events also lack the failed transactions and the operations that moved nothing.
A node without EMIT_CLASSIC_EVENTS has no events of payments. Its fees show whether it has them: every transaction pays
one, and with that option each fee is an event.

A gateway can keep a method back, and each has a substitute:

    getNetwork        none: the owner wrote which network it is
    getHealth         getTransaction of a hash that no transaction has; its answer names the first and the last ledger
    getEvents         getTransactions; a quarter of an hour later events are tried again
    getTransactions   getEvents, with what they have

A page can be shorter than was asked for. Events say by their cursor whether there are more. Transactions do not: a page
that is shorter than an earlier one is the last of its ledger, and after any other one more is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Generic, TypeVar

from appliance.ledger.networks import Network
from appliance.ledger.reader import xdr
from appliance.ledger.reader.amounts import BadRecord
from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.session import CATCH_UP, Cause, ListenOptions, Lost, Tip
from appliance.ledger.reader.soroban import (
    INVALID,
    BaseAsyncClient,
    EventFilter,
    EventFilterType,
    EventInfo,
    GetEventsResponse,
    Refused,
    RpcClient,
    SorobanServerAsync,
    Transaction,
    answer,
)
from appliance.values import MAX_TIME, Amount, Ledger

EVENTS = 200  # a page: 130 kB. A server gives 10,000 at most
TRANSACTIONS = 50  # a page: 130 kB. A server gives 200 at most
FEES = 100  # ledgers in which a fee is looked for; every second one of a test network is empty
NO_HASH = "0" * 64

BEHIND = "reports that it is behind its network"

R = TypeVar("R", EventInfo, Transaction)


@dataclass(frozen=True, slots=True)
class _Page(Generic[R]):
    records: list[R]
    latest: Tip  # of the server that sent it
    cursor: str  # to the page after it
    ended: bool  # nothing follows


Ask = Callable[[int, str | None, int], Awaitable[_Page[R]]]  # so many records of a ledger after a cursor


@dataclass(slots=True)
class _Pages(Generic[R]):
    """How a server gives its records in pages."""

    ask: Ask[R]
    full: int  # records that we ask for
    limit: int  # the same, or less where the server refuses that many, or a page of that many is too long
    longest: int = 1  # records of the longest page that came


def _filter(*topics: list[str], contract: str | None = None) -> EventFilter:
    contracts = None if contract is None else [contract]
    return EventFilter(type=EventFilterType.CONTRACT, contractIds=contracts, topics=topics)


# One filter for each number of topics: a filter has at most five lists.
_FLOW = [
    _filter(*([xdr.topic(name), *["*"] * count] for name, counts in xdr.FLOWS.items() if count in counts))
    for count in (2, 3)
]


class Rpc:
    """A session with the Stellar RPC server at `endpoint`; what it asks for is taken from `allowance`.

    `client` replaces the connection to it.
    """

    def __init__(
        self,
        endpoint: str,
        options: ListenOptions,
        allowance: Allowance,
        headers: Mapping[str, str] | None = None,
        client: BaseAsyncClient | None = None,
    ) -> None:
        self._options, self._timeouts, self._allowance = options, options.timeouts, allowance
        self._server = SorobanServerAsync(endpoint, client or RpcClient(options.timeouts, allowance, headers))
        self._now = asyncio.get_running_loop().time
        self._health = True  # it offers getHealth
        self._moves = _Pages(self._ask_moves, EVENTS, EVENTS)
        self._envelopes = _Pages(self._ask_envelopes, TRANSACTIONS, TRANSACTIONS)
        self.dropped = 0  # malformed records
        self.note = ""

    async def close(self) -> None:
        """Close every connection."""
        await self._server.close()

    async def tip(self, network: Network) -> Tip:
        """The server's last ledger, once it has stated the passphrase of `network`; raises Lost."""
        try:
            passphrase = (await answer(self._server.get_network())).passphrase
        except Refused as refused:
            if not refused.missing:
                raise
            passphrase = network.passphrase
        if passphrase != network.passphrase:
            raise Lost(Cause.NETWORK, f"serves another network than {network.name}")
        self._passphrase = passphrase
        latest, self._oldest = await self._range()
        self._known = await self._choose(latest)
        return self._known

    async def _range(self) -> tuple[int, int]:
        """The numbers of the last and of the first ledger that the server has."""
        if self._health:
            try:
                health = await answer(self._server.get_health())
                if health.status == "healthy":
                    return health.latest_ledger, health.oldest_ledger
                raise Lost(Cause.STALE, BEHIND)
            except Refused as refused:
                if refused.unhealthy:
                    raise Lost(Cause.STALE, BEHIND) from refused
                self._health = False
        found = await answer(self._server.get_transaction(NO_HASH))
        return found.latest_ledger, found.oldest_ledger

    async def _choose(self, latest: int) -> Tip:
        """Choose whether ledgers are read by events; return the server's last ledger."""
        self._chosen = self._now()
        try:
            page = await self._page(self._ask_fees, max(self._oldest, latest - FEES), latest, None, 1)
        except Lost as lost:
            if lost.cause in (Cause.LIMITED, Cause.STALE):
                raise
            self._by_events = False
            return (await self._page(self._ask_envelopes, latest, latest, None, 1)).latest
        self._by_events = bool(page.records)
        return page.latest

    async def ledgers(self, cursor: int, *, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger after `cursor`, with the cursor after it; of a ledger that `cursor` is within, the rest."""
        following, latest = cursor + 1 >> 32, self._known.sequence
        if following < self._oldest <= latest:  # what comes next is no longer there
            cursor, following = (self._oldest << 32) - 1, self._oldest
        moved = self._now()
        while True:
            while following <= latest:
                if not self._by_events and self._now() - self._chosen > self._timeouts.home:
                    await self._choose(latest)
                ledger = await self._ledger(following, cursor, primer)
                after = ((following + 1) << 32) - 1
                if ledger.operations or not cursor + 1 & 0xFFFF_FFFF:  # else nothing was left of it
                    yield after, ledger
                cursor, following, primer, moved = after, following + 1, False, self._now()
            if self._now() - moved >= self._timeouts.stale:
                raise Lost(Cause.STALE, f"has had no new ledger for {self._timeouts.stale:.0f} s")
            await asyncio.sleep(self._timeouts.poll)
            latest, self._oldest = await self._range()
            if self._oldest > following:
                raise Lost(Cause.GAP, "no longer has the ledger that comes next")
            if latest - following > CATCH_UP:  # the next session skips some
                raise Lost(Cause.GAP, "is far ahead of what was read of it")

    async def _ledger(self, sequence: int, cursor: int, primer: bool) -> Ledger:
        """A ledger, or what of it comes after `cursor`, which only transactions can tell."""
        if cursor + 1 & 0xFFFF_FFFF:
            return await self._of_transactions(sequence, cursor, primer)
        try:
            return await self._whole(sequence, cursor, primer)
        except Refused:
            self._by_events, self._chosen = not self._by_events, self._now()
            return await self._whole(sequence, cursor, primer)

    async def _whole(self, sequence: int, cursor: int, primer: bool) -> Ledger:
        if self._by_events:
            return await self._of_events(sequence, primer)
        return await self._of_transactions(sequence, cursor, primer)

    async def _read(self, pages: _Pages[R], sequence: int, primer: bool) -> tuple[list[R], int]:
        """A ledger's first records, and an estimate of its close time."""
        records: list[R] = []
        cursor: str | None = None
        before = latest = self._known
        for number in count(1):
            if not self._allowance.may_read(number, self._now()):
                break
            page = await self._of_pages(pages, sequence, cursor)
            own = [record for record in page.records if record.ledger == sequence]
            records += own
            latest, cursor = page.latest, page.cursor
            last = page.ended or len(own) < len(page.records) or len(own) < pages.longest
            pages.longest = max(pages.longest, len(own))
            if last or primer or len(records) >= self._options.pages * pages.full:
                break
        # A ledger without records has no close time: interpolate between two known ledgers.
        ledgers = max(1, latest.sequence - before.sequence)
        seconds = latest.closed_at - before.closed_at
        return records, max(0, before.closed_at + seconds * (sequence - before.sequence) // ledgers)

    async def _of_pages(self, pages: _Pages[R], sequence: int, cursor: str | None) -> _Page[R]:
        """A page, with half as many records as long as their number is refused or makes the page too long."""
        while True:
            try:
                return await self._page(pages.ask, sequence, sequence, cursor, pages.limit)
            except Lost as lost:
                shorter = lost.cause is Cause.TOO_LONG or lost.status == INVALID
                if not shorter or pages.limit == 1:
                    raise
                pages.limit //= 2
                pages.longest = min(pages.longest, pages.limit)

    async def _page(self, ask: Ask[R], start: int, sequence: int, cursor: str | None, limit: int) -> _Page[R]:
        """A page of a server that has the ledger `sequence`. One name can stand for several servers: so asked twice."""
        for repeated in (False, True):
            lost: Lost = Lost(Cause.STALE, "lacks the ledger that it calls its last")
            try:
                page = await ask(start, cursor, limit)
                if page.latest.sequence >= sequence:
                    return page
            except Refused as refused:
                if refused.missing or refused.status == INVALID:
                    raise
                lost = refused
            if not repeated:
                await asyncio.sleep(self._timeouts.again)
        raise lost

    # --- a ledger by its events -----------------------------------------------------------------------------

    async def _ask_fees(self, start: int, _: str | None, limit: int) -> _Page[EventInfo]:
        """Fees since a ledger, if fees are events."""
        fee = _filter([xdr.topic("fee"), "*"], contract=xdr.native_contract(self._passphrase))
        return await self._events(self._server.get_events(start, filters=[fee], limit=limit))

    async def _ask_moves(self, sequence: int, cursor: str | None, limit: int) -> _Page[EventInfo]:
        if cursor:
            return await self._events(self._server.get_events(filters=_FLOW, cursor=cursor, limit=limit))
        return await self._events(self._server.get_events(sequence, sequence + 1, _FLOW, limit=limit))

    async def _events(self, question: Awaitable[GetEventsResponse]) -> _Page[EventInfo]:
        page = await answer(question)
        latest = _tip(page.latest_ledger, page.latest_Ledger_close_time)
        # The cursor of the last page is the end of what was searched.
        ended = not page.events or page.cursor != page.events[-1].id
        return _Page(page.events, latest, page.cursor, ended)

    async def _of_events(self, sequence: int, primer: bool) -> Ledger:
        """A ledger by its events: its `operations` are those that moved something."""
        events, closed_at = await self._read(self._moves, sequence, primer)
        if events:
            closed_at = _closed(events[0].ledger_close_at, closed_at)
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
                found = xdr.event(info.contract_id, info.topic, info.value, self._passphrase)
                if found is not None:
                    events.append(found)
            except BadRecord:
                self.dropped += 1
        return xdr.amounts_from_events(events, sequence)

    # --- a ledger by its transactions -----------------------------------------------------------------------

    async def _ask_envelopes(self, sequence: int, cursor: str | None, limit: int) -> _Page[Transaction]:
        start = None if cursor else sequence
        page = await answer(self._server.get_transactions(start, cursor, limit))
        latest = _tip(page.latest_ledger, page.latest_ledger_close_timestamp)
        return _Page(page.transactions, latest, page.cursor, not page.transactions)

    async def _of_transactions(self, sequence: int, after: int, primer: bool) -> Ledger:
        """A ledger, or what of it comes after the operation whose number is `after`."""
        transactions, closed_at = await self._read(self._envelopes, sequence, primer)
        if transactions:
            closed_at = _closed(transactions[0].created_at, closed_at)
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
        self.dropped += operations.count(None)
        first = one.ledger << 32 | one.application_order << 12 | 1  # as Horizon numbers operations
        return [amounts or () for amounts in operations[max(0, after + 1 - first) :]]


def _operation(event: EventInfo) -> tuple[int, int]:
    return event.transaction_index, event.operation_index


def _tip(sequence: int, closed_at: int) -> Tip:
    """The last ledger as an answer names it; raises Lost if it cannot be."""
    if not 0 < sequence < 2**31 or not 0 <= closed_at <= MAX_TIME:
        raise Lost(Cause.MALFORMED, "does not say which ledger is its last")
    return Tip(sequence, closed_at)


def _closed(stated: datetime | int, estimate: int) -> int:
    """A stated close time in seconds since 1970, or the estimate if it cannot be."""
    if isinstance(stated, datetime):
        stated = int((stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp())
    return stated if 0 <= stated <= MAX_TIME else estimate
