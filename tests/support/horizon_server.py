# SPDX-License-Identifier: Apache-2.0
"""A Horizon server on this machine: a real TCP server that answers as Horizon does, or with a fault.

Headers, hello and byebye, `&` as \\u0026 and the limit as events a connection are Horizon's to the byte; tests compare
them with recordings of the real one. One asyncio task a connection.

    python -m tests.support.horizon_server --port 8000 --mode stall
    python -m tests.support.horizon_server --mode 429=3600 --of page --tls expired

Faults have names; `faults={"stream": ["rst", "ok"], "page": ["503"]}` gives one each to the first requests of
a sort (root, page, stream, and list: what is read instead of a stream), by hand
`--mode` gives it to all requests of the sort that `--of` names:

    stall     answers a stream with hello and then nothing, a page not at all
    mute      does not answer at all
    slow      sends its header byte by byte, without end
    trickle   answers a stream with hello, and then sends an event byte by byte, without end
    rst       resets the connection: a stream in the middle of its second event
    eof       ends a stream without byebye
    early     ends a stream by byebye at once
    error     ends a stream by Horizon's event for too many requests
    dup       sends each event of a stream twice, and the one before once more
    nonsense  sends events that are none before the proper ones
    endless   answers a stream with an event that does not end
    short     sends a page without the second half of its records
    html      answers with a web page, as a captive portal does
    redirect  leads to another host
    bomb      sends a page that unpacks to 8 MB
    204 503.. refuses with this status; a page's 429 says Retry-After: 1, a stream's does not
    429=3600  refuses with this Retry-After

And by hand, after the first five ledgers (in tests: `tip`, `chain` and `oldest` of the server):

    stale     closes no more ledgers, and goes on to answer
    reset     resets its network: the next cursor lies beyond its last ledger
    truncated forgets all ledgers but the last
    gap       closes twenty ledgers at once
    wild      has amounts that cannot be: NaN, -5, 1e400, 400 digits
    flood     closes a ledger of five thousand operations

`--tls` makes it an https server, with one of the certificates of tests/support/horizon_tls.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import socket
import ssl
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from appliance.ledger.reader.budget import TokenBucket
from tests.support.horizon_faults import NONSENSE, RAW, TOO_MANY, head, problem
from tests.support.horizon_records import Chain, Record, clock, generated, payment
from tests.support.horizon_tls import CERTIFICATES, authority, https

HELLO = b'retry: 1000\nevent: open\ndata: "hello"\n\n'
BYEBYE = b'retry: 10\nevent: close\ndata: "byebye"\n\n'
ERROR = f"event: error\ndata: problem: rate_limit_exceeded. full details: {TOO_MANY}\n\n".encode()
MAX_LIMIT, DEFAULT_LIMIT = 200, 10
LISTS = {"/": "root", "/ledgers": "list", "/operations": "list"}  # other paths are pages of a ledger


def render(record: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON as Go's encoder writes it: no space but Horizon's indentation, and no &, < or > as such."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(record, ensure_ascii=False, indent=indent, separators=separators)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def event(record: Record) -> bytes:
    """A record as an event of Horizon's."""
    return f"id: {record['paging_token']}\ndata: {render(record)}\n\n".encode()


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def streaming(self) -> bool:
        """Whether it asks for events."""
        return self.headers.get("accept") == "text/event-stream"

    @property
    def limit(self) -> int:
        """The most records of a page, or of a connection."""
        return int(self.query.get("limit", DEFAULT_LIMIT))


class HorizonServer:
    """Serves `chain` up to its ledger `tip` on a free port of this machine, from `async with` to its end.

    `poll` is the pause between two checks for a new ledger and `timeout` the age at which a stream is ended,
    both in seconds (Horizon: 5 and 55). `transcript` replaces what is streamed by timed messages, its
    times multiplied by `scale`. Every answer waits for `delay` seconds. `limit` is what it gives its client, as
    Horizon counts: a credit for a page and for each check for new records. `tls` makes it an https server.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        tip: int | None = None,
        faults: Mapping[str, Iterable[str]] | None = None,
        poll: float = 0.002,
        timeout: float = 55.0,
        transcript: Sequence[tuple[float, bytes]] = (),
        scale: float = 1.0,
        port: int = 0,
        host: str = "127.0.0.1",
        delay: float = 0.0,
        limit: TokenBucket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.chain, self.poll, self.timeout, self.port = chain, poll, timeout, port
        self.host, self.delay, self.limit, self.tls = host, delay, limit, tls
        self.credits = self.refused = self.sent = 0  # sent: bytes
        self.oldest = 0  # the first ledger that it still has
        self.tip: int = chain.ledgers[-1]["sequence"] if tip is None else tip
        self.transcript, self.scale = transcript, scale
        self.requests: list[Request] = []
        self.open = 0  # connections
        self.faults: dict[str, Iterator[str]] = {sort: iter(named) for sort, named in (faults or {}).items()}
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The root address."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def asked(self, path: str) -> list[Request]:
        """The requests for what begins with `path`."""
        return [request for request in self.requests if request.path.startswith(path)]

    async def __aenter__(self) -> HorizonServer:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.open += 1
        try:
            while await self._answer(await _request(reader), reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the server goes
        finally:
            self.open -= 1
            writer.close()
            # A server that is closed can cancel us here as well; asyncio would complain of a task that ends so.
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; False when that was the connection's last."""
        self.requests.append(asked)
        sort = "stream" if asked.streaming else LISTS.get(asked.path, "page")
        fault = next(self.faults.get(sort, iter(())), "ok")
        await asyncio.sleep(self.delay)
        if not asked.streaming and not self._spend():
            fault = "429"
        if fault == "mute" or (fault == "stall" and not asked.streaming):
            await reader.read()
        elif fault == "slow":
            writer.write(sse_head()[:-2])
            while True:
                writer.write(b"X: x\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        elif fault == "rst" and not asked.streaming:
            reset(writer)
            return False
        elif fault[:3].isdigit():
            status, _, wait = fault.partition("=")
            self._send(writer, asked, int(status), problem(int(status)), wait)
        elif fault in RAW:
            writer.write(RAW[fault]())
        elif asked.streaming:
            return await self._stream(asked, fault, reader, writer)
        else:
            status_of_page, record = self._page(asked)
            if fault == "short":
                records = record["_embedded"]["records"]
                del records[len(records) // 2 :]
            self._send(writer, asked, status_of_page, record)
        await writer.drain()
        return True

    def _spend(self) -> bool:
        """Take a credit; False where none is left, which costs nothing."""
        now = asyncio.get_running_loop().time()
        if self.limit and self.limit.left(now) < 1:
            self.refused += 1
            return False
        if self.limit:
            self.limit.take(now)
        self.credits += 1
        return True

    # --- pages ----------------------------------------------------------------------------------------------

    def _page(self, asked: Request) -> tuple[int, Record]:
        """The status and the record that answer a request for a page."""
        match asked.path.strip("/").split("/"):
            case [""]:
                return 200, self._root()
            case ["operations"]:
                return 200, self._listed(asked, self._operations())
            case ["ledgers"]:
                return 200, self._listed(asked, self._ledgers())
            case ["ledgers", sequence, *_] if int(sequence) < self.oldest:
                return 410, problem(410)
            case ["ledgers", sequence] if int(sequence) <= self.tip:
                return 200, next(ledger for ledger in self._ledgers() if ledger["sequence"] == int(sequence))
            case ["ledgers", sequence, "operations"] if int(sequence) <= self.tip:
                return 200, self._listed(asked, self.chain.operations.get(int(sequence), []))
        return 404, problem(404)

    def _ledgers(self) -> list[Record]:
        return [ledger for ledger in self.chain.ledgers if self.oldest <= ledger["sequence"] <= self.tip]

    def _operations(self) -> list[Record]:
        closed = (self.chain.operations.get(ledger["sequence"], []) for ledger in self._ledgers())
        return list(itertools.chain.from_iterable(closed))

    def _listed(self, asked: Request, records: Sequence[Record]) -> Record:
        """A page of records with its links."""
        descending = asked.query.get("order") == "desc"
        cursor = int(asked.query.get("cursor", 2**63 - 1 if descending else 0))
        tokens = [int(record["paging_token"]) for record in records]
        found = [
            r for t, r in zip(tokens, records, strict=True) if (t < cursor if descending else t > cursor)
        ]
        shown = (found[::-1] if descending else found)[: asked.limit]
        order = ("desc", "asc") if descending else ("asc", "desc")
        ends = (shown[-1]["paging_token"], shown[0]["paging_token"]) if shown else (str(cursor), str(cursor))
        links = {
            name: {
                "href": f"{self.url}{asked.path}?"
                + urlencode({"cursor": at, "limit": asked.limit, "order": way})
            }
            for name, at, way in zip(("next", "prev"), ends, order, strict=True)
        }
        whole = f"{self.url}{asked.path}?{urlencode(asked.query)}"
        return {"_links": {"self": {"href": whole}, **links}, "_embedded": {"records": shown}}

    def _root(self) -> Record:
        last = self._ledgers()[-1]
        return {
            "_links": {"self": {"href": self.url}},
            "horizon_version": "28.0.0",
            "core_version": "v28.0.0",
            "ingest_latest_ledger": self.tip,
            "history_latest_ledger": self.tip,
            "history_latest_ledger_closed_at": last["closed_at"],
            "history_elder_ledger": max(self.oldest, self.chain.ledgers[0]["sequence"]),
            "core_latest_ledger": self.tip,
            "network_passphrase": self.chain.passphrase,
            "current_protocol_version": 28,
            "supported_protocol_version": 28,
            "core_supported_protocol_version": 28,
        }

    # --- streams --------------------------------------------------------------------------------------------

    async def _stream(
        self, asked: Request, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if not self._spend():
            self._send(writer, asked, 429, problem(429), "")
            return True
        writer.write(sse_head())
        if self.transcript:
            await self._replay(writer)
        else:
            self._chunk(writer, {"nonsense": HELLO + NONSENSE, "error": HELLO + ERROR}.get(fault, HELLO))
            if fault == "stall":
                await reader.read()
            elif fault in ("trickle", "endless"):
                await self._pour(writer, 1 if fault == "trickle" else 65536)
            elif fault not in ("error", "eof", "early"):
                await self._events(asked, fault, reader, writer)
            if fault not in ("error", "eof"):
                self._chunk(writer, BYEBYE)
        self._chunk(writer, b"")
        await writer.drain()
        return True

    async def _pour(self, writer: asyncio.StreamWriter, size: int) -> None:
        """An event without end, so many bytes at a time, each soon enough."""
        self._chunk(writer, b"data: ")
        while True:
            self._chunk(writer, b"x" * size)
            await writer.drain()
            await asyncio.sleep(0.005)

    async def _replay(self, writer: asyncio.StreamWriter) -> None:
        begun = asyncio.get_running_loop().time()
        for seconds, message in self.transcript:
            wait = begun + seconds * self.scale - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            self._chunk(writer, message)
            await writer.drain()

    async def _events(
        self, asked: Request, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """What Horizon does on a stream: send what is new, up to the limit, then check again after a while."""
        clock = asyncio.get_running_loop().time
        wanted = asked.headers.get("last-event-id") or asked.query.get("cursor", "now")
        cursor = (self.tip + 1 << 32) - 1 if wanted == "now" else int(wanted)
        left, end, before = asked.limit, clock() + self.timeout, b""
        while left and clock() < end and not reader.at_eof():
            records = self._ledgers() if asked.path == "/ledgers" else self._operations()
            for record in records:
                if left and int(record["paging_token"]) > cursor:
                    message = event(record)
                    if fault == "rst" and left < asked.limit:
                        self._chunk(writer, message[: len(message) // 2])
                        await writer.drain()
                        reset(writer)
                        raise ConnectionResetError
                    self._chunk(writer, message * 2 + before if fault == "dup" else message)
                    cursor, before = int(record["paging_token"]), message
                    left -= 1
            await writer.drain()
            tip = self.tip
            while left and self.tip == tip and clock() < end and not reader.at_eof():
                await asyncio.sleep(self.poll)
            if left and self.tip != tip and not self._spend():
                self._chunk(writer, ERROR)
                return

    def _chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """One chunk of a body; an empty one ends it."""
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.sent += len(data)

    def _send(
        self, writer: asyncio.StreamWriter, asked: Request, status: int, record: Record, wait: str = ""
    ) -> None:
        """Answer with a JSON page, indented as Horizon's are, packed where the client can unpack it."""
        body = b"" if status == 204 else render(record, indent=2).encode()
        fields = {
            "Cache-Control": "no-cache, no-store, max-age=0",
            "Content-Type": f"application/{'hal' if status == 200 else 'problem'}+json; charset=utf-8",
            "Date": formatdate(usegmt=True),
            "X-Ratelimit-Limit": "101",
        }
        if status == 200 and "gzip" in asked.headers.get("accept-encoding", ""):
            body = gzip.compress(body, mtime=0)
            fields |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        if wait or (status == 429 and not asked.streaming):
            fields["Retry-After"] = wait or "1"
        writer.write(head(status, {**fields, "Content-Length": str(len(body))}) + body)
        self.sent += len(body)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    target = urlsplit(head[0].split(" ")[1])
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return Request(
        target.path, dict(parse_qsl(target.query)), {name.lower(): v for name, v in headers.items()}
    )


def sse_head() -> bytes:
    return head(
        200,
        {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "no-cache",
            "Connection": "keep-alive",
            "Content-Type": "text/event-stream; charset=utf-8",
            "Date": formatdate(usegmt=True),
            "Transfer-Encoding": "chunked",
        },
    )


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by a TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


AT_ONCE = 20  # ledgers of mode `gap`
WILD = ("NaN", "-5", "Infinity", "1e400", "0", "", "9" * 400)


def strike(server: HorizonServer, mode: str) -> None:
    """Do to a server what cannot be done to a request."""
    chain, first = server.chain, server.chain.ledgers[0]["sequence"]
    after = server.tip + 1
    if mode == "reset":
        server.chain = generated([3] * 600, first=2, network=chain.passphrase)
        for ledger in server.chain.ledgers:
            ledger["closed_at"] = clock(10_000 + ledger["sequence"])
        server.tip = 4
    elif mode == "truncated":
        server.oldest = server.tip
    elif mode == "gap":
        server.tip += AT_ONCE
    elif mode in ("wild", "flood"):
        amounts = WILD if mode == "wild" else [f"{number}.5" for number in range(1, 5001)]
        chain.operations[after] = [payment(after, at, amount) for at, amount in enumerate(amounts, 1)]
        chain.ledgers[after - first]["operation_count"] = len(amounts)


STRIKES = ("stale", "reset", "truncated", "gap", "wild", "flood")


async def _by_hand(port: int, mode: str, sort: str, every: float, tls: str) -> None:
    """Serve generated ledgers for ever, one more every so many seconds, with the fault `mode`."""
    counts = [position * 37 % 400 for position in range(600)]
    chain = generated(counts, network="Test SDF Network ; September 2015")
    faults = {} if mode in ("ok", *STRIKES) else {sort: itertools.repeat(mode)}
    with tempfile.TemporaryDirectory() as folder:
        ca, trust = authority(Path(folder))
        context = https(ca, tls) if tls else None
        async with HorizonServer(chain, tip=1000, faults=faults, poll=5.0, port=port, tls=context) as server:
            print(f"A Horizon for testnet at {server.url}, mode {mode}. End it with Ctrl-C.", flush=True)  # noqa: T201
            if tls:
                print(f"Its certificate is {tls}; trust it with SSL_CERT_FILE={trust}", flush=True)  # noqa: T201
            for number in range(1, len(counts)):
                await asyncio.sleep(every)
                if number == 5:
                    strike(server, mode)
                if mode != "stale" or number < 5:
                    server.tip += 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="A Horizon on this machine, for trying things out.")
    arguments.add_argument("--port", type=int, default=8000)
    arguments.add_argument("--mode", default="ok", help="ok, or the name of a fault")
    arguments.add_argument(
        "--of", default="stream", choices=("root", "page", "stream", "list"), help="who meets it"
    )
    arguments.add_argument("--every", type=float, default=5.5, help="seconds between two ledgers")
    arguments.add_argument("--tls", default="", choices=CERTIFICATES, help="be an https server")
    given = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_by_hand(given.port, given.mode, given.of, given.every, given.tls))
