# SPDX-License-Identifier: Apache-2.0
"""The way to a Horizon: the SDK's server object on a client that outlasts whatever a network does to it.

The one rule: a server can make a request fail, but never hang, flood the memory or raise anything but Lost.
The only file that imports stellar_sdk and aiohttp; it runs in the listener's process and nowhere else, for
the two cost some 55 MB.

Why a client of our own: the SDK's stream waits 300 s on a dead connection, hides Horizon's error events, ends
for good at the first break or 429, and reads lines of any length. To override `stream` is the way it offers.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from stellar_sdk.client.aiohttp_client import AiohttpClient
from stellar_sdk.client.response import Response
from stellar_sdk.server_async import ServerAsync

from appliance.ledger.backoff import retry_after
from appliance.ledger.sse import Event, EventTooLong, Parser
from appliance.values import BoxError

__all__ = ["Lost", "Page", "Patience", "Record", "ServerAsync", "StreamClient", "fetch"]

MAX_PAGE = 4 * 2**20  # bytes after unpacking; a page of 200 operations has 226 kB

AGAIN = 0.02  # seconds until a stream that Horizon has ended is taken up again; it asks for 10 ms
EMPTY = (
    1.0  # the same for one that brought nothing: after 55 s it makes no odds, after none it must not hammer
)

Record = dict[str, Any]


class Lost(BoxError, ConnectionError):
    """The end of an attempt. Its text goes on after the server's name and tells the owner why."""

    def __init__(
        self, reason: str, *, limited: bool = False, retry_after: float = 0.0, stale: bool = False
    ) -> None:
        super().__init__(reason)
        self.limited = limited  # the server asks for fewer requests
        self.retry_after = retry_after  # seconds that it asks for, 0 if it does not say
        self.stale = stale  # the server answers, but its ledgers stand still


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each part of a conversation may take, in seconds."""

    connect: float = 10.0  # name, TCP and TLS
    answer: float = 20.0  # from a request to the end of the answer's header
    page: float = 15.0  # from a request to the last byte of its page
    silence: float = 70.0  # without a byte on a stream: Horizon itself ends a quiet one after 55 s
    ledger: float = 90.0  # without a new ledger: they close every 5 to 6 s
    burst: float = 1.5  # a pause that ends a ledger's operations: Horizon looks for new ones every 5 s


class StreamClient(AiohttpClient):
    """The SDK's client with a `stream` that is fit for months and a `get` that cannot be flooded.

    Both raise Lost and nothing else that a server could cause. A stream never ends otherwise: what Horizon
    ends in good order is taken up again. One stream at a time.
    """

    def __init__(self, patience: Patience) -> None:
        super().__init__(user_agent="stellar-wind-box")
        self.patience = patience
        self.dropped = 0  # events that made no sense
        self._stream: AsyncGenerator[Record, None] | None = None

    async def close(self) -> None:
        """End the stream and every connection."""
        if self._stream is not None:  # the SDK's wrapper around it leaves it to the garbage collector
            await self._stream.aclose()
        await super().close()

    async def get(
        self, url: str, params: dict[str, str] | None = None, max_content_size: int | None = None
    ) -> Response:
        """One page of at most `max_content_size` bytes, or MAX_PAGE, after unpacking."""
        with _as_lost():
            async with (
                asyncio.timeout(self.patience.page),
                self._ask(url, params, "application/json", "gzip") as response,
            ):
                body = await _body(response, max_content_size or MAX_PAGE)
                return Response(response.status, body.decode(errors="replace"), dict(response.headers), url)

    def stream(self, url: str, params: dict[str, str] | None = None) -> AsyncGenerator[Record, None]:
        """The records of a Horizon stream after the cursor in `params`, in its order."""
        self._stream = self._records(url, dict(params or {}))
        return self._stream

    async def _records(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Record, None]:
        while True:
            fruitful = False
            async with aclosing(self._events(url, asked)) as events:
                async for event in events:
                    if event.name == "error":
                        raise Lost("ends the stream", limited="rate_limit" in event.data)
                    if (record := self._record(event)) is not None:
                        asked["cursor"] = event.id or asked.get("cursor", "")
                        fruitful = True
                        yield record
            await asyncio.sleep(AGAIN if fruitful else EMPTY)

    async def _events(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Event, None]:
        """The events of one connection. Ends where Horizon says byebye, and nowhere else."""
        parser, name = Parser(), ""
        with _as_lost():
            try:
                async with self._ask(url, asked, "text/event-stream", "identity") as response:
                    while chunk := await self._chunk(response):
                        for event in parser.feed(chunk):
                            name = event.name
                            yield event
            finally:
                self.dropped += parser.dropped
        if name != "close":
            raise Lost("hangs up")

    async def _chunk(self, response: aiohttp.ClientResponse) -> bytes:
        """The next bytes of a stream, none at its end."""
        async with asyncio.timeout(self.patience.silence):
            return await response.content.readany()

    def _record(self, event: Event) -> Record | None:
        """The record that an event brings; hello and byebye bring none."""
        if event.name != "message":
            return None
        try:
            record = json.loads(event.data)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            self.dropped += 1
            return None
        return record

    @asynccontextmanager
    async def _ask(
        self, url: str, params: dict[str, str] | None, form: str, encoding: str
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a request, once it is known to be in the form asked for."""
        if self._session is None:
            # We unpack by ourselves, with a bound. No cookies, no proxies from the environment, and TLS as it
            # is by default: verified.
            self._session = aiohttp.ClientSession(
                headers=self.headers,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self.patience.connect),
                trust_env=False,
            )
        headers = {"Accept": form, "Accept-Encoding": encoding}
        async with asyncio.timeout(self.patience.answer):
            # A redirect is refused like any other answer that is not the page: it could lead to any host.
            response = await self._session.get(url, params=params, headers=headers, allow_redirects=False)
        async with response:
            if response.status == 429:
                wait = retry_after(response.headers.get("Retry-After"))
                raise Lost("asks to slow down", limited=True, retry_after=wait)
            if response.status != 200:
                raise Lost(f"answers with status {response.status}")
            if not response.content_type.endswith(form.removeprefix("application/")):  # also hal+json
                raise Lost("sends no Horizon data (does the Wi-Fi want a login?)")
            if response.headers.get("Content-Encoding", "identity") not in ("identity", encoding):
                raise Lost("sends its data in a packing that was not asked for")
            yield response


class Page(Protocol):
    """What the SDK calls a call builder, as far as we use it."""

    async def call(self) -> Record:
        """Fetch the page."""


async def fetch(page: Page) -> Record:
    """The JSON object that a page of Horizon's is; raises Lost."""
    try:
        return await page.call()
    except (ValueError, AttributeError, RecursionError) as error:  # no JSON; no object; an absurd one
        raise Lost("sends pages that are none of Horizon's") from error


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, unpacked; Lost if it is longer than `most` bytes, packed or not."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise Lost("sends a page without end")
    if response.headers.get("Content-Encoding", "identity") == "identity":
        return bytes(body)
    unpacker = zlib.decompressobj(wbits=31)  # 31: with the header and checksum of gzip
    try:
        unpacked = unpacker.decompress(body, most)
    except zlib.error as error:
        raise Lost("sends a damaged page") from error
    if not unpacker.eof:
        raise Lost("sends a page that is cut, or too long")
    return unpacked


@contextmanager
def _as_lost() -> Iterator[None]:
    """Turn whatever a network can throw into Lost, in words for the owner."""
    try:
        yield
    except Lost:
        raise
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise Lost("cannot prove who it is (is the date right?)") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise Lost("cannot be found (is there a network?)") from error
    except TimeoutError as error:
        raise Lost("does not answer") from error
    except aiohttp.ClientConnectorError as error:
        raise Lost("cannot be reached") from error
    except EventTooLong as error:
        raise Lost("sends an event without end") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Lost("breaks the connection") from error
