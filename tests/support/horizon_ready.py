# SPDX-License-Identifier: Apache-2.0
"""A Horizon server with as many ledgers as are wanted, of a few operations that repeat.

Its bytes are Horizon's (one event a chunk, pages indented and compressed as Go does) and cost it little CPU, so that
the client is what is measured. A stream stays open after its last event, as on a quiet network.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from tests.support.horizon_faults import head
from tests.support.horizon_records import RECORDED, Chain, Record, clock, ledger_record, payment, rows
from tests.support.horizon_server import BYEBYE, HELLO, HorizonServer, Request, event, render, sse_head

RECORDINGS = (
    "pubnet-2020-07-28-11-ledgers-operations.jsonl.gz",
    "pubnet-2024-09-02-1-ledger-operations.jsonl.gz",
)
FIRST = 60_000_000  # the sequence of the first ledger
PAGE = 200  # operations of a page, and events of a connection
BUSY = 3 * PAGE  # operations of a ledger, as on the public network today; the first and the last have a page
QUIET = 600.0  # s that a stream stays open after its last event


def operations() -> tuple[list[Record], str]:
    """Operations to say over and over, and what they are."""
    paths = [RECORDED / name for name in RECORDINGS]
    if all(path.exists() for path in paths):
        return [record for path in paths for record in rows(path)], "recorded operations"
    return [payment(FIRST, number, f"{number}.0000001") for number in range(1, 2001)], "generated payments"


class Ready(HorizonServer):
    """Serves `count` operations, which is a page and two more than whole ledgers have, from FIRST on."""

    def __init__(self, records: Sequence[Record], count: int) -> None:
        ledgers, rest = divmod(count - 2 * PAGE, BUSY)
        assert not rest, f"{count} operations are not two pages and whole ledgers of {BUSY}"
        self._sizes = (PAGE, *[BUSY] * ledgers, PAGE)
        super().__init__(Chain("generated", [ledger_record(FIRST, clock(0), PAGE, PAGE)]), tip=FIRST)
        # As events and as pages have them, with the number that is replaced in each.
        self._texts = [
            (record["id"], render(record), render(record, 2).replace("\n", "\n      ")) for record in records
        ]
        self._pages: dict[tuple[str, int], bytes] = {}

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        cursor = int(asked.headers.get("last-event-id") or asked.query.get("cursor", "0"))
        if asked.streaming:
            return await self._say(asked, cursor, reader, writer)
        key = asked.path, cursor
        if key not in self._pages:
            self._pages[key] = self._packed(asked.path, cursor)
        writer.write(self._pages[key])
        self.sent += len(self._pages[key])
        await writer.drain()
        return True

    async def _say(
        self, asked: Request, cursor: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        following = self._closes(cursor) if asked.path == "/ledgers" else self._moves(cursor)
        messages = list(islice(following, asked.limit))
        writer.write(sse_head())
        for message in (HELLO, *messages):
            self._chunk(writer, message)
        self.sent += len(sse_head())
        await writer.drain()
        if len(messages) < asked.limit:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), QUIET)
            return False
        self._chunk(writer, BYEBYE)
        self._chunk(writer, b"")
        await writer.drain()
        return True

    def _closes(self, cursor: int) -> Iterator[bytes]:
        """The events of the ledgers after a cursor."""
        for at in range((cursor >> 32) + 1 - FIRST, len(self._sizes)):
            size = self._sizes[at]
            yield event(ledger_record(FIRST + at, clock(at), size, size))

    def _moves(self, cursor: int) -> Iterator[bytes]:
        """The events of the operations after a cursor."""
        for at in range(max(0, (cursor >> 32) - FIRST), len(self._sizes)):
            for number in range(1, self._sizes[at] + 1):
                token = FIRST + at << 32 | number << 12 | 1
                if token > cursor:
                    was, text, _ = self._text(at, number)
                    yield f"id: {token}\ndata: {text.replace(was, str(token))}\n\n".encode()

    def _text(self, at: int, number: int) -> tuple[str, str, str]:
        return self._texts[(at * BUSY + number) % len(self._texts)]

    def _packed(self, path: str, cursor: int) -> bytes:
        """The page of a ledger's operations after a cursor, or the first page of all."""
        if path == "/":
            return _page(render(self._root(), indent=2))
        at, before = int(path.split("/")[2]) - FIRST, (cursor & 0xFFFF_FFFF) >> 12
        records = []
        for number in range(before + 1, before + PAGE + 1):
            was, _, text = self._text(at, number)
            records.append(text.replace(was, str(FIRST + at << 32 | number << 12 | 1)))
        listed = ",\n      ".join(records)
        return _page(f'{{\n  "_embedded": {{\n    "records": [\n      {listed}\n    ]\n  }}\n}}')


def _page(text: str) -> bytes:
    """A page, packed as Go packs by default."""
    body = gzip.compress(text.encode(), 6, mtime=0)
    kind = {"Content-Type": "application/hal+json; charset=utf-8", "Content-Encoding": "gzip"}
    return head(200, kind | {"Content-Length": str(len(body))}) + body
