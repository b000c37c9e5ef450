# SPDX-License-Identifier: Apache-2.0
"""What stands between a listener and a Horizon server: proxies, gateways, load balancers; and an owner's own server."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from appliance.ledger.networks import KNOWN, Network, is_public
from appliance.ledger.reader.backoff import Backoff, BackoffPolicy
from appliance.ledger.reader.budget import TokenBucket, own, public
from appliance.ledger.reader.horizon import BUFFERED
from appliance.ledger.reader.probe import probe
from appliance.ledger.reader.session import Cause, Mode, Timeouts
from appliance.values import Ledger, LinkState
from tests.support.following import (
    MODES,
    QUICK,
    Entry,
    count,
    heard,
    ledgers,
    network,
    reasons,
    states,
    stroops,
    stroops_of,
)
from tests.support.gateway import Buffering, Gateway, Nodes, members
from tests.support.horizon_faults import head
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.horizon_tls import authority, https
from tests.support.rpc_server import RpcServer

pytestmark = pytest.mark.process


def followed(server: HorizonServer, mode: Mode = "ledgers", *, path: str = "", **options: Any) -> list[Entry]:
    """The entries of a server whose ledgers close one after another, until all of its chain have been read."""
    last = server.chain.ledgers[-1]["sequence"]

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger):
            server.tip = max(server.tip, min(last, entry.sequence + 1))

    def ended(entries: list[Entry]) -> bool:
        whole = [ledger.sequence for ledger in ledgers(entries) if ledger.operations]
        return whole[-1:] == [last]

    async def run() -> list[Entry]:
        async with server:
            where = Network("here", "generated", (server.url + path,))
            return await heard(where, ended, see, mode=mode, pages=9, **options)

    return asyncio.run(run())


# --- whose server it is


def test_only_the_servers_that_the_box_knows_are_rationed() -> None:
    assert all(is_public(endpoint) for one in KNOWN.values() for endpoint in one.endpoints)
    assert is_public("https://horizon.stellar.org/")
    assert not any(
        map(is_public, ["http://127.0.0.1:8000", "rpc+https://rpc.example", "https://stellar.org"])
    )


def test_a_delivery_counts_once_however_many_records_it_holds() -> None:
    """Each ledger is a chunk of its own, as Horizon sends them, and the pages between them take their time."""
    chain = generated([3] * 21)
    server = HorizonServer(chain, tip=1000, poll=0.2, delay=0.02)
    requests = TokenBucket(3600, 3600 - 1e-6)  # hardly refilled

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger) and entry.sequence == server.tip:
            server.tip = min(1020, server.tip + 5)

    async def run() -> list[Entry]:
        async with server:
            allowances = {server.url: replace(own(), requests=requests)}
            timeouts = replace(QUICK, burst=0.15)
            return await heard(network(server), count(21), see, allowances=allowances, timeouts=timeouts)

    assert stroops(asyncio.run(run())) == stroops_of(chain)
    counted = 3600 - requests.left(0.0)
    assert len(server.requests) + 4 <= counted <= len(server.requests) + 6  # four deliveries after the first


def test_what_is_rationed_is_said() -> None:
    class Little(TokenBucket):
        """A bucket that never makes anybody wait."""

        def wait(self, now: float) -> float:
            return 0.0

    async def run() -> list[Entry]:
        async with HorizonServer(generated([3])) as server:
            little = replace(public(), requests=Little(3600, 10))
            return await heard(network(server), count(1), allowances={server.url: little})

    entries = asyncio.run(run())
    assert stroops(entries) == []
    assert states(entries)[-1] is LinkState.LIVE
    assert "left out" in reasons(entries)[-1]


@pytest.mark.parametrize("kind", [HorizonServer, RpcServer])
def test_an_own_server_that_asks_to_slow_down_is_rationed_from_then_on(kind: type[HorizonServer]) -> None:
    """It allows a request a second, and the back-off here waits for nothing."""
    server = kind(generated([1] * 200), tip=1000, limit=TokenBucket(3610, 10))

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger):
            server.tip = max(server.tip, min(1199, entry.sequence + 1))

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), said, see, allowances={server.url: own()})

    def said(entries: list[Entry]) -> bool:
        return states(entries)[-1] is LinkState.LIVE and "left out" in "".join(reasons(entries)[-1:])

    asyncio.run(run())
    assert server.refused == 1


# --- streams that end early


def test_streams_that_are_cut_after_ledgers_are_opened_again_at_once() -> None:
    """The waits are a real back-off's: without progress they would have grown to a minute."""

    class Cut(HorizonServer):
        async def _stream(self, *arguments: Any) -> bool:
            await super()._stream(*arguments)
            arguments[3].transport.abort()
            return False

    server = Cut(generated([1] * 12), tip=1000, timeout=0.03)
    backoff = Backoff(BackoffPolicy(base=0.001, cap=1e6, per_hour=1e9, at_once=1e9))
    entries = followed(server, backoff=backoff)
    assert stroops(entries) == stroops_of(server.chain)
    assert backoff.failures <= 1


def test_a_stream_that_is_ended_in_order_after_a_ledger_is_not_lost() -> None:
    server = HorizonServer(generated([1] * 4), tip=1000, timeout=0.05)
    entries = followed(server, timeouts=replace(QUICK, stream=30.0))
    assert stroops(entries) == stroops_of(server.chain)
    assert reasons(entries) == []


# --- addresses


@pytest.mark.parametrize("mode", MODES)
def test_an_address_is_asked_as_it_was_written(mode: Mode) -> None:
    server = Gateway(generated([2, 1]), tip=1000, path="/horizon/")
    assert stroops(followed(server, mode, path="/horizon/")) == stroops_of(server.chain)


def test_a_redirect_names_its_target_without_its_query() -> None:
    async def run() -> list[Entry]:
        async with Gateway(generated([1]), path="/horizon/") as server:
            where = Network("here", "generated", (server.url + "/horizon",))
            entries = await heard(where, lambda entries: bool(reasons(entries)))
            assert reasons(entries)[0].split()[-1] == f"{server.url}/horizon/"
            return entries

    asyncio.run(run())


# --- streams that are held back, or are none

LATE = replace(QUICK, ask=0.2, late=0.2, burst=0.05)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [2000, 10**9])
def test_a_stream_that_is_buffered_is_replaced_by_pages(mode: Mode, size: int) -> None:
    server = Buffering(generated([1] * 6), tip=1000, size=size)
    entries = followed(server, mode, timeouts=replace(LATE, probe=0.1))
    assert stroops(entries) == stroops_of(server.chain)
    assert set(states(entries)) == {LinkState.CONNECTING, LinkState.LIVE}
    if size > 2000:
        assert BUFFERED in reasons(entries)[-1]


def plain(kind: str, status: int = 200) -> Callable[[], bytes]:
    return lambda: head(status, {"Content-Type": kind, "Content-Length": "2"}) + b"{}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ({"json": True}, "application/hal+json"),
        ({"stream": plain("application/json")}, "application/json"),
        ({"stream": plain("application/json; a*")}, "application/json"),
        ({"stream": plain("text/html")}, "text/html"),
        ({"stream": plain("text/plain; charset=utf-8")}, "text/plain"),
        ({"stream": plain("application/json", 406)}, "status 406"),
        ({"stream": plain("application/json", 405)}, "status 405"),
        (
            {"stream": lambda: head(200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"})},
            "packs its stream",
        ),
    ],
)
def test_where_a_gateway_has_no_streams_pages_are_read(
    mode: Mode, gateway: dict[str, Any], said: str
) -> None:
    server = Gateway(generated([2, 250, 1]), tip=1000, **gateway)
    entries = followed(server, mode)
    assert stroops(entries) == stroops_of(server.chain)
    assert set(states(entries)) == {LinkState.CONNECTING, LinkState.LIVE}
    assert said in reasons(entries)[-1]
    assert len([request for request in server.requests if request.streaming]) == 1


# --- what pages come in


def as_it_is(body: bytes) -> bytes:
    return body


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (as_it_is, "identity"),
        (as_it_is, "Identity"),
        (as_it_is, ""),
        (as_it_is, "gzip"),  # a proxy has unpacked it and left the header
        (gzip.compress, "gzip"),
        (gzip.compress, "GZIP"),
        (gzip.compress, "x-gzip"),
        (gzip.compress, " gzip "),
        (gzip.compress, "identity, gzip"),
        (gzip.compress, ""),
        (members, "gzip"),
        (lambda body: gzip.compress(body) + b"\0" * 64, "gzip"),  # padded
    ],
)
def test_every_spelling_of_gzip_is_read(pack: Callable[[bytes], bytes], encoding: str) -> None:
    server = Gateway(generated([3, 1]), tip=1000, pack=(pack, encoding))
    entries = followed(server)
    assert stroops(entries) == stroops_of(server.chain)
    assert reasons(entries) == []


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (lambda body: gzip.compress(body)[:-9], "gzip"),
        (lambda body: members(body)[:-9], "gzip"),
        (lambda body: gzip.compress(body) + b"more", "gzip"),
        (lambda body: gzip.compress(b" " * 2**21) * 3, "gzip"),  # members that are too long together
        (as_it_is, "br"),
        (gzip.compress, "gzip, br"),
    ],
)
def test_a_page_that_is_cut_too_long_or_packed_otherwise_is_refused(
    pack: Callable[[bytes], bytes], encoding: str
) -> None:
    async def run() -> list[Entry]:
        async with Gateway(generated([1]), pack=(pack, encoding)) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    assert ledgers(asyncio.run(run())) == []


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json", "Application/HAL+JSON; charset=utf-8", "text/plain", "text/json", None),
        *("application/json; a*", "application/json; a*" + "9" * 5000 + "=x"),  # the parser of aiohttp raises
    ],
)
def test_json_is_read_whatever_it_is_called(kind: str | None) -> None:
    server = Gateway(generated([3, 1]), tip=1000, kind=kind)
    assert stroops(followed(server)) == stroops_of(server.chain)


@pytest.mark.parametrize(
    ("kind", "cause"), [("text/html", Cause.WEB_PAGE), ("application/xml", Cause.MALFORMED)]
)
def test_a_web_page_is_told_from_other_content(kind: str, cause: Cause) -> None:
    async def run() -> None:
        async with Gateway(generated([1]), kind=kind) as server:
            (result,) = await probe(network(server))
            assert result.cause is cause

    asyncio.run(run())


@pytest.mark.parametrize(("size", "read"), [(9_000, True), (31_000, True), (200_000, False)])
def test_a_long_header_is_read_up_to_a_bound(size: int, read: bool) -> None:
    async def run() -> list[Entry]:
        async with Gateway(generated([1]), field={"X-Long": "x" * size}) as server:
            return await heard(
                network(server), lambda entries: bool(ledgers(entries)) or bool(reasons(entries))
            )

    entries = asyncio.run(run())
    assert bool(ledgers(entries)) is read
    assert [reason for reason in reasons(entries) if "header" not in reason] == []


# --- load balancers


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("behind", [1, 3])
def test_nodes_that_lag_lose_nothing(behind: int, sticky: bool) -> None:
    server = Nodes(generated([2] * 16), tip=1000, behind=behind, sticky=sticky)
    entries = followed(server, timeouts=replace(QUICK, missing=0.001, due=30))
    assert stroops(entries) == stroops_of(server.chain)
    assert reasons(entries) == []
    assert server.missed >= (1 if sticky else 3)


def test_a_ledger_that_never_comes_is_named() -> None:
    class Lacking(HorizonServer):
        def _page(self, asked: Any) -> tuple[int, dict[str, Any]]:
            return (404, {}) if "/ledgers/1001/" in asked.path else super()._page(asked)

    server = Lacking(generated([2, 2, 2]), tip=1000)
    entries = followed(server, timeouts=replace(QUICK, missing=0.001, due=0.1))
    assert [len(ledger.amounts) for ledger in ledgers(entries)] == [2, 0, 2]
    assert "lacked" in reasons(entries)[-1]
    assert len(server.asked("/ledgers/1001/")) > 2


@pytest.mark.parametrize("before", [0, 1], ids=["first page", "last page"])
def test_a_ledger_whose_end_never_comes_is_named(before: int) -> None:
    faults = ["ok", *["ok"] * before, "short", "short"]
    server = HorizonServer(generated([2, 400, 2]), tip=1000, faults={"page": faults})
    entries = followed(server)
    assert [len(ledger.amounts) for ledger in ledgers(entries)] == [2, 300, 2]
    assert states(entries)[-1] is LinkState.LIVE
    assert "lacked" in reasons(entries)[-1]


def test_a_server_that_is_too_busy_says_for_how_long() -> None:
    async def run() -> list[Entry]:
        async with HorizonServer(generated([1]), faults={"root": ["503=7"]}) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    link = asyncio.run(run())[-1]
    assert not isinstance(link, Ledger)
    assert link.retry_in == pytest.approx(7)


# --- keys, and proxies of the environment


def test_headers_go_with_every_request_and_nowhere_else() -> None:
    async def run() -> None:
        async with HorizonServer(generated([2])) as mine:
            where = Network("here", "generated", (mine.url,), {"Authorization": "Bearer SECRET", "X-A": "b"})
            entries = await heard(where, count(1))
            assert len(mine.requests) == 3
            assert all(one.headers["authorization"] == "Bearer SECRET" for one in mine.requests)
            assert "SECRET" not in repr(entries)
        async with HorizonServer(generated([2])) as other:

            def lead() -> bytes:
                return head(302, {"Location": other.url, "Content-Length": "0"})

            class Leads(HorizonServer):
                async def _answer(self, asked: Any, reader: Any, writer: asyncio.StreamWriter) -> bool:
                    writer.write(lead())
                    return True

            async with Leads(generated([2])) as leads:
                where = Network("here", "generated", (leads.url,), {"Authorization": "Bearer SECRET"})
                entries = await heard(where, lambda entries: len(reasons(entries)) == 2)
                assert other.requests == []
                assert other.url in reasons(entries)[0]

    asyncio.run(run())


class Proxy:
    """An HTTP proxy that leads everything to one port, by CONNECT or by whole addresses."""

    def __init__(self, port: int, refuse: int = 0) -> None:
        self._to, self._refuse = port, refuse
        self.asked: list[str] = []

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._met, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            asked = await reader.readuntil(b"\r\n\r\n")
            method, target, rest = asked.split(b" ", 2)
            self.asked.append(f"{method.decode()} {target.decode()} {asked.decode().lower()}")
            if self._refuse:
                writer.write(head(self._refuse, {"Content-Length": "0"}))
                return
            there, out = await asyncio.open_connection("127.0.0.1", self._to)
            with closing(out):
                if method == b"CONNECT":
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    out.write(b" ".join((method, b"/" + b"".join(target.split(b"/", 3)[3:]), rest)))
                await asyncio.gather(_pass(reader, out), _pass(there, writer), return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def through(url: str) -> list[Entry]:
    where = Network("here", "generated", (url,), {"Authorization": "Bearer SECRET"})
    return asyncio.run(heard(where, lambda entries: bool(ledgers(entries) or reasons(entries))))


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://me:word@127.0.0.1:{}/"])
def test_the_proxy_of_the_environment_is_used(form: str, environ: pytest.MonkeyPatch) -> None:
    async def run() -> list[str]:
        async with HorizonServer(generated([3])) as server, Proxy(server.port) as proxy:
            environ.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            environ.setenv("http_proxy", form.format(proxy.port))
            where = Network("here", "generated", ("http://horizon.invalid",))
            assert len(stroops(await heard(where, count(1)))) == 3
            (probed,) = await probe(where)
            assert probed.tip  # the doctor's way is the listener's
            environ.setenv("no_proxy", ".invalid")
            assert "found" in reasons(await heard(where, lambda entries: bool(reasons(entries))))[0]
            return proxy.asked

    asked = asyncio.run(run())
    assert all(one.startswith("GET http://horizon.invalid") for one in asked)
    assert all(("proxy-authorization: basic" in one) is ("me" in form) for one in asked)


def test_an_https_server_is_reached_through_a_tunnel_that_gets_no_key(
    environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca, trusted = authority(tmp_path)
    assert isinstance(ca, trustme.CA)
    environ.setenv("SSL_CERT_FILE", str(trusted))

    async def run() -> list[str]:
        async with HorizonServer(generated([3]), tls=https(ca)) as server, Proxy(server.port) as proxy:
            environ.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            where = Network("here", "generated", (server.url,), {"Authorization": "Bearer SECRET"})
            assert len(stroops(await heard(where, count(1)))) == 3
            return proxy.asked

    asked = asyncio.run(run())
    assert asked
    assert all(one.startswith("CONNECT 127.0.0.1:") and "secret" not in one for one in asked)


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_is_named(status: int, environ: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with Proxy(9, refuse=status) as proxy:
            environ.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            (result,) = await probe(Network("here", "generated", ("https://horizon.invalid",)))
            assert result.cause is Cause.PROXY
            assert str(status) in result.why

    asyncio.run(run())


@pytest.mark.parametrize(
    "proxy",
    ["http://127.0.0.1:9", "http://proxy.invalid:3128", "socks5://127.0.0.1:9", "http://", "::::", "h:x"],
)
def test_a_proxy_that_cannot_be_used_is_blamed(proxy: str, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("HTTPS_PROXY", proxy)
    (result,) = asyncio.run(probe(Network("here", "generated", ("https://horizon.stellar.org",))))
    assert result.cause is (Cause.PROXY_UNFOUND if "invalid" in proxy else Cause.PROXY)


# --- what doctor tries


@pytest.mark.parametrize(
    ("server", "note", "why"),
    [
        (HorizonServer(generated([3])), "", ""),
        (Buffering(generated([3])), "buffers its stream", ""),
        (Gateway(generated([3]), json=True), "application/hal+json", ""),
        (HorizonServer(generated([3]), faults={"stream": ["503"]}), "", "status 503"),
        (HorizonServer(generated([3]), faults={"page": ["html"]}), "", "web page"),
    ],
)
def test_a_probe_reads_what_a_listener_needs(server: HorizonServer, note: str, why: str) -> None:
    async def run() -> None:
        async with server:
            timeouts = Timeouts(late=0.2, burst=0.05)
            (result,) = await probe(network(server), timeouts, longest=60)
            assert (result.tip is None) is bool(why)
            assert note in result.note
            assert why in result.why
            assert bool(result.note) is bool(note)

    asyncio.run(run())
