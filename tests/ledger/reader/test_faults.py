# SPDX-License-Identifier: Apache-2.0
"""What networks and servers do to a listener, each for real, over TCP: the box's catalogue of faults, N1 to N14.

For each fault: every amount is read once and in order, the reason is reported, and the number of requests is bounded.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
import trustme

from appliance.ledger.networks import Network
from appliance.ledger.reader.backoff import Backoff, BackoffPolicy
from appliance.ledger.reader.horizon import BUFFERED
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.reader.session import CATCH_UP, Cause, Lost, Mode, Timeouts, Tip, resume
from appliance.values import Ledger, Link, LinkState
from tests.support.following import (
    MODES,
    QUICK,
    Entry,
    count,
    heard,
    ledgers,
    links,
    network,
    reasons,
    states,
    stroops,
    stroops_of,
    walk,
)
from tests.support.horizon_records import chain_of, clock, generated, payment, recorded, rows
from tests.support.horizon_server import STRIKES, HorizonServer, strike
from tests.support.horizon_tls import authority, certify, https

pytestmark = pytest.mark.process

# Far enough from what a loaded machine takes for an answer that only a fault is ever too late.
HASTY = replace(
    QUICK, answer=0.2, page=0.2, silence=0.2, ask=0.2, late=0.2, stale=0.4, burst=0.05, probe=0.05
)


def streams(server: HorizonServer) -> int:
    return sum(request.streaming for request in server.requests)


# --- N1 to N7, N10, N11: each once at the start and once in the middle of a stream or a ledger


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("stall", ""),  # N1
        ("mute", ""),  # N1
        ("slow", ""),  # N4: bytes of a header, each in time
        ("trickle", ""),  # N4: bytes of an event, each in time
        ("rst", ""),  # N2
        ("eof", ""),  # N2
        ("429", ""),  # N5
        ("error", ""),  # N5
        ("500", "500"),  # N6
        ("204", "204"),  # N6
        ("404", "404"),  # N6
        ("410", "410"),  # N19
        ("html", "text/html"),  # N6
        ("redirect", "http://127.0.0.2:9/"),  # N7
        ("nonsense", ""),  # N8, N11
        ("dup", ""),  # N9
        ("bomb", "application/hal+json"),  # N10: no event stream
        ("endless", ""),  # N10
    ],
)
def test_a_fault_of_a_stream(mode: Mode, fault: str, named: str) -> None:
    chain = generated([3, 2, 5])
    timeouts = HASTY if fault in ("stall", "mute", "slow", "trickle") else QUICK
    entries, server = walk(chain, mode, timeouts, faults={"stream": [fault, "ok", fault]})
    assert stroops(entries) == stroops_of(chain)
    assert all(reason.startswith("127.0.0.1 ") and named in reason for reason in reasons(entries))
    assert streams(server) <= 8
    # While HASTY waits for a stream, it probes every 50 ms whether ledgers close.
    polled = [one for one in server.requests if one.path in ("/ledgers", "/operations") and not one.streaming]
    assert len(server.requests) - len(polled) <= (16 if timeouts is QUICK else 48)


@pytest.mark.parametrize(
    "fault", ["stall", "slow", "rst", "500", "204", "html", "redirect", "bomb", "404", "short"]
)
def test_a_fault_of_a_page(fault: str) -> None:
    chain = generated([3, 2, 5])
    timeouts = HASTY if fault in ("stall", "slow") else QUICK
    entries, server = walk(chain, timeouts=timeouts, faults={"page": [fault, "ok", fault]})
    assert stroops(entries) == stroops_of(chain)
    assert len(server.requests) <= 16


@pytest.mark.parametrize("fault", ["mute", "slow", "rst", "500", "204", "html", "redirect", "bomb", "410"])
def test_a_fault_of_the_first_page(fault: str) -> None:
    chain = generated([3, 2])
    timeouts = HASTY if fault in ("mute", "slow") else QUICK
    entries, server = walk(chain, timeouts=timeouts, faults={"root": [fault, fault]})
    assert stroops(entries) == stroops_of(chain)
    assert len(reasons(entries)) >= 2  # a loaded machine may be late with its answer once more
    assert len(server.asked("/")) - len(server.asked("/ledgers")) <= 6


def test_two_breaks_in_a_row_in_mid_event_lose_nothing() -> None:
    chain = generated([9] * 8)
    server = HorizonServer(chain, tip=1000, faults={"stream": ["ok", *["rst"] * 6]}, timeout=0.01, poll=0.02)

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger) and entry.sequence == 1000:
            server.tip = 1007  # all at once: the resets come in the middle of an event that follows another

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), count(8), see, pages=9)

    entries = asyncio.run(run())
    assert stroops(entries) == stroops_of(chain)
    assert len(reasons(entries)) == 6


@pytest.mark.parametrize("text", ["1000000000", "-5", "Tue, 24 Nov 2026 01:49:19 GMT", "x" * 3000])
def test_absurd_requests_to_slow_down(text: str) -> None:
    """N5: what can be obeyed is, within an hour, and the next endpoint has its turn meanwhile."""

    async def run() -> tuple[list[Entry], int]:
        first = HorizonServer(generated([1]), faults={"root": repeat(f"429={text}")})
        async with first, HorizonServer(generated([1])) as second:
            return await heard(network(first, second), count(1)), len(first.requests)

    entries, asked = asyncio.run(run())
    assert asked == (1 if text == "1000000000" else 3)
    assert all(link.retry_in < 1.001 for link in links(entries))


def test_a_request_to_slow_down_is_obeyed_where_there_is_no_other_server() -> None:
    async def run() -> list[Entry]:
        async with HorizonServer(generated([1]), faults={"root": repeat("429=1000000000")}) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    link = links(asyncio.run(run()))[-1]
    assert link.state is LinkState.BACKING_OFF
    assert 3590 < link.retry_in < 3600.001  # now + 3600 - now: the clock is a float


@pytest.mark.parametrize("fault", ["early", "eof", "error", "429", "500", "rst"])
def test_whatever_a_server_does_it_is_called_120_times_an_hour(fault: str) -> None:
    """N5: one that says byebye at once, too. The pace is the real one, an hour is 0.36 s."""

    class Fast(Backoff):
        def failed(self, now: float, *, limited: bool = False, unproven: bool = False) -> float:
            return super().failed(now * 10_000, limited=limited, unproven=unproven) / 10_000

    chain = generated([1] * 2000)
    backoff = Fast(BackoffPolicy(), random.Random(1))

    async def run() -> tuple[list[Entry], float]:
        server = HorizonServer(chain, tip=1000, faults={"stream": repeat(fault)})
        async with server:
            now = asyncio.get_running_loop().time
            begun = now()

            def see(_: Entry) -> None:
                server.tip += 1

            timeouts = replace(QUICK, stream=30)

            def enough(entries: list[Entry]) -> bool:
                return now() - begun > 0.5 and len(reasons(entries)) >= 15

            entries = await heard(network(server), enough, see, backoff=backoff, timeouts=timeouts)
            return entries, now() - begun

    entries, seconds = asyncio.run(run())
    failures = len(reasons(entries))
    assert failures <= 120 * max(1.0, seconds * 10_000 / 3600)


# --- N8, N12: what the records hold


def test_only_amounts_that_can_be_are_heard() -> None:
    wild = ["NaN", "-5", "Infinity", "1e400", "922337203685.4775807", "0", "", "9" * 400, None, 5, ["1"]]
    for mode in MODES:
        chain = generated([1, 2])
        sequence = chain.ledgers[1]["sequence"]
        chain.operations[sequence] = [
            {**payment(sequence, number, "1.0000000"), "amount": amount}
            for number, amount in enumerate(wild, start=1)
        ]
        chain.ledgers[1]["operation_count"] = len(wild)
        entries, _ = walk(chain, mode)
        assert [amount.stroops for amount in ledgers(entries)[1].amounts] == [2**63 - 1]


# --- N9, N13: gaps, jumps and floods


@pytest.mark.parametrize(
    ("tip", "last", "lag", "skipped"),
    [
        (Tip(500, 9), None, None, 0),  # a new beginning
        (Tip(500, 9), Tip(500, 9), 0, 0),
        (Tip(500, 9), Tip(488, 3), 12, 0),  # a short absence
        (Tip(500, 9), Tip(487, 3), None, 12),  # a long one: 488 to 499 are skipped
        (Tip(500, 9), Tip(510, 12), -10, 0),  # it lags
        (Tip(3, 99), Tip(5, 60), None, 0),  # the network was reset a moment ago
        (Tip(3, 99), Tip(5_000_000, 60), None, 0),
    ],
)
def test_where_a_session_begins(tip: Tip, last: Tip | None, lag: int | None, skipped: int) -> None:
    cursor = ((last.sequence + 1) << 32) - 1 if last else 0
    assert resume(tip, last, cursor) == ((tip.sequence << 32) - 1 if lag is None else cursor, skipped)


def test_a_server_that_has_stopped_is_not_begun_with() -> None:
    with pytest.raises(Lost, match="13") as lost:
        resume(Tip(100, 5), Tip(113, 70), 0)
    assert lost.value.cause is Cause.STALE


def after_an_absence(away: int) -> list[Entry]:
    """What is heard when `away` ledgers have closed while no stream could be had."""

    def there(entries: list[Entry]) -> bool:
        return 1000 + away in [ledger.sequence for ledger in ledgers(entries)]

    async def run() -> list[Entry]:
        async with HorizonServer(generated([1] * 40), tip=1000, timeout=0.01) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and server.tip == 1000:
                    server.faults["stream"] = iter(["503"])
                if isinstance(entry, Link) and entry.reason and server.tip == 1000:
                    server.tip += away

            return await heard(network(server), there, see)

    return asyncio.run(run())


def test_a_short_absence_is_caught_up() -> None:
    entries = after_an_absence(CATCH_UP)
    assert [ledger.sequence for ledger in ledgers(entries)] == list(range(1000, 1013))


def test_a_long_absence_is_counted() -> None:
    entries = after_an_absence(CATCH_UP + 1)
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1013]
    live = [link.reason for link in links(entries) if link.state is LinkState.LIVE]
    assert live == ["", "12 ledgers were skipped"]


def test_a_network_that_was_reset_is_followed_from_its_new_beginning() -> None:
    """The cursor is beyond the tip from then on: Horizon would never send anything."""
    old, new = generated([1, 1, 1], first=5_000_000), generated([2] * 5, first=2)
    for ledger in new.ledgers:
        ledger["closed_at"] = clock(10_000)

    async def run() -> list[Entry]:
        async with HorizonServer(old) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and server.chain is old:
                    server.chain, server.tip = new, 4

            return await heard(network(server), count(2), see, timeouts=HASTY)

    entries = asyncio.run(run())
    assert [ledger.sequence for ledger in ledgers(entries)] == [5_000_002, 4]
    assert [link.state for link in links(entries)][-1] is LinkState.LIVE


def test_a_history_that_is_cut_short_is_followed_from_where_it_begins() -> None:
    """What was closed while we were away is gone with the server's history; what is left comes once, in order."""

    async def run() -> list[Entry]:
        async with HorizonServer(generated([2] * 20), tip=1000, timeout=0.01) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and server.tip == 1000:
                    server.faults["stream"] = iter(["503"])
                if isinstance(entry, Link) and entry.reason and server.tip == 1000:
                    server.tip, server.oldest = 1008, 1005

            return await heard(network(server), count(5), see)

    entries = asyncio.run(run())
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1005, 1006, 1007, 1008]
    assert len(stroops(entries)) == 10


@pytest.mark.parametrize("away", STRIKES)
def test_what_is_done_to_a_network_by_hand_is_survived(away: str) -> None:
    """Each of the test server's modes that is no fault of a request."""

    async def run() -> list[Entry]:
        async with HorizonServer(generated([2] * 60), tip=1004) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and len(seen) < 4:
                    seen.append(entry.sequence)
                    if len(seen) == 2:
                        strike(server, away)
                    if away != "stale" or len(seen) < 2:
                        server.tip += 1

            def enough(entries: list[Entry]) -> bool:
                return LinkState.STALE in states(entries) if away == "stale" else count(4)(entries)

            seen: list[int] = []
            return await heard(
                network(server), enough, see, timeouts=replace(QUICK, ask=0.1, stale=0.4, burst=0.05)
            )

    entries = asyncio.run(run())
    first, *_, last = ledgers(entries)
    assert first.sequence == 1004
    assert (last.sequence < 10) is (away == "reset")
    assert all(len(ledger.amounts) <= 600 for ledger in ledgers(entries))


def test_a_burst_of_five_thousand_operations_is_bounded() -> None:
    entries, server = walk(generated([1, 5000, 1]), pages=3)
    assert [len(ledger.amounts) for ledger in ledgers(entries)] == [1, 600, 1]
    assert len(server.asked("/ledgers/1001")) == 3


# --- stale, and the order of the endpoints


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_stops_is_stale_after_probes(mode: Mode) -> None:
    async def run() -> tuple[list[Entry], HorizonServer]:
        async with HorizonServer(generated([1])) as server:
            timeouts = replace(HASTY, silence=5)
            return await heard(
                network(server), lambda entries: bool(reasons(entries)), mode=mode, timeouts=timeouts
            ), server

    entries, server = asyncio.run(run())
    assert states(entries) == [LinkState.CONNECTING, LinkState.LIVE, LinkState.STALE]
    assert streams(server) == 1
    assert [request.path for request in server.requests][-1] != "/ledgers"


def test_a_stream_that_is_dead_while_its_server_is_healthy_is_opened_again() -> None:
    """N1 in mode `ledgers`: a connection that has died is not reported, because nothing is wrong with the server."""
    chain = generated([1, 1, 1])
    entries, server = walk(chain, timeouts=replace(HASTY, silence=5), faults={"stream": ["stall"]})
    assert stroops(entries) == stroops_of(chain)
    assert states(entries) == [LinkState.CONNECTING, LinkState.LIVE]
    assert streams(server) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", ["stall", "mute"])
def test_where_streams_stay_dead_pages_are_read(mode: Mode, fault: str) -> None:
    chain = generated([1, 2, 3])
    timeouts = replace(HASTY, answer=60, silence=60)
    entries, _ = walk(chain, mode, timeouts, faults={"stream": ["ok", *[fault] * 9]}, timeout=0.01, poll=0.02)
    assert stroops(entries) == stroops_of(chain)
    assert LinkState.BACKING_OFF not in states(entries)
    assert reasons(entries)[-1] == f"127.0.0.1 {BUFFERED}"


def test_a_quiet_network_is_not_stale_in_mode_operations() -> None:
    """Ledgers close but are empty: each probe reports one, so that the player knows that the network is live."""
    chain = generated([1, *[0] * 3000])

    async def run() -> list[Entry]:
        async with HorizonServer(chain, tip=1000) as server:

            async def close() -> None:
                while server.tip < 4000:
                    await asyncio.sleep(0.01)
                    server.tip += 1

            closing = asyncio.create_task(close())
            timeouts = replace(HASTY, silence=5)
            try:
                return await heard(network(server), count(6), mode="operations", timeouts=timeouts)
            finally:
                closing.cancel()

    entries = asyncio.run(run())
    assert reasons(entries) == []
    heard_of = [ledger.sequence for ledger in ledgers(entries)]
    assert heard_of == sorted(set(heard_of))
    assert all(not ledger.operations for ledger in ledgers(entries)[1:])


def test_a_stream_of_operations_that_stalls_loses_nothing_of_a_minute() -> None:
    """Ledgers close meanwhile, which is reported; their operations come with the next stream."""
    chain = generated([2] * CATCH_UP)

    async def run() -> list[Entry]:
        server = HorizonServer(chain, tip=1000, faults={"stream": ["ok", "stall"]}, timeout=0.01)

        def see(entry: Entry) -> None:
            if isinstance(entry, Ledger) and server.tip < 999 + CATCH_UP and not streams(server) % 2:
                server.tip += 1

        def whole(entries: list[Entry]) -> bool:
            return len(stroops(entries)) >= 2 * CATCH_UP

        async with server:
            timeouts = replace(QUICK, burst=0.05, probe=0.05)
            return await heard(network(server), whole, see, mode="operations", timeouts=timeouts)

    entries = asyncio.run(run())
    assert stroops(entries) == stroops_of(chain)
    assert [ledger.operations for ledger in ledgers(entries)][1] == 0


def test_a_stale_server_passes_its_turn_on_and_the_next_goes_on_from_there() -> None:
    chain = generated([1] * 6)

    async def run() -> list[Entry]:
        async with HorizonServer(chain, tip=1001) as stopped, HorizonServer(chain, tip=1004) as healthy:
            servers = network(stopped, healthy)
            return await heard(servers, count(4), timeouts=replace(HASTY, silence=5))

    entries = asyncio.run(run())
    assert stroops(entries) == stroops_of(chain)[1:5]
    assert states(entries).count(LinkState.STALE) == 1


def test_the_first_endpoint_is_used_again_once_it_is_healthy() -> None:
    chain = generated([1] * 400)

    async def run() -> tuple[list[Entry], HorizonServer, HorizonServer]:
        ill = HorizonServer(chain, tip=1000, faults={"root": ["500", "500", "500", "503"]})
        async with ill as first, HorizonServer(chain, tip=1000) as second:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger):
                    first.tip = second.tip = entry.sequence + 1

            def home(_: list[Entry]) -> bool:
                return len(first.asked("/ledgers/")) >= 3

            timeouts = replace(QUICK, home=0.02)
            return await heard(network(first, second), home, see, timeouts=timeouts), first, second

    entries, _, second = asyncio.run(run())
    heard_of = [ledger.sequence for ledger in ledgers(entries)]
    assert heard_of == list(range(1000, 1000 + len(heard_of)))  # nothing is lost on the way
    assert len(reasons(entries)) == 3  # the probe, which failed once, disturbed nothing
    assert streams(second) == 1


def test_a_first_endpoint_that_asks_for_an_hour_is_not_probed_before() -> None:
    chain = generated([1] * 60)

    async def run() -> HorizonServer:
        resting = HorizonServer(chain, tip=1059, faults={"root": ["429=3600"]})
        async with resting as first, HorizonServer(chain, tip=1000) as second:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger):
                    second.tip = min(1059, entry.sequence + 1)

            timeouts = replace(QUICK, home=0.001)
            await heard(network(first, second), count(60), see, timeouts=timeouts)
            return first

    assert len(asyncio.run(run()).requests) == 1


def test_malformed_records_are_those_of_the_server_that_sent_them(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the session with it ends because the first endpoint is healthy again."""
    chain, bad = generated([1] * 400), generated([1] * 400)
    bad.operations[1000][0]["amount"] = "x"

    async def run() -> None:
        ill = HorizonServer(chain, tip=1000, faults={"root": ["500", "500", "500"]})
        async with ill as first, HorizonServer(bad, tip=1000) as second:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger):
                    first.tip = second.tip = entry.sequence + 1

            servers = Network("here", "generated", (first.url, second.url.replace("127.0.0.1", "localhost")))
            home, timeouts = lambda _: bool(first.asked("/ledgers/")), replace(QUICK, home=0.02)
            await heard(servers, home, see, timeouts=timeouts)

    asyncio.run(run())
    said = [record.args for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [("localhost", 1)]


def test_when_every_endpoint_has_failed_the_network_is_offline() -> None:
    async def run() -> list[Entry]:
        nowhere = Network("here", "x", ("http://127.0.0.1:9", "http://127.0.0.1:9"))
        return await heard(nowhere, lambda entries: len(reasons(entries)) == 7)

    seen = [state for state in states(asyncio.run(run())) if state is not LinkState.CONNECTING]
    assert seen == [LinkState.BACKING_OFF] * 5 + [LinkState.OFFLINE] * 2


@pytest.mark.parametrize(("plugged", "state"), [(True, LinkState.BACKING_OFF), (False, LinkState.UNPLUGGED)])
def test_a_name_without_an_address(plugged: bool, state: LinkState) -> None:
    """N16: DNS is not there yet; or the computer has no way out at all, which its owner can change."""
    nowhere = Network("here", "x", ("https://horizon.invalid",))
    entries = asyncio.run(
        heard(nowhere, lambda entries: bool(reasons(entries)), timeouts=Timeouts(), plugged=plugged)
    )
    assert states(entries) == [LinkState.CONNECTING, state]
    assert reasons(entries)[0].startswith("horizon.invalid ")


# --- N14, N15: TLS


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that this machine trusts, by OpenSSL's own variable."""
    trusted, file = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return trusted


def over_tls(context: ssl.SSLContext) -> tuple[list[Entry], HorizonServer]:
    async def run() -> tuple[list[Entry], HorizonServer]:
        async with HorizonServer(generated([3]), tls=context) as server:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side complains
            return await heard(
                network(server), lambda entries: bool(ledgers(entries) or reasons(entries))
            ), server

    return asyncio.run(run())


async def probed(context: ssl.SSLContext) -> list[ProbeResult]:
    async with HorizonServer(generated([3]), tls=context) as server:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side complains
        return await probe(network(server))


def test_a_server_with_a_valid_certificate(ca: trustme.CA) -> None:
    entries, _ = over_tls(https(ca))
    assert len(stroops(entries)) == 3


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ("expired", Cause.DATE),
        ("early", Cause.DATE),
        ("host", Cause.TLS),
        ("unknown", Cause.AUTHORITY),
    ],
)
def test_a_server_without_one_is_not_asked(ca: trustme.CA, wrong: str, cause: Cause) -> None:
    entries, server = over_tls(https(ca, wrong))
    assert len(reasons(entries)) == 1
    (result,) = asyncio.run(probed(https(ca, wrong)))
    assert result.cause is cause
    assert server.requests == []


def test_an_old_protocol_is_not_spoken(ca: trustme.CA) -> None:
    """This server breaks the connection, or sends an alert, as its OpenSSL does; the ones below say why."""
    entries, server = over_tls(https(ca, "old"))
    (said,) = reasons(entries)
    assert "TLS" in said
    (result,) = asyncio.run(probed(https(ca, "old")))
    assert result.cause in (Cause.BROKEN, Cause.TLS, Cause.TLS_VERSION)
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("15 03 01 0002 02 46", Cause.TLS_VERSION),  # the alert protocol_version
        # a hello of TLS 1.0
        ("16 03 01 0031 02 00002d 0301" + "00" * 32 + "00 002f 00 0005 ff01000100", Cause.TLS_VERSION),
        ("15 03 01 0002 02 28", Cause.TLS),  # the alert handshake_failure
        ("48 54 54 50 2f 31 2e 31 20", Cause.TLS),  # HTTP
    ],
)
def test_a_server_that_cannot_speak_our_tls_is_named(answer: str, cause: Cause) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex(answer))
        writer.close()

    async def run() -> list[ProbeResult]:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await probe(Network("here", "generated", (f"https://127.0.0.1:{port}",)))

    (result,) = asyncio.run(run())
    assert result.cause is cause


def test_a_clock_that_is_set_right_is_noticed(ca: trustme.CA) -> None:
    """N15: for the box, a certificate that becomes good is what its own clock's jump is."""
    context = https(ca, "early")

    async def run() -> list[Entry]:
        async with HorizonServer(generated([3]), tls=context) as server:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side complains

            def see(entry: Entry) -> None:
                if isinstance(entry, Link) and entry.reason:
                    certify(context, ca, "good")

            return await heard(network(server), count(1), see)

    assert len(stroops(asyncio.run(run()))) == 3


# --- never lost


@pytest.mark.parametrize(("mode", "seed"), [("ledgers", 1), ("ledgers", 2), ("operations", 3)])
def test_every_operation_of_2020_comes_once_and_in_order_through_fifty_breaks(mode: Mode, seed: int) -> None:
    name = "pubnet-2020-07-28-11-ledgers-operations.jsonl.gz"
    chain = chain_of(rows(recorded(name)), network="generated")
    chance = random.Random(seed)

    def some(*faults: str) -> Iterator[str]:
        while True:
            yield (fault := chance.choice(faults))
            if fault in ("short", "404"):
                yield "ok"  # who withholds a page twice withholds it for good: then there is no more to hear

    faults = {
        "stream": some("rst", "eof", "error", "500", "429", "html", "nonsense", "dup", "ok", "ok"),
        "page": some("ok", "ok", "ok", "500", "short", "html", "rst", "404"),
        "list": some("ok", "html", "500", "rst"),
        "root": some("ok", "ok", "ok", "500", "rst"),
    }
    timeouts = replace(QUICK, burst=0.05)
    entries, _ = walk(chain, mode, timeouts, faults=faults, timeout=0.01, breaks=50)
    assert len(reasons(entries)) >= 50
    assert stroops(entries) == stroops_of(chain)
    sequences = [ledger.sequence for ledger in ledgers(entries)]
    assert sequences == sorted(sequences)
