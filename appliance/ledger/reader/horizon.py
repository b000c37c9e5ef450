# SPDX-License-Identifier: Apache-2.0
"""A session with a Horizon server: its ledgers by SSE and their operations in pages, or all operations by SSE.

A stream is opened at the number where we were and never at `now`, so that what closed in between is not lost. The
listener's process.

In mode `ledgers` silence has two steps, because a stream can be dead while its server is healthy, and the other way:

    STREAMING ── 30 s without a ledger ──▶ STREAMING again ── 30 s more ──▶ ask `/` ── no new ledger ──▶ Lost, stale
        ▲                                        │                             └─ there is one ──▶ Lost
        └─────────────── a ledger ───────────────┘
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from math import ceil

from appliance.ledger.networks import Network
from appliance.ledger.reader.amounts import (
    BadRecord,
    amounts_of,
    ledger_from_operations,
    ledger_from_record,
    parse_paging_token,
    parse_time,
)
from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.client import Record, ServerAsync, StreamClient, fetch
from appliance.ledger.reader.session import CATCH_UP, ListenOptions, Lost, Tip
from appliance.values import Amount, Ledger

LIMIT = 200  # records of a page and events of a connection: the most that Horizon gives


class Horizon:
    """A session with the Horizon server at `endpoint`; what it asks for is taken from `allowance`."""

    def __init__(self, endpoint: str, options: ListenOptions, allowance: Allowance) -> None:
        self._options, self._timeouts, self._allowance = options, options.timeouts, allowance
        self._client = StreamClient(options.timeouts, allowance)
        self._server = ServerAsync(endpoint, self._client)
        self._now = asyncio.get_running_loop().time
        self._bad = 0

    @property
    def dropped(self) -> int:
        """How many events and records were malformed."""
        return self._bad + self._client.dropped

    async def close(self) -> None:
        """Close every connection."""
        await self._server.close()

    async def tip(self, network: Network) -> Tip:
        """The last ledger by the server's root page, which must state the passphrase of `network`; raises Lost."""
        root = await fetch(self._server.root())
        if root.get("network_passphrase") != network.passphrase:
            raise Lost(f"serves another network than {network.name}")
        self._network = network
        latest = root.get("history_latest_ledger")
        try:
            closed_at = parse_time(str(root.get("history_latest_ledger_closed_at")))
        except BadRecord:
            latest = None
        if type(latest) is not int or not 0 < latest < 2**31:
            raise Lost("does not say which ledger is its last")
        return Tip(latest, closed_at)

    def ledgers(self, cursor: int, *, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger after `cursor`, with the cursor after it."""
        if self._options.mode == "operations":
            return self._operations(cursor)
        return self._ledgers(cursor, primer)

    # --- ledgers, and their operations in pages -------------------------------------------------------------

    async def _ledgers(self, cursor: int, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        pages = 1 if primer else self._options.pages
        async with aclosing(self._closes(cursor)) as closes:
            async for ledger in closes:
                whole = replace(ledger, amounts=await self._amounts(ledger, pages))
                pages = self._options.pages
                yield ((ledger.sequence + 1) << 32) - 1, whole

    async def _closes(self, cursor: int) -> AsyncGenerator[Ledger, None]:
        """Each ledger after `cursor` when it closes, still without amounts."""
        quiet = False
        while True:
            last = self._now()
            async with aclosing(self._server.ledgers().cursor(cursor).limit(LIMIT).stream()) as records:
                while True:
                    try:
                        async with asyncio.timeout_at(last + self._timeouts.ledger):
                            ledger = ledger_from_record(await anext(records))
                    except TimeoutError:
                        break
                    except BadRecord:
                        self._bad += 1
                        continue
                    if ledger.sequence << 32 > cursor:
                        cursor = ((ledger.sequence + 1) << 32) - 1
                        yield ledger
                        last, quiet = self._now(), False
            if quiet and (await self.tip(self._network)).sequence <= cursor >> 32:
                raise Lost(f"has had no new ledger for {self._timeouts.stale:.0f} s", stale=True)
            if quiet:
                raise Lost("has new ledgers, but streams none")
            quiet = True

    async def _amounts(self, ledger: Ledger, most: int) -> tuple[Amount, ...]:
        """The amounts of a ledger's first operations, in as few pages as its count of operations needs."""
        amounts: list[Amount] = []
        cursor, left = ledger.sequence << 32, ledger.operations
        for page in range(1, min(most, ceil(left / LIMIT)) + 1):
            if not self._allowance.may_read(page, self._now()):
                break
            records = await self._page(ledger.sequence, cursor)
            if len(records) < min(LIMIT, left):
                # One name can stand for several servers, and this one perhaps lacks the end of the ledger yet.
                await asyncio.sleep(self._timeouts.again)
                records = await self._page(ledger.sequence, cursor)
            for record in records:
                try:
                    # By number and not by the page's link to the next, which could name any host.
                    cursor = max(cursor, parse_paging_token(record.get("paging_token")))
                    amounts += amounts_of(record, ledger.sequence)
                except BadRecord:
                    self._bad += 1
            left -= len(records)
        return tuple(amounts)

    async def _page(self, sequence: int, cursor: int) -> list[Record]:
        """Up to 200 operations of a ledger after `cursor`; none if the server does not know the ledger."""
        page = self._server.operations().for_ledger(sequence).include_failed(False)
        try:
            records = (await fetch(page.cursor(cursor).limit(LIMIT)))["_embedded"]["records"]
        except (KeyError, TypeError) as error:
            raise Lost("sends pages without operations") from error
        except Lost as lost:
            if lost.status != 404:
                raise
            return []
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise Lost("sends pages without operations")
        return records

    # --- operations alone -----------------------------------------------------------------------------------

    async def _operations(self, cursor: int) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger's operations after `cursor`, with the cursor after them, from /operations alone.

        Nothing on that stream marks the end of a ledger. It has ended when an operation of a later one comes, or none
        at all for `Timeouts.burst`: longer than opening the stream again after 200 events, shorter than Horizon's pause
        between two ledgers. Operations that come later than that are one more Ledger of the same sequence. When none
        comes for `Timeouts.probe`, the root page shows whether the network is quiet, which is an empty Ledger, or the
        server is stale.
        """
        stream = self._server.operations().include_failed(False).cursor(cursor).limit(LIMIT).stream()
        held: list[Record] = []
        moved = probed = self._now()  # when the network last moved, and when we last asked for it
        latest = cursor >> 32
        async with aclosing(_with_pauses(stream, self._timeouts.burst)) as records:
            async for record in records:
                try:
                    number = None if record is None else parse_paging_token(record.get("id"))
                except BadRecord:
                    self._bad += 1
                    continue
                if number is not None and number <= cursor:
                    continue
                if held and (number is None or number >> 32 != cursor >> 32):
                    ledger, bad = ledger_from_operations(cursor >> 32, held)
                    self._bad += bad
                    held = []
                    if ledger is not None:
                        yield cursor, ledger
                if record is not None and number is not None:
                    held.append(record)
                    cursor = number
                    moved = probed = self._now()
                elif self._now() - probed >= self._timeouts.probe:
                    tip, probed = await self.tip(self._network), self._now()
                    if tip.sequence > latest:
                        latest, moved = tip.sequence, probed
                        # Not further: perhaps only the stream is silent, and its operations count for a minute yet.
                        cursor = max(cursor, (latest - CATCH_UP) << 32)
                        yield cursor, Ledger(latest, tip.closed_at, 0, 0, 0, ())
                    elif probed - moved >= self._timeouts.stale:
                        raise Lost(f"has had no new ledger for {probed - moved:.0f} s", stale=True)


async def _with_pauses(
    stream: AsyncGenerator[Record, None], seconds: float
) -> AsyncGenerator[Record | None, None]:
    """The records of `stream`, and None each time that it has brought none for `seconds`."""
    brought: deque[Record] = deque()
    more, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async for record in stream:
                brought.append(record)
                more.set()
                if len(brought) == LIMIT:  # the memory is bounded even if a server never pauses
                    room.clear()
                    await room.wait()
        finally:
            more.set()

    reading = asyncio.create_task(read())
    try:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    await more.wait()
            except TimeoutError:
                yield None
                continue
            more.clear()
            while brought:
                yield brought.popleft()
            room.set()
            if reading.done():
                reading.result()  # raises why the stream has ended
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
