# SPDX-License-Identifier: Apache-2.0
"""HTTP to a server: the SDK's server object on a client that stays reliable for months.

A server can make a request fail, but not hang, fill the memory or raise anything but Lost. The only file that imports
aiohttp, which costs some 55 MB together with stellar_sdk. The listener's process.

Why a client of our own: the SDK's stream waits 300 s on a dead connection, hides Horizon's error events, ends for good
at the first break or 429, and reads lines of any length. Overriding `stream` is how the SDK lets one replace it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from stellar_sdk.client.aiohttp_client import AiohttpClient
from stellar_sdk.client.response import Response
from stellar_sdk.server_async import ServerAsync

from appliance.ledger.reader.backoff import retry_after
from appliance.ledger.reader.budget import HEADER, Allowance
from appliance.ledger.reader.session import Lost, Timeouts
from appliance.ledger.reader.sse import Event, EventTooLong, Parser

__all__ = ["Page", "Record", "ServerAsync", "StreamClient", "fetch"]

MAX_PAGE = 4 * 2**20  # bytes after unpacking; a page of 200 operations has 226 kB

AGAIN = 0.02  # seconds until a stream that Horizon has ended is taken up again; it asks for 10 ms

BROKEN = "breaks the connection"

Record = dict[str, Any]


class StreamClient(AiohttpClient):
    """The SDK's client with a `stream` that lasts for months and a `get` of bounded size.

    Both raise Lost and nothing else that a server could cause. A stream does not end otherwise: where Horizon ends it
    in order, it is opened again. One stream at a time. Every request, every record of a stream and every byte is taken
    from `allowance`; a request waits until there is one left.
    """

    def __init__(self, timeouts: Timeouts, allowance: Allowance) -> None:
        super().__init__(user_agent="stellar-wind-box")
        self._timeouts, self._allowance = timeouts, allowance
        self._now = asyncio.get_running_loop().time
        self.dropped = 0  # malformed events
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
        """The answer to a JSON request, of at most MAX_PAGE after unpacking; we send no `data`."""
        return await self._page(url, MAX_PAGE, json=json_data)

    async def _page(self, url: str, most: int, **question: Any) -> Response:
        await self._turn()
        with _as_lost():
            async with (
                asyncio.timeout(self._timeouts.page),
                self._ask(url, "application/json", "gzip", **question) as response,
            ):
                packed = await _body(response, most)
                self._allowance.traffic.take(self._now(), len(packed))
                body = _unpacked(packed, most) if "Content-Encoding" in response.headers else packed
                return Response(response.status, body.decode(errors="replace"), dict(response.headers), url)

    async def _turn(self) -> None:
        """Wait until a request is allowed."""
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
                        # Horizon counts every delivery as a request.
                        self._allowance.requests.take(self._now())
                        yield record
            if brought < int(asked.get("limit", 0)) and self._now() - begun < self._timeouts.stream:
                raise Lost("ends its streams too early")  # opened again at once, it would be flooded
            await asyncio.sleep(AGAIN)

    async def _events(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Event, None]:
        """The events of one connection. Ends with Horizon's event `close`, and nowhere else."""
        parser, name = Parser(), ""
        await self._turn()
        with _as_lost():
            try:
                async with self._ask(url, "text/event-stream", "identity", params=asked) as response:
                    # Only whole events move the deadline: a server that trickles bytes is as bad as a silent one.
                    deadline = self._now() + self._timeouts.answer
                    while chunk := await _chunk(response, deadline):
                        self._allowance.traffic.take(self._now(), len(chunk))
                        whole = False
                        for event in parser.feed(chunk):
                            whole, name = True, event.name
                            yield event
                        if whole:
                            deadline = self._now() + self._timeouts.silence
            finally:
                self.dropped += parser.dropped
        if name != "close":
            raise Lost("breaks off the stream")

    def _record(self, event: Event) -> Record | None:
        """The record in an event; hello and byebye hold none."""
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
        """The answer to a GET with `params`, or a POST with `json`, once its header is as requested."""
        if self._session is None:
            self._session = self._open(url)
        headers = {"Accept": form, "Accept-Encoding": encoding}
        method = "POST" if "json" in question else "GET"
        async with asyncio.timeout(self._timeouts.answer):
            # A redirect is refused: it could lead to any host.
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
                raise Lost("sends a web page instead of ledgers (does the Wi-Fi need a login?)")
            if response.headers.get("Content-Encoding", "identity") not in ("identity", encoding):
                raise Lost("sends an encoding that was not requested")
            yield response

    def _open(self, url: str) -> aiohttp.ClientSession:
        """A session that verifies TLS, unpacks nothing, keeps no cookies and uses no proxy of the environment."""

        async def sent(_: object, request: SimpleNamespace, __: object) -> None:
            # aiohttp repeats a GET by itself when its connection breaks; that would be neither counted nor waited for.
            if vars(request).setdefault("sent", False):
                raise Lost(BROKEN)
            request.sent = True
            self._allowance.requests.take(self._now())
            self._allowance.traffic.take(self._now(), HEADER)

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(sent)
        # Certificates are read for each session, so that an update of the system's applies at once. It takes 20 ms.
        trust = ssl.create_default_context() if urlsplit(url).scheme == "https" else True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            headers=self.headers,
            auto_decompress=False,  # `_unpacked` does it, with a bound
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect),
            trust_env=False,
            trace_configs=[trace],
        )


class Page(Protocol):
    """What we use of the SDK's call builders."""

    async def call(self) -> Record:
        """Fetch the page."""


async def fetch(page: Page) -> Record:
    """The JSON object of a page of Horizon's; raises Lost."""
    try:
        return await page.call()
    except (ValueError, AttributeError, RecursionError) as error:  # no JSON; no object; nested too deep
        raise Lost("sends pages that are not Horizon's") from error


async def _chunk(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The next bytes of a stream, none at its end."""
    async with asyncio.timeout_at(deadline):
        return await response.content.readany()


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, still packed; raises Lost if it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise Lost("sends a page that is too long")
    return bytes(body)


def _unpacked(body: bytes, most: int) -> bytes:
    """The body without gzip; raises Lost if it is longer than `most` bytes."""
    unpacker = zlib.decompressobj(wbits=31)  # 31: with the header and checksum of gzip
    try:
        unpacked = unpacker.decompress(body, most)
    except zlib.error as error:
        raise Lost("sends a damaged page") from error
    if not unpacker.eof:
        raise Lost("sends a page that is cut off or too long")
    return unpacked


@contextmanager
def _as_lost() -> Iterator[None]:
    """Turn every error that a network can cause into Lost, with a reason for the owner."""
    try:
        yield
    except Lost:
        raise
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise Lost("has no valid certificate (is the date right?)", unproven=True) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise Lost("cannot be found (is there a network?)", unfound=True) from error
    except TimeoutError as error:
        raise Lost("does not answer") from error
    except aiohttp.ClientConnectorError as error:
        raise Lost("cannot be reached") from error
    except EventTooLong as error:
        raise Lost("sends an event that is too long") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Lost(BROKEN) from error
