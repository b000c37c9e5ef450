# SPDX-License-Identifier: Apache-2.0
"""A Horizon server behind something that changes its answers: a gateway, a proxy that buffers, a load balancer.

For what is wrong with all answers, as against the faults of single ones in tests/support/horizon_server.py.
"""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.horizon_faults import head, problem
from tests.support.horizon_records import Chain, Record
from tests.support.horizon_server import HorizonServer, Request, render


class Buffering(HorizonServer):
    """Behind a proxy that passes a stream on in lumps of `size` bytes, or when it ends; nginx does by default."""

    def __init__(self, chain: Chain, *, size: int = 8192, **options: Any) -> None:
        super().__init__(chain, **options)
        self._size, self._held = size, bytearray()

    def _chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._held += data
        if not data or len(self._held) >= self._size:
            super()._chunk(writer, bytes(self._held))
            self._held.clear()
            if not data:
                super()._chunk(writer, b"")


class Gateway(HorizonServer):
    """Below `path`, answers streams with `stream` instead: JSON as a page, or other raw bytes.

    `pack` packs a page's body and says its Content-Encoding; `kind` replaces the Content-Type of pages, None leaves it
    out; `field` is one more header of every page. Requests that do not begin with `path` are redirected to it.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        path: str = "/",
        stream: Callable[[], bytes] | None = None,
        json: bool = False,
        pack: tuple[Callable[[bytes], bytes], str] | None = None,
        kind: str | None = "application/hal+json",
        field: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(chain, **options)
        self._path, self._streams, self._json = path, stream, json
        self._pack, self._kind, self._field = pack, kind, field or {}

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if not asked.path.startswith(self._path):
            self.requests.append(asked)
            writer.write(head(301, {"Location": f"{self._path}?key=SECRET", "Content-Length": "0"}))
            return True
        below = Request("/" + asked.path.removeprefix(self._path), asked.query, asked.headers)
        if not asked.streaming or not (self._json or self._streams):
            return await super()._answer(below, reader, writer)
        self.requests.append(below)
        if self._streams:
            writer.write(self._streams())
        else:
            self._send(writer, below, *self._page(below), "")
        return True

    def _send(
        self, writer: asyncio.StreamWriter, asked: Request, status: int, record: Record, wait: str = ""
    ) -> None:
        if status != 200:
            super()._send(writer, asked, status, record, wait)
            return
        body = render(record, indent=2).encode()
        fields = {"Content-Type": self._kind} if self._kind is not None else {}
        if self._pack:
            body, fields["Content-Encoding"] = self._pack[0](body), self._pack[1]
        writer.write(head(200, {**fields, **self._field, "Content-Length": str(len(body))}) + body)


class Nodes(HorizonServer):
    """A name for two nodes: each request, or each connection, meets one of them by chance; one is `behind`."""

    def __init__(
        self, chain: Chain, *, behind: int, seed: int = 1, sticky: bool = False, **options: Any
    ) -> None:
        super().__init__(chain, **options)
        self._behind, self._chance, self._sticky = behind, random.Random(seed), sticky
        self._lags: dict[asyncio.StreamWriter, bool] = {}
        self.missed = 0  # requests for a ledger that the node did not have

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        lags = self._chance.random() < 0.5
        if self._sticky:  # every second connection
            lags = self._lags.setdefault(writer, len(self._lags) % 2 == 1)
        ledger = asked.path.split("/")[2:3]
        if lags and ledger and int(ledger[0]) > self.tip - self._behind:
            self.requests.append(asked)
            self.missed += 1
            self._send(writer, asked, 404, problem(404))
            return True
        return await super()._answer(asked, reader, writer)


def members(body: bytes) -> bytes:
    """Gzip of two members, as some caches and `cat` make it."""
    return gzip.compress(body[:100]) + gzip.compress(body[100:])
