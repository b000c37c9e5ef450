# SPDX-License-Identifier: Apache-2.0
"""A Stellar network as Horizon tells it: its ledgers, one after the other, for as long as somebody listens.

The one rule: resume by number where we were, and never at `now`: what closed while we were away is not lost.
Runs in the listener's process and nowhere else, because it imports `client`.

    CONNECTING ── Horizon's first page, then its stream ──▶ LIVE ── ledgers ──▶ ...
        ▲                                                    │
        └── wait ── BACKING_OFF, or STALE: it stands still ◀─┴── whatever goes wrong, in either state

Whatever can go wrong with a server is one error, Lost, and there is one place that waits: `follow`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from math import ceil
from typing import Literal
from urllib.parse import urlsplit

from appliance.ledger.amounts import BadRecord, amounts_of, closed, gathered, token
from appliance.ledger.backoff import Backoff
from appliance.ledger.client import Lost, Patience, Record, ServerAsync, StreamClient, fetch
from appliance.ledger.networks import Network
from appliance.values import Amount, Ledger, Link, LinkState

log = logging.getLogger(__name__)

LIMIT = 200  # records a page and events a connection: the most that Horizon gives
CATCH_UP = 12  # ledgers, about a minute; a longer absence is not replayed into the music
TRIES = 3  # failures before the next endpoint of the list gets its turn

Mode = Literal["ledgers", "operations"]


class _Visit:
    """One attempt with one endpoint: from its first page until it is Lost."""

    def __init__(self, endpoint: str, patience: Patience, pages: int) -> None:
        self._patience, self._pages = patience, pages
        self._client = StreamClient(patience)
        self._server = ServerAsync(endpoint, self._client)
        self._bad = 0

    @property
    def dropped(self) -> int:
        """How many events and records made no sense."""
        return self._bad + self._client.dropped

    async def close(self) -> None:
        """End every connection."""
        await self._server.close()

    async def start(self, network: Network, cursor: int | None) -> int:
        """The cursor to go on from, once the endpoint has shown that it serves `network`.

        That is `cursor` after a short absence, else the one just before the last closed ledger: its own
        amounts come at once, and something sounds while the next one is still open.
        """
        root = await fetch(self._server.root())
        if root.get("network_passphrase") != network.passphrase:
            raise Lost(f"serves another network than {network.name}")
        latest = root.get("history_latest_ledger")
        if type(latest) is not int or not 0 < latest < 2**31:
            raise Lost("does not say which ledger is its last")
        if cursor is not None and abs(latest - (cursor >> 32)) <= CATCH_UP:
            return cursor
        return (latest << 32) - 1

    async def ledgers(self, cursor: int) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each closed ledger after `cursor`, with the cursor after it: /ledgers, then operations in pages."""
        async with aclosing(self._server.ledgers().cursor(cursor).limit(LIMIT).stream()) as records:
            while True:
                try:
                    async with asyncio.timeout(self._patience.ledger):
                        ledger = closed(await anext(records))
                except TimeoutError:
                    reason = f"has had no new ledger for {self._patience.ledger:.0f} s"
                    raise Lost(reason, stale=True) from None
                except BadRecord:
                    self._bad += 1
                    continue
                if ledger.sequence << 32 > cursor:
                    cursor = ledger.sequence << 32
                    yield cursor, replace(ledger, amounts=await self._amounts(ledger))

    async def _amounts(self, ledger: Ledger) -> tuple[Amount, ...]:
        """The amounts of a ledger's first operations, in as few pages as its count of operations needs."""
        amounts: list[Amount] = []
        cursor = ledger.sequence << 32
        for _ in range(min(self._pages, ceil(ledger.operations / LIMIT))):
            page = self._server.operations().for_ledger(ledger.sequence).include_failed(False)
            try:
                records = (await fetch(page.cursor(cursor).limit(LIMIT)))["_embedded"]["records"]
                # By number and not by the page's own link, which could name any host.
                cursor = token(records[-1]["paging_token"]) if records else cursor
            except (KeyError, TypeError, BadRecord) as error:
                raise Lost("sends pages without operations") from error
            for record in records:
                try:
                    amounts += amounts_of(record, ledger.sequence)
                except BadRecord:
                    self._bad += 1
        return tuple(amounts)

    async def operations(self, cursor: int) -> AsyncGenerator[tuple[int, Ledger], None]:
        """Each ledger's operations after `cursor`, with the cursor after them: /operations alone.

        Nothing on that stream says that a ledger is through. It is, once an operation of a later one comes,
        or none at all for `Patience.burst`: longer than taking the stream up again after 200 events, shorter
        than Horizon's pause between two ledgers. Stragglers come as one more Ledger of the same sequence.
        """
        stream = self._server.operations().include_failed(False).cursor(cursor).limit(LIMIT).stream()
        held: list[Record] = []
        async with aclosing(_with_pauses(stream, self._patience.burst)) as records:
            async for record in records:
                try:
                    number = None if record is None else token(record.get("id"))
                except BadRecord:
                    self._bad += 1
                    continue
                if number is not None and number <= cursor:
                    continue
                if held and (number is None or number >> 32 != cursor >> 32):
                    ledger, bad = gathered(cursor >> 32, held)
                    self._bad += bad
                    held = []
                    if ledger is not None:
                        yield cursor, ledger
                if record is not None and number is not None:
                    held.append(record)
                    cursor = number


async def _with_pauses(
    stream: AsyncGenerator[Record, None], seconds: float
) -> AsyncGenerator[Record | None, None]:
    """What `stream` brings, and None whenever it has brought nothing for `seconds`."""
    coming = asyncio.ensure_future(anext(stream))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=seconds)
            if not done:
                yield None
                continue
            record = coming.result()
            coming = asyncio.ensure_future(anext(stream))
            yield record
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def follow(
    network: Network,
    *,
    mode: Mode = "ledgers",
    pages: int = 3,
    patience: Patience | None = None,
    backoff: Backoff | None = None,
) -> AsyncGenerator[Ledger | Link, None]:
    """The ledgers of `network` from the last closed one on, and each change of the link's state; for ever.

    Mode `ledgers` streams ledger closes and fetches at most `pages` pages of 200 operations for each: 3 show
    87 % of what a busy network does and keep within Horizon's limit of one request a second. Mode
    `operations` streams all operations, for a Horizon of one's own. Nothing that a server does is raised; to
    stop, cancel the task.
    """
    patience, backoff = patience or Patience(), backoff or Backoff()
    now = asyncio.get_running_loop().time
    cursor: int | None = None
    while True:
        # After a healthy minute the failures begin at 0 again, and with them the list.
        endpoint = network.endpoints[backoff.failures // TRIES % len(network.endpoints)]
        yield Link(LinkState.CONNECTING, network.name)
        live = False
        visit = _Visit(endpoint, patience, pages)
        try:
            cursor = await visit.start(network, cursor)
            coming = visit.ledgers(cursor) if mode == "ledgers" else visit.operations(cursor)
            async with aclosing(coming) as ledgers:
                async for cursor, ledger in ledgers:  # noqa: B007 - the next attempt goes on from it
                    backoff.well(now())
                    if not live:
                        live = True
                        yield Link(LinkState.LIVE, network.name)
                    yield ledger
        except Lost as lost:
            wait = backoff.failed(limited=lost.limited, retry_after=lost.retry_after)
            state = LinkState.STALE if lost.stale else LinkState.BACKING_OFF
            reason = f"{urlsplit(endpoint).hostname} {lost}"
        finally:
            await visit.close()
            if visit.dropped:
                log.warning(
                    "%s sent %d records that made no sense", urlsplit(endpoint).hostname, visit.dropped
                )
        yield Link(state, network.name, reason, wait)
        await asyncio.sleep(wait)
