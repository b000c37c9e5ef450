# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest

from appliance.ledger.networks import Network
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.client import StreamClient
from appliance.ledger.reader.horizon import MOST
from appliance.ledger.reader.session import Lost, Mode, Timeouts
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
from tests.support.horizon_records import Chain, Record, chain_of, generated, payment, recorded, rows
from tests.support.horizon_server import BYEBYE, HELLO, HorizonServer, event

pytestmark = pytest.mark.process

# --- without faults -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_last_closed_ledger_comes_first_and_then_each_that_closes(mode: Mode) -> None:
    entries, server = walk(generated([3, 2, 5]), mode=mode)
    assert states(entries) == [LinkState.CONNECTING, LinkState.LIVE]
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1001, 1002]
    assert stroops(entries) == stroops_of(server.chain)


@pytest.mark.parametrize("mode", MODES)
def test_every_amount_of_2020_comes_once_and_in_order(mode: Mode) -> None:
    name = "pubnet-2020-07-28-11-ledgers-operations.jsonl.gz"
    chain = chain_of(rows(recorded(name)), network="generated")
    entries, _ = walk(chain, mode=mode)
    assert [ledger.operations for ledger in ledgers(entries)] == [
        len(group) for group in chain.operations.values()
    ]
    # 1,892 operations, of which 766 delete an offer and 50 are allow_trust.
    written = [Decimal(r["amount"]) for group in chain.operations.values() for r in group if "amount" in r]
    assert stroops(entries) == [int(amount * 10**7) for amount in written if amount]
    assert len(stroops(entries)) == 1076


def test_the_ledger_has_its_own_time_and_counts() -> None:
    entries, _ = walk(generated([3]))
    ledger = ledgers(entries)[0]
    assert (ledger.closed_at, ledger.operations, ledger.succeeded, ledger.failed) == (1795482000, 3, 3, 1)


def test_the_counts_of_a_stream_of_operations_are_those_of_its_operations() -> None:
    entries, _ = walk(generated([3]), mode="operations")
    ledger = ledgers(entries)[0]
    assert (ledger.closed_at, ledger.operations, ledger.succeeded, ledger.failed) == (1795482000, 3, 3, 0)


def test_requests_are_few_numbered_and_packed() -> None:
    _, server = walk(generated([0, 450, 200, 1, 0]))
    assert [len(server.asked(f"/ledgers/{n}/operations")) for n in range(1000, 1005)] == [0, 3, 1, 1, 0]
    for request in server.asked("/ledgers"):
        assert request.query["cursor"].isdigit()
        assert request.query["limit"] == "200"
    for request in server.asked("/ledgers/"):
        assert request.headers["accept-encoding"] == "gzip"
        assert request.query["include_failed"] == "false"
    assert len([request for request in server.requests if request.streaming]) == 1


def test_no_more_pages_than_allowed_and_only_one_of_the_first_ledger() -> None:
    entries, server = walk(generated([900, 900]), pages=2)
    assert [len(server.asked(f"/ledgers/{n}/operations")) for n in (1000, 1001)] == [1, 2]
    assert [(ledger.operations, len(ledger.amounts)) for ledger in ledgers(entries)] == [
        (900, 200),
        (900, 400),
    ]


def test_a_stream_is_taken_up_again_where_horizon_ends_it() -> None:
    entries, server = walk(generated([1] * 12), timeout=0.004)
    assert stroops(entries) == stroops_of(server.chain)
    streams = [request for request in server.requests if request.streaming]
    assert len(streams) > 1
    assert states(entries) == [LinkState.CONNECTING, LinkState.LIVE]
    assert len(server.asked("/")) - len(server.asked("/ledgers")) == 1  # one first page


def test_more_than_two_hundred_operations_need_several_connections() -> None:
    entries, server = walk(generated([650, 3]), mode="operations")
    assert stroops(entries) == stroops_of(server.chain)
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1001]
    assert len(server.asked("/operations")) == 4


def test_a_ledger_without_an_end_comes_in_parts() -> None:
    entries, server = walk(generated([MOST + 50, 3]), mode="operations")
    assert stroops(entries) == stroops_of(server.chain)
    *parts, last = ledgers(entries)  # a stalled computer takes a pause for the end, and makes more parts
    assert {part.sequence for part in parts} == {1000}
    assert max(part.operations for part in parts) <= MOST
    assert sum(part.operations for part in parts) == MOST + 50
    assert (last.sequence, last.operations) == (1001, 3)


def test_stragglers_of_a_ledger_are_one_more_of_the_same_sequence() -> None:
    chain = generated([2])
    late = payment(1000, 9, "7.0000000")

    async def run() -> list[Entry]:
        async with HorizonServer(chain) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and late not in chain.operations[1000]:
                    chain.operations[1000].append(late)

            # The silent stream is opened again, and brings what came late.
            timeouts = replace(QUICK, silence=0.5)
            return await heard(network(server), count(2), see, mode="operations", timeouts=timeouts)

    found = [(ledger.sequence, len(ledger.amounts)) for ledger in ledgers(asyncio.run(run()))]
    assert found == [(1000, 2), (1000, 1)]


def malformed(caplog: pytest.LogCaptureFixture) -> list[object]:
    """Of each warning the server, and how many records were malformed."""
    return [record.args for record in caplog.records if record.levelno == logging.WARNING]


# --- the ways it goes wrong ---------------------------------------------------------------------------------


def troubled(faults: dict[str, list[str]], **options: Any) -> tuple[list[Entry], HorizonServer]:
    entries, server = walk(generated([3, 2, 5]), faults=faults, **options)
    assert stroops(entries) == stroops_of(server.chain)  # whatever happens, each amount once and in order
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1001, 1002]
    return entries, server


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", ["stall", "rst", "eof", "429", "503", "error", "redirect"])
def test_a_broken_stream_is_resumed_without_loss(mode: Mode, fault: str) -> None:
    chain = generated([3, 2, 5])
    timeouts = replace(QUICK, silence=0.5, burst=0.03) if fault == "stall" else QUICK
    entries, _ = walk(chain, mode=mode, faults={"stream": [fault, fault]}, timeouts=timeouts)
    assert stroops(entries) == stroops_of(chain)
    assert all(reason.startswith("127.0.0.1 ") for reason in reasons(entries))
    assert len(set(reasons(entries))) <= 1
    if fault != "rst":  # the reset comes with a second event, which may be in a connection of its own
        assert len(reasons(entries)) == 2


@pytest.mark.parametrize("fault", ["stall", "rst", "503", "html", "redirect", "bomb"])
def test_a_broken_page_is_asked_for_again(fault: str) -> None:
    timeouts = replace(QUICK, page=0.3) if fault == "stall" else QUICK
    entries, server = troubled({"page": ["ok", fault, fault]}, timeouts=timeouts)
    assert len(reasons(entries)) == 2
    assert len(server.asked("/ledgers/1001/operations")) == 3


def test_a_bomb_is_not_unpacked() -> None:
    entries, _ = troubled({"page": ["bomb"]})
    assert len(reasons(entries)) == 1


def test_nonsense_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        entries, _ = troubled({"stream": ["nonsense"]})
    assert reasons(entries) == []
    assert malformed(caplog) == [("127.0.0.1", 3)]


def test_a_bad_operation_is_dropped_and_the_others_sound(caplog: pytest.LogCaptureFixture) -> None:
    for mode in MODES:
        chain = generated([3])
        chain.operations[1000][1]["amount"] = "1e400"
        entries, _ = walk(chain, mode=mode)
        assert len(stroops(entries)) == 2
    assert malformed(caplog) == [("127.0.0.1", 1)] * 2


def replay(chain: Chain, mode: Mode, *records: Record) -> list[Entry]:
    """Follow a stream of just these records, whatever they are, until the last of `chain` has been heard."""
    transcript = [(0.0, HELLO), *((0.0, event(record)) for record in records), (60.0, BYEBYE)]
    return walk(chain, mode, transcript=transcript)[0]


def test_a_ledger_comes_once_and_a_bad_one_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    chain = generated([1, 1])
    first, second = chain.ledgers
    entries = replay(chain, "ledgers", {**first, "sequence": "?"}, first, first, second)
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1001]
    assert malformed(caplog) == [("127.0.0.1", 1)]


def test_an_operation_comes_once_and_a_bad_one_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    chain = generated([2, 1])
    (a, b), (c,) = chain.operations.values()
    entries = replay(chain, "operations", {**a, "id": "?"}, {**a, "type_i": "?"}, a, b, a, b, c)
    assert stroops(entries) == [10000000002, 10010000001]  # the bad one had the first one's id
    assert malformed(caplog) == [("127.0.0.1", 2)]


def test_a_ledger_of_bad_operations_only_is_none() -> None:
    chain = generated([1, 1])
    (a,), (b,) = chain.operations.values()
    assert stroops(replay(chain, "operations", {**a, "type_i": "?"}, b)) == [10010000001]


@pytest.mark.parametrize(
    "page", [{}, {"_embedded": []}, {"_embedded": {"records": [{}]}}, {"_links": 7}, [], "page"]
)
def test_a_page_that_is_none_of_horizons(page: Any) -> None:
    class Odd(HorizonServer):
        def _listed(self, *_: object) -> Record:
            return page  # type: ignore[no-any-return]

    async def run() -> list[Entry]:
        async with Odd(generated([1])) as server:
            timeouts = replace(QUICK, ask=0.2, late=0.2, burst=0.05, stale=0.4)
            return await heard(network(server), lambda entries: bool(reasons(entries)), timeouts=timeouts)

    assert len(reasons(asyncio.run(run()))) == 1


def test_an_operation_without_an_id_is_no_answer_to_whether_there_are_any() -> None:
    class Odd(HorizonServer):
        def _listed(self, *_: object) -> Record:
            return {"_embedded": {"records": [{"id": None}]}}

    async def run() -> list[Entry]:
        async with Odd(generated([1]), transcript=[(0.0, HELLO), (60.0, BYEBYE)]) as server:
            timeouts = replace(QUICK, burst=0.01, probe=0.02)
            return await heard(
                network(server),
                lambda entries: bool(reasons(entries)),
                timeouts=timeouts,
                mode="operations",
            )

    assert len(reasons(asyncio.run(run()))) == 1


def test_an_endless_event_is_refused() -> None:
    async def run() -> list[Entry]:
        endless = [(0.0, b"data: " + b"x" * 300_000)]
        async with HorizonServer(generated([1]), transcript=endless) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    assert len(reasons(asyncio.run(run()))) == 1


def test_nothing_of_the_records_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        chain = generated([2, 1])
        chain.operations[1000][0]["amount"] = "x"
        walk(chain, faults={"stream": ["rst", "nonsense"], "page": ["503"]})
    for record in chain.operations[1000]:
        for secret in (record["id"], record["transaction_hash"], record["source_account"], record["to"]):
            assert secret not in caplog.text


def test_the_wait_is_reported_and_retry_after_obeyed() -> None:
    async def run() -> list[Entry]:
        async with HorizonServer(generated([1]), faults={"root": ["429"]}) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    link = links(asyncio.run(run()))[-1]
    assert link.state is LinkState.BACKING_OFF
    assert link.retry_in == pytest.approx(1.0)  # Horizon's Retry-After; the back-off alone would be 1 ms here


def test_ledgers_that_stop_are_stale() -> None:
    async def run() -> list[Entry]:
        timeouts = Timeouts(silence=10, ask=0.03, stale=0.06, burst=0.01)
        async with HorizonServer(generated([1])) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)), timeouts=timeouts)

    link = links(asyncio.run(run()))[-1]
    assert link.state is LinkState.STALE
    assert link.reason.startswith("127.0.0.1 ")


def test_another_network_is_not_listened_to() -> None:
    async def run() -> tuple[list[Entry], HorizonServer]:
        async with HorizonServer(generated([1], network="elsewhere")) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries))), server

    entries, server = asyncio.run(run())
    (reason,) = reasons(entries)
    assert {"127.0.0.1", "here"} <= set(reason.split())  # the server, and the network that was wanted
    assert [request.path for request in server.requests] == ["/"]


def test_after_three_failures_the_next_endpoint_has_its_turn() -> None:
    async def run() -> tuple[list[Entry], int]:
        broken = HorizonServer(generated([1]), faults={"root": repeat("503")})
        async with broken, HorizonServer(generated([1])) as server:
            return await heard(network(broken, server), count(1)), len(broken.requests)

    entries, asked = asyncio.run(run())
    assert asked == 3
    assert states(entries)[-1] is LinkState.LIVE


def test_a_server_that_is_not_there_is_tried_for_ever() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nowhere = Network("here", "generated", (f"http://127.0.0.1:{held.getsockname()[1]}",))
        entries = asyncio.run(heard(nowhere, lambda entries: len(reasons(entries)) == 12))
    assert set(reasons(entries)) == {"127.0.0.1 cannot be reached"}


def test_a_long_absence_is_not_replayed() -> None:
    chain = generated([1] * 40)

    async def run() -> list[Entry]:
        async with HorizonServer(chain, tip=1000, timeout=0.01) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger) and server.tip == 1000:
                    server.faults["stream"] = iter(["503"])
                if isinstance(entry, Link) and entry.reason:
                    server.tip = 1039

            return await heard(network(server), count(2), see)

    assert [ledger.sequence for ledger in ledgers(asyncio.run(run()))] == [1000, 1039]


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"network_passphrase": "generated"},
        {"network_passphrase": "generated", "history_latest_ledger": "7"},
    ],
)
def test_a_first_page_without_its_fields(page: Record) -> None:
    class Odd(HorizonServer):
        def _root(self) -> Record:
            return page

    async def run() -> list[Entry]:
        async with Odd(generated([1])) as server:
            return await heard(network(server), lambda entries: bool(reasons(entries)))

    assert len(reasons(asyncio.run(run()))) == 1


# --- its end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("faults", [{}, {"stream": ["stall"]}, {"page": ["stall"]}, {"root": ["stall"]}])
def test_cancelling_leaves_nothing_open(mode: Mode, faults: dict[str, list[str]]) -> None:
    async def run() -> None:
        async with HorizonServer(generated([3]), faults=faults) as server:
            loop = asyncio.get_running_loop()
            others = asyncio.all_tasks()
            following = asyncio.create_task(heard(network(server), count(99), mode=mode, timeouts=Timeouts()))
            while not server.requests:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            asked = loop.time()
            following.cancel()
            await asyncio.wait({following})
            assert following.cancelled()
            assert loop.time() - asked < 5  # s; what it was waiting for would have taken 10 and more
            assert asyncio.all_tasks() - others <= server.tasks
            while (
                server.open
            ):  # the server notices at its next poll; with a connection left open this never ends
                await asyncio.sleep(0.001)

    asyncio.run(run())


def test_the_client_alone_raises_lost_and_nothing_else() -> None:
    async def run() -> None:
        async with HorizonServer(generated([1]), faults={"list": ["html", "bomb"]}) as server:
            client = StreamClient(QUICK, own())
            for _ in range(2):
                with pytest.raises(Lost):
                    await client.get(server.url + "/operations")
            answer = await client.get(server.url + "/operations", {"limit": "1"})
            assert answer.status == 200
            with pytest.raises(Lost):
                await client.get(server.url + "/operations", most=100)
            await client.close()

    asyncio.run(run())
