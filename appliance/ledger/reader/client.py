# SPDX-License-Identifier: Apache-2.0
"""HTTP to a server, by a client that stays reliable for months.

A server can make a request fail, but not hang, fill the memory or raise anything but Lost. The only file that imports
aiohttp. The listener's process.

Why a client of our own: the SDK's stream waits 300 s on a dead connection, hides Horizon's error events, ends for good
at the first break or 429, and reads lines of any length. The SDK's server object on this client would add only the
addresses of pages, and loads 900 modules, among them all of XDR; soroban.py uses it for Stellar RPC.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import ssl
import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from appliance.ledger.reader.backoff import retry_after
from appliance.ledger.reader.budget import HEADER, Allowance
from appliance.ledger.reader.session import Cause, Lost, Timeouts
from appliance.ledger.reader.sse import Event, EventTooLong, Parser

MAX_FIELD = 32 * 1024  # bytes of a field of a header
MAX_PAGE = 4 * 2**20  # bytes after unpacking; a page of 200 operations has 226 kB

EVENTS = "text/event-stream"
PLAIN, GZIP = {"", "identity"}, {"gzip", "x-gzip"}  # values of Content-Encoding
GZIP_MAGIC = b"\x1f\x8b"
# Types under which servers send JSON as well.
VAGUE = ("text/plain", "application/octet-stream", "binary/octet-stream", "text/javascript")
NO_STREAM = (400, 404, 405, 406, 415, 501)  # from a gateway that knows pages only
STATUS_HINTS = {
    401: " (does it need a key?)",
    403: " (does it need a key?)",
    407: " (the proxy needs a login)",
}
STATUS_CAUSES = {401: Cause.KEY, 403: Cause.KEY, 407: Cause.PROXY}
# Reasons of OpenSSL: the server's alert, and an answer of the server in its own version.
OLD_TLS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")

AGAIN = 0.02  # s until a stream that Horizon has ended is taken up again; it asks for 10 ms
AGAIN_EARLY = 0.5  # s, where a proxy has ended it before Horizon would have

BROKEN = "breaks the connection"
NO_HORIZON = "sends pages that are not Horizon's"

Record = dict[str, Any]


class NoStream(Lost):
    """The server does not stream; it may have pages."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, or what a server answers to a JSON request."""

    status: int
    text: str
    headers: Mapping[str, str]


class StreamClient:
    """A client with a `stream` that lasts for months and a `get` of bounded size.

    They raise Lost and nothing else that a server could cause. A stream does not end otherwise: where Horizon ends it
    in order, it is opened again, and where a gateway has none, its records come from pages. One stream at a time. Every
    request, every delivery of a stream and every byte is taken from `allowance`; a request waits until one is left.
    `headers` are sent with every request.
    """

    def __init__(
        self, timeouts: Timeouts, allowance: Allowance, headers: Mapping[str, str] | None = None
    ) -> None:
        self._headers = {"User-Agent": "stellar-wind-box", **(headers or {})}
        self._kept: aiohttp.ClientSession | None = None  # its connections are used again
        self._fresh: aiohttp.ClientSession | None = None  # each request has a connection of its own
        self._timeouts, self._allowance = timeouts, allowance
        self._now = asyncio.get_running_loop().time
        self._refused = False  # the last answer was a refusal
        self.dropped = 0  # malformed events
        self.unstreamed = ""  # why pages are read instead of streams; set it to give up streams
        self._stream: AsyncGenerator[Record, None] | None = None

    async def close(self) -> None:
        """End the stream and every connection."""
        if self._stream is not None:
            await self._stream.aclose()
        for session in filter(None, (self._kept, self._fresh)):
            await session.close()

    async def get(self, url: str, params: Mapping[str, str] | None = None, most: int = MAX_PAGE) -> Answer:
        """One page of at most `most` bytes, after unpacking."""
        return await self._page(url, most, params=params)

    async def fetch(self, url: str, params: Mapping[str, str] | None = None) -> Record:
        """The JSON object of a page of Horizon's."""
        answer = await self.get(url, params)
        try:
            page = json.loads(answer.text)
        except (ValueError, RecursionError) as error:
            raise Lost(Cause.MALFORMED, NO_HORIZON) from error
        if not isinstance(page, dict):
            raise Lost(Cause.MALFORMED, NO_HORIZON)
        return page

    async def post(self, url: str, question: Record | None) -> Answer:
        """The answer to a JSON request, of at most MAX_PAGE after unpacking."""
        return await self._page(url, MAX_PAGE, json=question)

    async def _page(self, url: str, most: int, **question: Any) -> Answer:
        await self._turn()
        with _as_lost(urlsplit(url).hostname):
            async with (
                asyncio.timeout(self._timeouts.page),
                self._ask(url, "application/json", "gzip", **question) as response,
            ):
                body = _unpacked(await self._body(response, most), most)
                return Answer(response.status, body.decode(errors="replace"), dict(response.headers))

    async def _body(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        """The whole body, still packed; raises Lost if it is longer than `most` bytes."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            self._allowance.traffic.take(self._now(), len(chunk))
            body += chunk
            if len(body) > most:
                raise Lost(Cause.TOO_LONG, "sends a page that is too long")
        return bytes(body)

    async def _turn(self) -> None:
        """Wait until a request is allowed."""
        await asyncio.sleep(self._allowance.requests.wait(self._now()))

    def stream(self, url: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Record, None]:
        """The records of a Horizon stream after the cursor in `params`, in its order."""
        self._stream = self._records(url, dict(params or {}))
        return self._stream

    async def _records(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Record, None]:
        while not self.unstreamed:
            begun = counted = self._now()
            brought = moved = 0  # records, and those beyond the cursor
            try:
                async with aclosing(self._events(url, asked)) as events:
                    async for event in events:
                        if event.name == "error":
                            limited = "rate_limit" in event.data
                            raise Lost(Cause.LIMITED if limited else Cause.BROKEN, "ends the stream")
                        if (record := self._record(event)) is not None:
                            moved += _number(event.id) > _number(asked.get("cursor", ""))
                            asked["cursor"] = event.id or asked.get("cursor", "")
                            brought += 1
                            # Horizon counts a delivery as a request; the first one is the stream's own.
                            if self._arrived - counted >= self._timeouts.burst:
                                self._allowance.requests.take(self._now())
                                counted = self._arrived
                            yield record
            except NoStream as why:
                self.unstreamed = f"{why}; its pages are read instead"
                break
            pause = AGAIN
            if brought < int(asked.get("limit", 0)) and self._now() - begun < self._timeouts.stream:
                if not moved:
                    # Opened again at once, it would be flooded.
                    raise Lost(Cause.BROKEN, "ends its streams too early")
                pause = AGAIN_EARLY
            await asyncio.sleep(pause)
        async with aclosing(self._listed(url, asked)) as records:
            async for record in records:
                yield record

    async def _listed(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Record, None]:
        """The records of a stream, by asking for what is new every now and then. A server without streams."""
        while True:
            moved = False
            records = records_of(await self.fetch(url, asked))
            for record in records:
                token = record.get("paging_token")
                if isinstance(token, str) and _number(token) > _number(asked.get("cursor", "")):
                    asked["cursor"], moved = token, True
                    yield record
            if not moved or len(records) < int(asked.get("limit", 0)):
                await asyncio.sleep(self._timeouts.poll)

    async def _events(self, url: str, asked: dict[str, str]) -> AsyncGenerator[Event, None]:
        """The events of one connection. Ends with Horizon's event `close`, and nowhere else."""
        parser, name = Parser(), ""
        await self._turn()
        with _as_lost(urlsplit(url).hostname):
            try:
                async with self._ask(url, EVENTS, "identity", params=asked) as response:
                    # Only whole events move the deadline: a server that trickles bytes is as bad as a silent one.
                    deadline = self._now() + self._timeouts.answer
                    while chunk := await _chunk(response, deadline):
                        self._arrived = self._now()
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
            raise Lost(Cause.BROKEN, "breaks off the stream")

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
        self, url: str, accept: str, encoding: str, **question: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a GET with `params`, or a POST with `json`, once its header is as requested."""
        # One name can stand for several servers. After a refusal the next request has a connection of its own, which
        # can reach another one; the pool's would reach the same again.
        if self._refused:
            session = self._fresh = self._fresh or self._open(url, keep=False)
        else:
            session = self._kept = self._kept or self._open(url, keep=True)
        # Not as the session's defaults: aiohttp would send those, and a key with them, to the proxy of a tunnel, too.
        headers = {**self._headers, "Accept": accept, "Accept-Encoding": encoding}
        method = "POST" if "json" in question else "GET"
        async with asyncio.timeout(self._timeouts.answer):
            # A redirect is refused: it could lead to any host, and the headers can hold a key.
            response = await session.request(method, url, headers=headers, allow_redirects=False, **question)
        async with response:
            refusal = _refusal(response, accept)
            self._refused = refusal is not None
            if refusal:
                raise refusal
            yield response

    def _open(self, url: str, *, keep: bool) -> aiohttp.ClientSession:
        """A session that verifies TLS, unpacks nothing, keeps no cookies and uses the proxy of the environment."""

        async def sent(_: object, request: SimpleNamespace, __: object) -> None:
            # aiohttp repeats a GET by itself when its connection breaks; that would be neither counted nor waited for.
            if vars(request).setdefault("sent", False):
                raise Lost(Cause.BROKEN, BROKEN)
            request.sent = True
            self._allowance.requests.take(self._now())
            self._allowance.traffic.take(self._now(), HEADER)

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(sent)
        # Certificates are read for each session, so that an update of the system's applies at once. It takes 20 ms.
        trust: ssl.SSLContext | bool = True
        if urlsplit(url).scheme == "https":
            trust = ssl.create_default_context()
            # Python's own minimum; Debian 12's Python takes that of OpenSSL's configuration, which is lower.
            trust.minimum_version = ssl.TLSVersion.TLSv1_2
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, force_close=not keep),
            auto_decompress=False,  # `_unpacked` does it, with a bound
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect),
            max_line_size=MAX_FIELD,
            max_field_size=MAX_FIELD,
            # Not trust_env: that would send passwords of ~/.netrc, and read files on the thread that resolves names.
            proxy=_proxy(url),
            trace_configs=[trace],
        )


def _proxy(url: str) -> str | None:
    """The proxy for `url` by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, or None; raises Lost if it cannot be used."""
    address = urlsplit(url)
    proxy = getproxies().get(address.scheme)
    if not proxy or proxy_bypass(address.netloc):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        name = f"{address.scheme.upper()}_PROXY"
        raise Lost(Cause.PROXY, f"cannot be reached: {name} is not an address of an HTTP proxy")
    return proxy


def records_of(page: Any) -> list[Record]:
    """The records that a page of Horizon's lists; raises Lost."""
    try:
        records = page["_embedded"]["records"]
    except (KeyError, TypeError) as error:
        raise Lost(Cause.MALFORMED, "sends pages without records") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise Lost(Cause.MALFORMED, "sends pages without records")
    return records


def _number(cursor: str) -> int:
    """A cursor as a number, -1 if it is none."""
    return int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 20 else -1


async def _chunk(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The next bytes of a stream, none at its end."""
    async with asyncio.timeout_at(deadline):
        return await response.content.readany()


def _unpacked(body: bytes, most: int) -> bytes:
    """The body without gzip, if its first bytes are gzip's; raises Lost if it is longer than `most` bytes."""
    if not body.startswith(GZIP_MAGIC):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            unpacked = file.read(most + 1)
    except EOFError as error:
        raise Lost(Cause.MALFORMED, "sends a page that is cut off") from error
    except (OSError, zlib.error) as error:
        raise Lost(Cause.MALFORMED, "sends a damaged page") from error
    if len(unpacked) > most:
        raise Lost(Cause.TOO_LONG, "sends a page that is too long")
    return unpacked


def _refusal(response: aiohttp.ClientResponse, accept: str) -> Lost | None:
    """Why an answer cannot be used, by its header; None if it can."""
    status, headers = response.status, response.headers
    streams = accept == EVENTS
    if status != 200:
        wait = retry_after(headers.get("Retry-After"), headers.get("Date"))
        if status == 429:
            return Lost(Cause.LIMITED, "asks to slow down", retry_after=wait)
        if 300 <= status < 400 and "Location" in headers:
            return Lost(Cause.REDIRECT, f"redirects to {_target(response)}", status=status)
        reason = f"answers with status {status}{STATUS_HINTS.get(status, '')}"
        kind = NoStream if streams and status in NO_STREAM else Lost
        return kind(STATUS_CAUSES.get(status, Cause.REFUSED), reason, status=status, retry_after=wait)
    # Not `response.content_type`, whose parser of parameters raises IndexError for some.
    sent = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    encodings = {each.strip().lower() for each in headers.get("Content-Encoding", "").split(",")}
    if streams:
        if sent != EVENTS:
            return NoStream(
                Cause.MALFORMED, f"answers with {_printable(sent) or 'no type'} where a stream was asked for"
            )
        return None if encodings <= PLAIN else NoStream(Cause.MALFORMED, "packs its stream")
    if sent in ("text/html", "application/xhtml+xml"):
        return Lost(Cause.WEB_PAGE, "sends a web page instead of ledgers (does the Wi-Fi need a login?)")
    # Horizon's is application/hal+json. An answer without a type is taken as JSON, and so is one of a vague type.
    if "json" not in sent and sent not in ("", *VAGUE):
        return Lost(Cause.MALFORMED, f"sends {_printable(sent)} instead of JSON")
    if encodings <= PLAIN | GZIP:
        return None
    return Lost(Cause.MALFORMED, "sends an encoding that was not requested")


def _target(response: aiohttp.ClientResponse) -> str:
    """Where a redirect leads, without a query, which can be secret."""
    try:
        target = urlsplit(urljoin(str(response.url), response.headers["Location"]))
        return _printable(f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}")
    except ValueError:
        return "an address that is none"


def _printable(text: str) -> str:
    """Foreign text, for a sentence of ours."""
    return "".join(each if each.isprintable() else "?" for each in text[:200])


@contextmanager
def _as_lost(host: str | None) -> Iterator[None]:
    """Turn every error that the server `host` or its network can cause into Lost, with a reason for the owner."""
    try:
        yield
    except Lost:
        raise
    except aiohttp.ClientConnectorCertificateError as error:
        raise _untrusted(error.certificate_error) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        if getattr(getattr(error, "os_error", error), "reason", None) in OLD_TLS:
            raise Lost(
                Cause.TLS_VERSION, "speaks only TLS that is too old (1.2 or newer is needed)"
            ) from error
        raise Lost(Cause.TLS, "does not speak TLS as it should (is the address right?)") from error
    except aiohttp.ClientConnectorDNSError as error:
        if error.host != host:
            raise Lost(
                Cause.PROXY_UNFOUND, "cannot be reached: the proxy of the environment cannot be found"
            ) from error
        raise Lost(Cause.UNFOUND, "cannot be found (is there a network?)") from error
    except TimeoutError as error:
        raise Lost(Cause.SILENT, "does not answer") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise Lost(Cause.PROXY, "cannot be reached: the proxy of the environment does not answer") from error
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, ConnectionResetError):  # a connection that is not taken is refused
            raise Lost(Cause.BROKEN, "breaks the connection when TLS begins (is its TLS too old?)") from error
        raise Lost(Cause.UNREACHED, "cannot be reached") from error
    except aiohttp.ClientHttpProxyError as error:
        hint = STATUS_HINTS.get(error.status, "") if error.status == 407 else ""
        raise Lost(
            Cause.PROXY, f"cannot be reached: the proxy answers with status {error.status}{hint}"
        ) from error
    except EventTooLong as error:
        raise Lost(Cause.TOO_LONG, "sends an event that is too long") from error
    except aiohttp.ClientResponseError as error:  # not of HTTP, or beyond MAX_FIELD
        raise Lost(Cause.MALFORMED, "sends a header that cannot be read") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Lost(Cause.BROKEN, BROKEN) from error


def _untrusted(error: Exception) -> Lost:
    """Why a certificate is not trusted, by OpenSSL's codes (X509_V_ERR_...). Only a date can become right by itself."""
    match getattr(error, "verify_code", 0):
        case 9:
            return Lost(Cause.DATE, "has a certificate that is not valid yet (is the date right?)")
        case 10:
            return Lost(Cause.DATE, "has a certificate that has expired (or is the date wrong?)")
        case 18 | 19 | 20 | 21:
            return Lost(Cause.AUTHORITY, "has a certificate of an authority that this computer does not know")
        case 62 | 64:
            return Lost(Cause.TLS, "has a certificate for another host name")
    why = _printable(getattr(error, "verify_message", "") or "no reason")
    return Lost(Cause.CERTIFICATE, f"has no valid certificate ({why})")
