# SPDX-License-Identifier: Apache-2.0
"""A visit to a Horizon: its ledgers by SSE and their operations in pages, or all operations by SSE.

The one rule: resume by number where we were, and never at `now`: what closed while we were away is not lost.
Runs in the listener's process and nowhere else, because it imports `client`.

In mode `ledgers` silence has two steps, for a stream may be dead while its server is well, and the other way:

    STREAMING ── 30 s without a ledger ──▶ STREAMING anew ── 30 s more ──▶ a look at `/` ── no new ledger ──▶ stale
        ▲                                        │                              └─ there is one ──▶ Lost
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

LIMIT = 200  # records a page and events a connection: the most that Horizon gives


class Horizon:
    """A visit to the Horizon at `endpoint`, which may be asked for `allowance`."""

    def __init__(self, endpoint: str, way: ListenOptions, allowance: Allowance) -> None:
        self._way, self._patience, self._allowance = way, way.patience, allowance
        self._client = StreamClient(way.patience, allowance)
        self._server = ServerAsync(endpoint, self._client)
        self._now = asyncio.get_running_loop().time
        self._bad = 0

    @property
    def dropped(self) -> int:
        """How many events and records made no sense."""
        return self._bad + self._client.dropped

    async def close(self) -> None:
        """End every connection."""
        await self._server.close()

    async def tip(self, network: Network) -> Tip:
        """The last ledger of Horizon's first page, which must be `network`'s."""
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
        if self._way.mode == "operations":
            return self._operations(cursor)
        return self._ledgers(cursor, primer)

    # --- ledgers, and their operations in pages -------------------------------------------------------------

    async def _ledgers(self, cursor: int, primer: bool) -> AsyncGenerator[tuple[int, Ledger], None]:
        pages = 1 if primer else self._way.pages
        async with aclosing(self._closes(cursor)) as closes:
            async for ledger in closes:
                whole = replace(ledger, amounts=await self._amounts(ledger, pages))
                pages = self._way.pages
                yield ((ledger.sequence + 1) << 32) - 1, whole

    async def _closes(self, cursor: int) -> AsyncGenerator[Ledger, None]:
        """Each ledger after `cursor`, once it has closed, still without amounts."""
        quiet = False
        while True:
            last = self._now()
            async with aclosing(self._server.ledgers().cursor(cursor).limit(LIMIT).stream()) as records:
                while True:
                    try:
                        async with asyncio.timeout_at(last + self._patience.ledger):
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
                raise Lost(f"has had no new ledger for {2 * self._patience.ledger:.0f} s", stale=True)
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
                # Behind one name there may be several Horizons, and this one may not have the whole ledger yet.
                await asyncio.sleep(self._patience.again)
                records = await self._page(ledger.sequence, cursor)
            for record in records:
                try:
                    # By number and not by the page's own link, which could name any host.
                    cursor = max(cursor, parse_paging_token(record.get("paging_token")))
                    amounts += amounts_of(record, ledger.sequence)
                except BadRecord:
                    self._bad += 1
            left -= len(records)
        return tuple(amounts)

    async def _page(self, sequence: int, cursor: int) -> list[Record]:
        """Up to 200 operations of a ledger after `cursor`, none where the ledger is not known."""
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
        """Each ledger's operations after `cursor`, with the cursor after them: /operations alone.

        Nothing on that stream says that a ledger is through. It is, once an operation of a later one comes,
        or none at all for `Patience.burst`: longer than taking the stream up again after 200 events, shorter
        than Horizon's pause between two ledgers. Stragglers come as one more Ledger of the same sequence.
        Where none comes for long, a look at `/` tells whether the network is quiet, which is an empty ledger,
        or stands still.
        """
        stream = self._server.operations().include_failed(False).cursor(cursor).limit(LIMIT).stream()
        held: list[Record] = []
        moved = looked = self._now()  # when the network was seen to go on, and when we last looked for it
        latest = cursor >> 32
        async with aclosing(_with_pauses(stream, self._patience.burst)) as records:
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
                    moved = looked = self._now()
                elif self._now() - looked >= self._patience.probe:
                    tip, looked = await self.tip(self._network), self._now()
                    if tip.sequence > latest:
                        latest, moved = tip.sequence, looked
                        # Not further: the stream may be what is quiet, and what it owes is still wanted for a minute.
                        cursor = max(cursor, (latest - CATCH_UP) << 32)
                        yield cursor, Ledger(latest, tip.closed_at, 0, 0, 0, ())
                    elif looked - moved >= 2 * self._patience.ledger:
                        raise Lost(f"has had no new ledger for {looked - moved:.0f} s", stale=True)


async def _with_pauses(
    stream: AsyncGenerator[Record, None], seconds: float
) -> AsyncGenerator[Record | None, None]:
    """What `stream` brings, and None whenever it has brought nothing for `seconds`."""
    brought: deque[Record] = deque()
    more, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async for record in stream:
                brought.append(record)
                more.set()
                if len(brought) == LIMIT:  # a server that never pauses must not fill the memory
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
                reading.result()  # this raises why the stream has ended
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
