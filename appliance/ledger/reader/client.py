# SPDX-License-Identifier: Apache-2.0
"""The way to a server: the SDK's server objects on a client that outlasts whatever a network does to it.

The one rule: a server can make a request fail, but never hang, flood the memory or raise anything but Lost.
The only file that connects by stellar_sdk and aiohttp; it runs in the listener's process and nowhere else, for
the two cost some 55 MB.

Why a client of our own: the SDK's stream waits 300 s on a dead connection, hides Horizon's error events, ends
for good at the first break or 429, and reads lines of any length. To override `stream` is the way it offers.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
from stellar_sdk.client.aiohttp_client import AiohttpClient
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import SdkError, SorobanRpcErrorResponse
from stellar_sdk.server_async import ServerAsync
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    EventInfo,
    GetEventsResponse,
    Transaction,
)
from stellar_sdk.soroban_server_async import SorobanServerAsync

from appliance.ledger.reader.backoff import retry_after
from appliance.ledger.reader.budget import HEADER, Allowance
from appliance.ledger.reader.session import Lost, Timeouts
from appliance.ledger.reader.sse import Event, EventTooLong, Parser

__all__ = [
    "EventFilter",
    "EventFilterType",
    "EventInfo",
    "GetEventsResponse",
    "Page",
    "Record",
    "ServerAsync",
    "SorobanServerAsync",
    "StreamClient",
    "Transaction",
    "answer",
    "fetch",
]

MAX_PAGE = 4 * 2**20  # bytes after unpacking; a page of 200 operations has 226 kB

AGAIN = 0.02  # seconds until a stream that Horizon has ended is taken up again; it asks for 10 ms

BROKEN = "breaks the connection"

Record = dict[str, Any]
V = TypeVar("V")


class StreamClient(AiohttpClient):
    """The SDK's client with a `stream` that is fit for months and a `get` that cannot be flooded.

    Both raise Lost and nothing else that a server could cause. A stream never ends otherwise: what Horizon
    ends in good order is taken up again. One stream at a time. Every request and every record of a stream, and
    every byte, is taken from `allowance`; a request waits until there is one left.
    """

    def __init__(self, patience: Timeouts, allowance: Allowance) -> None:
        super().__init__(user_agent="stellar-wind-box")
        self.patience, self._allowance = patience, allowance
        self._now = asyncio.get_running_loop().time
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
        return await self._page(url, max_content_size or MAX_PAGE, params=params)

    async def post(
        self, url: str, data: dict[str, str] | None = None, json_data: Record | None = None
    ) -> Response:
        """The answer to a question in JSON, of at most MAX_PAGE after unpacking; `data` is for what we never send."""
        return await self._page(url, MAX_PAGE, json=json_data)

    async def _page(self, url: str, most: int, **question: Any) -> Response:
        await self._turn()
        with _as_lost():
            async with (
                asyncio.timeout(self.patience.page),
                self._ask(url, "application/json", "gzip", **question) as response,
            ):
                packed = await _body(response, most)
                self._allowance.traffic.take(self._now(), len(packed))
                body = _unpacked(packed, most) if "Content-Encoding" in response.headers else packed
                return Response(response.status, body.decode(errors="replace"), dict(response.headers), url)

    async def _turn(self) -> None:
        """Wait until a request may go."""
        await asyncio.sleep(self._allowance.requests.wait(self._now()))

    def stream(self, url: str, params: dict[str, str] | None = None) -> AsyncGenerator[Record, None]:
        """The records of a Horizon stream after the cursor in `params`, in its order."""
        self._stream = self._records(url, dict(params or {}))
        return self._stream

    async def _records(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Record, None]:
        while True:
            begun, brought = self._now(), 0
            async with aclosing(self._events(url, asked)) as events:
                async for event in events:
                    if event.name == "error":
                        raise Lost("ends the stream", limited="rate_limit" in event.data)
                    if (record := self._record(event)) is not None:
                        asked["cursor"] = event.id or asked.get("cursor", "")
                        brought += 1
                        self._allowance.requests.take(
                            self._now()
                        )  # Horizon counts every delivery as a request
                        yield record
            if brought < int(asked.get("limit", 0)) and self._now() - begun < self.patience.stream:
                raise Lost("ends its streams too early")  # taken up again at once, it would be hammered
            await asyncio.sleep(AGAIN)

    async def _events(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Event, None]:
        """The events of one connection. Ends where Horizon says byebye, and nowhere else."""
        parser, name = Parser(), ""
        await self._turn()
        with _as_lost():
            try:
                async with self._ask(url, "text/event-stream", "identity", params=asked) as response:
                    # Only whole events move the deadline: a server that trickles bytes is as dead as a silent one.
                    deadline = self._now() + self.patience.answer
                    while chunk := await _chunk(response, deadline):
                        self._allowance.traffic.take(self._now(), len(chunk))
                        whole = False
                        for event in parser.feed(chunk):
                            whole, name = True, event.name
                            yield event
                        if whole:
                            deadline = self._now() + self.patience.silence
            finally:
                self.dropped += parser.dropped
        if name != "close":
            raise Lost("hangs up")

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
        self, url: str, form: str, encoding: str, **question: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a GET with `params`, or a POST with `json`, once it is known to be in the form asked for."""
        if self._session is None:
            self._session = self._open(url)
        headers = {"Accept": form, "Accept-Encoding": encoding}
        method = "POST" if "json" in question else "GET"
        async with asyncio.timeout(self.patience.answer):
            # A redirect is refused like any other answer that is not the page: it could lead to any host.
            response = await self._session.request(
                method, url, headers=headers, allow_redirects=False, **question
            )
        async with response:
            if response.status == 429:
                wait = retry_after(response.headers.get("Retry-After"))
                raise Lost("asks to slow down", limited=True, retry_after=wait)
            if response.status != 200:
                raise Lost(f"answers with status {response.status}", status=response.status)
            if not response.content_type.endswith(form.removeprefix("application/")):  # also hal+json
                raise Lost("sends a web page and no ledgers (does the Wi-Fi want a login?)")
            if response.headers.get("Content-Encoding", "identity") not in ("identity", encoding):
                raise Lost("sends its data in a packing that was not asked for")
            yield response

    def _open(self, url: str) -> aiohttp.ClientSession:
        """A session that verifies TLS, unpacks nothing, keeps no cookies and asks no environment for proxies."""

        async def sent(_: object, request: SimpleNamespace, __: object) -> None:
            # aiohttp repeats a GET by itself when its connection breaks: nobody would count that, or wait for it.
            if vars(request).setdefault("sent", False):
                raise Lost(BROKEN)
            request.sent = True
            self._allowance.requests.take(self._now())
            self._allowance.traffic.take(self._now(), HEADER)

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(sent)
        # Certificates are read for each visit: an update of the system's counts at once. They take 20 ms.
        trust = ssl.create_default_context() if urlsplit(url).scheme == "https" else True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            headers=self.headers,
            auto_decompress=False,  # we unpack by ourselves, with a bound
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.patience.connect),
            trust_env=False,
            trace_configs=[trace],
        )


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


async def answer(question: Awaitable[V]) -> V:
    """What an RPC server answers to a question of the SDK's; raises Lost, with its code where it refuses."""
    try:
        return await question
    except SorobanRpcErrorResponse as error:  # its words are not repeated: they may hold anything
        raise Lost(f"refuses what it is asked, with code {error.code}", status=error.code) from error
    except (SdkError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise Lost("sends answers that are no Stellar RPC server's") from error


async def _chunk(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The next bytes of a stream, none at its end."""
    async with asyncio.timeout_at(deadline):
        return await response.content.readany()


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body as it comes; Lost if it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise Lost("sends a page without end")
    return bytes(body)


def _unpacked(body: bytes, most: int) -> bytes:
    """What gzip has packed; Lost if it is longer than `most` bytes."""
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
        raise Lost("cannot prove who it is (is the date right?)", unproven=True) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise Lost("cannot be found (is there a network?)", unfound=True) from error
    except TimeoutError as error:
        raise Lost("does not answer") from error
    except aiohttp.ClientConnectorError as error:
        raise Lost("cannot be reached") from error
    except EventTooLong as error:
        raise Lost("sends an event without end") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Lost(BROKEN) from error
