# SPDX-License-Identifier: Apache-2.0
"""A session with a Horizon server: its ledgers by SSE and their operations in pages, or all operations by SSE.

A stream is opened at the number where we were and never at `now`, so that what closed in between is not lost. The
listener's process.

Whether a stream works is judged by what the server's root page says, because a stream can be dead or held back by a
proxy while its server is healthy, and a network can be quiet. A proxy that buffers shows at the beginning: a new stream
brings at once what has closed already.

    STREAMING ── 11 s without a ledger ──▶ ask `/` ── no new ledger, for 60 s ──▶ Lost, stale
                                             └─ there is one; 7 s later the stream still lacks it
        the first time in ten minutes ──▶ STREAMING again
        the second time ──▶ PAGES: the same records, asked for every 2.5 s ── late as well ──▶ Lost
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from math import ceil, inf

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
from appliance.ledger.reader.client import Record, StreamClient, records_of
from appliance.ledger.reader.session import CATCH_UP, Cause, ListenOptions, Lost, Tip
from appliance.values import Amount, Ledger

LIMIT = 200  # records of a page and events of a connection: the most that Horizon gives
MOST = 2000  # operations that wait for the end of their ledger: the public network allows 1,000, and some of contracts
LATE_TWICE = 600.0  # s; after a second late stream within this time, pages are read instead
BUFFERED = "buffers its stream, or sends none; its pages are read instead"


class Horizon:
    """A session with the Horizon server at `endpoint`; what it asks for is taken from `allowance`."""

    def __init__(
        self,
        endpoint: str,
        options: ListenOptions,
        allowance: Allowance,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._options, self._timeouts, self._allowance = options, options.timeouts, allowance
        self._client = StreamClient(options.timeouts, allowance, headers)
        self._root = endpoint
        self._now = asyncio.get_running_loop().time
        self._bad = 0
        self._lacked = ""  # that the server announced ledgers and then did not have them, or not to their end
        self._late = -inf  # when a stream was late last

    @property
    def note(self) -> str:
        """What does not work as it should, although ledgers come."""
        return " and ".join(filter(None, [self._client.unstreamed, self._lacked]))

    @property
    def dropped(self) -> int:
        """How many events and records were malformed."""
        return self._bad + self._client.dropped

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    def _url(self, path: str) -> str:
        return f"{self._root.removesuffix('/')}/{path}"

    async def tip(self, network: Network) -> Tip:
        """The last ledger by the server's root page, which must state the passphrase of `network`; raises Lost."""
        root = await self._client.fetch(self._root)
        if root.get("network_passphrase") != network.passphrase:
            raise Lost(Cause.NETWORK, f"serves another network than {network.name}")
        self._network = network
        latest = root.get("history_latest_ledger")
        try:
            closed_at = parse_time(str(root.get("history_latest_ledger_closed_at")))
        except BadRecord:
            latest = None
        if type(latest) is not int or not 0 < latest < 2**31:
            raise Lost(Cause.MALFORMED, "does not say which ledger is its last")
        self._latest = latest
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
        moved = asked = self._now()  # when a ledger came, and when `/` was asked
        while True:
            stream = self._client.stream(self._url("ledgers"), {"cursor": str(cursor), "limit": str(LIMIT)})
            async with aclosing(_with_pauses(stream, self._timeouts.burst)) as records:
                async for record in records:
                    if record is not None:
                        try:
                            ledger = ledger_from_record(record)
                        except BadRecord:
                            self._bad += 1
                            continue
                        if ledger.sequence << 32 > cursor:
                            cursor = ((ledger.sequence + 1) << 32) - 1
                            yield ledger
                            moved = asked = self._now()
                    elif self._latest > cursor >> 32:
                        if self._now() - asked >= self._timeouts.late:
                            break
                    elif self._now() - asked >= self._timeouts.ask:
                        await self.tip(self._network)
                        asked = self._now()
                        if self._latest <= cursor >> 32 and asked - moved >= self._timeouts.stale:
                            raise Lost(Cause.STALE, f"has had no new ledger for {asked - moved:.0f} s")
            self._stream_is_late()
            asked = self._now()

    def _stream_is_late(self) -> None:
        """Give up streams if this is the second that is late; raises Lost if pages have been late as well."""
        if self._client.unstreamed:
            raise Lost(Cause.MALFORMED, "has new ledgers, but does not list them")
        if self._now() - self._late < LATE_TWICE:
            self._client.unstreamed = BUFFERED
        self._late = self._now()

    async def _amounts(self, ledger: Ledger, most: int) -> tuple[Amount, ...]:
        """The amounts of a ledger's first operations, in as few pages as its count of operations needs."""
        amounts: list[Amount] = []
        cursor, left = ledger.sequence << 32, min(ledger.operations, most * LIMIT)
        for page in range(1, ceil(left / LIMIT) + 1):
            if not self._allowance.may_read(page, self._now()):
                return tuple(amounts)
            records = await self._whole_page(ledger.sequence, cursor, min(LIMIT, left))
            for record in records:
                try:
                    # By number and not by the page's link to the next, which could name any host.
                    cursor = max(cursor, parse_paging_token(record.get("paging_token")))
                    amounts += amounts_of(record, ledger.sequence)
                except BadRecord:
                    self._bad += 1
            left -= len(records)
            if not records:
                break
        if left > 0:
            self._lacked = "lacked ledgers that it had announced, or their ends"
        return tuple(amounts)

    async def _whole_page(self, sequence: int, cursor: int, count: int) -> list[Record]:
        """A page that should hold `count` operations.

        One name can stand for several servers, and the one that answers perhaps lacks the ledger, or the end of it. It
        is asked for again: a ledger until the next one is due, its end once.
        """
        due = self._now() + self._timeouts.due
        records = await self._page(sequence, cursor)
        while not records and self._now() < due:
            await asyncio.sleep(self._timeouts.missing)
            records = await self._page(sequence, cursor)
        if len(records) < count and self._now() < due:
            await asyncio.sleep(self._timeouts.again)
            records = await self._page(sequence, cursor) or records
        return records

    async def _page(self, sequence: int, cursor: int) -> list[Record]:
        """Up to 200 operations of a ledger after `cursor`; none if the server does not know the ledger."""
        page = self._url(f"ledgers/{sequence}/operations")
        try:
            return records_of(await self._client.fetch(page, _after(cursor)))
        except Lost as lost:
            if lost.status != 404:
                raise
            return []

    # --- operations alone -----------------------------------------------------------------------------------

    async def _operations(self, cursor: int) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger's operations after `cursor`, with the cursor after them, from /operations alone.

        Nothing on that stream marks the end of a ledger. It has ended when an operation of a later one comes, or none
        at all for `Timeouts.burst`: longer than opening the stream again after 200 events, shorter than Horizon's pause
        between two ledgers. After `MOST` operations the end is not waited for. Operations that come later are one more
        Ledger of the same sequence. When none comes for `Timeouts.probe`, the root page shows whether the network is
        quiet, which is an empty Ledger, or the server is stale.
        """
        held: list[Record] = []
        moved = probed = self._now()  # when the network last moved, and when we last asked for it
        latest = cursor >> 32
        while True:
            stream = self._client.stream(self._url("operations"), _after(cursor))
            async with aclosing(_with_pauses(stream, self._timeouts.burst)) as records:
                async for record in records:
                    try:
                        number = None if record is None else parse_paging_token(record.get("id"))
                    except BadRecord:
                        self._bad += 1
                        continue
                    if number is not None and number <= cursor:
                        continue
                    if held and (number is None or number >> 32 != cursor >> 32 or len(held) >= MOST):
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
                        before, latest = latest, max(latest, tip.sequence)
                        if latest > before:
                            moved = probed
                            # Not further: perhaps only the stream is silent, and its operations count for a minute yet.
                            cursor = max(cursor, (latest - CATCH_UP) << 32)
                            yield cursor, Ledger(latest, tip.closed_at, 0, 0, 0, ())
                        elif probed - moved >= self._timeouts.stale:
                            raise Lost(Cause.STALE, f"has had no new ledger for {probed - moved:.0f} s")
                        if await self._has_operations(cursor, before):
                            break
            self._stream_is_late()

    async def _has_operations(self, cursor: int, sequence: int) -> bool:
        """Whether the server has an operation after `cursor`, in a ledger up to `sequence`."""
        records = records_of(await self._client.fetch(self._url("operations"), _after(cursor, 1)))
        try:
            return bool(records) and parse_paging_token(records[0].get("id")) >> 32 <= sequence
        except BadRecord as error:
            raise Lost(Cause.MALFORMED, "sends operations without an id") from error


def _after(cursor: int, limit: int = LIMIT) -> dict[str, str]:
    """The parameters of a page or a stream of operations."""
    return {"include_failed": "false", "cursor": str(cursor), "limit": str(limit)}


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
