# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from stellar_sdk import Asset

from appliance.ledger.networks import Network
from appliance.ledger.reader.budget import Allowance, TokenBucket, own
from appliance.ledger.reader.rpc import EVENTS, TRANSACTIONS, Rpc
from appliance.ledger.reader.session import CATCH_UP, ListenOptions, Lost, Mode
from appliance.values import Amount, Kind, Ledger, LinkState
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
)
from tests.support.horizon_records import Chain, chain_of, generated, ledger_record, recorded, rows
from tests.support.horizon_server import HorizonServer
from tests.support.rpc_server import RpcServer

pytestmark = pytest.mark.process

CLASSIC = pytest.mark.parametrize("classic", [True, False], ids=["events", "transactions"])


def follow(server: RpcServer, pages: int = 9, **options: Any) -> list[Entry]:
    """What is heard of a server from its tip to its chain's last ledger; each closes when the one before was heard."""
    last = server.chain.ledgers[-1]["sequence"]

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger) and entry.sequence == server.tip < last:
            server.tip += 1

    def ended(entries: list[Entry]) -> bool:
        return isinstance(entries[-1], Ledger) and entries[-1].sequence == last

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), ended, see, pages=pages, **options)

    return asyncio.run(run())


def first(
    server: RpcServer, until: Callable[[list[Entry]], bool] | None = None, **options: Any
) -> list[Entry]:
    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), until or count(1), **options)

    return asyncio.run(run())


# --- without faults -----------------------------------------------------------------------


@CLASSIC
def test_the_last_closed_ledger_comes_first_and_then_each_that_closes(classic: bool) -> None:
    server = RpcServer(generated([3, 2, 5]), tip=1000, classic=classic)
    entries = follow(server)
    assert states(entries) == [LinkState.CONNECTING, LinkState.LIVE]
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1001, 1002]
    assert stroops(entries) == stroops_of(server.chain)
    assert {request.path for request in server.requests} == {
        *("getNetwork", "getHealth", "getEvents"),
        *([] if classic else ["getTransactions"]),
    }


@CLASSIC
def test_a_ledger_is_what_a_horizon_says_of_it(classic: bool) -> None:
    chain = generated([4, 0, 3])
    rpc = follow(RpcServer(chain, tip=1000, classic=classic))

    async def at_horizon() -> list[Entry]:
        async with HorizonServer(chain, tip=1000) as server:

            def see(entry: Entry) -> None:
                if isinstance(entry, Ledger):
                    server.tip = min(1002, entry.sequence + 1)

            return await heard(network(server), count(3), see)

    expected = ledgers(asyncio.run(at_horizon()))
    assert ledgers(rpc) == [replace(ledger, failed=0) for ledger in expected]


def test_every_amount_of_2020_comes_once_and_in_order() -> None:
    name = "pubnet-2020-07-28-11-ledgers-operations.jsonl.gz"
    chain = chain_of(rows(recorded(name)), network="generated")
    server = RpcServer(chain, tip=chain.ledgers[0]["sequence"], classic=False)
    entries = follow(server)
    assert stroops(entries) == stroops_of(chain)
    assert len(stroops(entries)) == 1076
    assert [ledger.operations for ledger in ledgers(entries)] == [
        len(group) for group in chain.operations.values()
    ]


def test_failed_transactions_are_counted_and_moved_nothing() -> None:
    chain = generated([3])
    chain.operations[1000][1]["transaction_successful"] = False
    (ledger,) = ledgers(first(RpcServer(chain, classic=False)))
    assert (ledger.succeeded, ledger.failed, ledger.operations) == (2, 1, 2)
    assert [a.stroops for a in ledger.amounts] == stroops_of(chain)


@CLASSIC
def test_a_busy_ledger_comes_in_pages_and_no_more_of_them_than_are_wanted(classic: bool) -> None:
    size = EVENTS if classic else TRANSACTIONS
    chain = generated([1, size * 2 + 5, size * 3])
    server = RpcServer(chain, tip=1000, classic=classic)
    entries = follow(server, pages=2)
    assert [ledger.operations for ledger in ledgers(entries)] == [1, size * 2, size * 2]
    whole = follow(RpcServer(chain, tip=1000, classic=classic), pages=5)
    assert stroops(whole) == stroops_of(chain)


def test_the_first_ledger_is_wanted_soon_rather_than_whole() -> None:
    (ledger,) = ledgers(first(RpcServer(generated([EVENTS * 2])), pages=5))
    assert ledger.operations == EVENTS


def test_where_the_limit_is_near_pages_are_left_out_and_ledgers_still_come() -> None:
    server = RpcServer(generated([3, 3]), tip=1000)
    scarce = Allowance(TokenBucket(3600, 15), TokenBucket(1e15, 1e12))  # below what page 1 needs

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), count(1), allowances={server.url: scarce})

    (ledger,) = ledgers(asyncio.run(run()))
    assert (ledger.amounts, ledger.closed_at) == ((), 1795482000)


@CLASSIC
def test_an_empty_ledger_between_others_has_a_time_between_theirs(classic: bool) -> None:
    chain = generated([1, 0, 0, 1, 1])
    server = RpcServer(chain, tip=1000, classic=classic)

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger):
            server.tip = 1004

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), count(5), see)

    times = [ledger.closed_at for ledger in ledgers(asyncio.run(run()))]
    assert [time - times[0] for time in times] == [0, 5, 10, 15, 20]


# --- faults of a server -----------------------------------------------------------------------------------

FAULTS = ["mute", "rst", "nonsense", "shapeless", "html", "redirect", "429", "503"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["getNetwork", "getHealth", "getEvents", "getTransactions"])
def test_a_fault_is_a_reason_and_nothing_is_lost(method: str, fault: str) -> None:
    classic = method != "getTransactions"
    chain = generated([2, 3, 2])
    faults = {method: ["ok", "ok", fault] if method != "getNetwork" else [fault]}
    server = RpcServer(chain, tip=1000, classic=classic, faults=faults)
    entries = follow(server, timeouts=replace(QUICK, answer=0.5) if fault == "mute" else QUICK)
    (said,) = reasons(entries)
    assert said.startswith("127.0.0.1 ")
    assert stroops(entries) == stroops_of(chain)


@CLASSIC
@pytest.mark.parametrize("fault", ["refused", "behind"])
def test_a_server_of_several_that_lags_is_asked_again(classic: bool, fault: str) -> None:
    method = "getEvents" if classic else "getTransactions"
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, classic=classic, faults={method: ["ok", "ok", fault]})
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


def test_events_that_are_refused_twice_are_read_as_transactions() -> None:
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, faults={"getEvents": ["ok", "ok", "refused", "refused"]})
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


def test_what_is_refused_in_every_way_ends_the_session() -> None:
    chain = generated([2, 3, 2])
    faults = {"getEvents": ["ok", "ok", "refused", "refused"], "getTransactions": ["refused", "refused"]}
    server = RpcServer(chain, tip=1000, faults=faults)
    entries = follow(server)
    (reason,) = reasons(entries)
    assert {"127.0.0.1", "-32001"} <= set(reason.split())
    assert stroops(entries) == stroops_of(chain)


CODES = [-32700, -32600, -32601, -32602, -32603, -32000, -32001, -32099, -1]


@pytest.mark.parametrize("code", CODES)
def test_without_events_ledgers_are_read_by_transactions(code: int) -> None:
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, faults={"getEvents": itertools.repeat(str(code))})
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


@pytest.mark.parametrize("fault", ["403", "404", "405", "500", "504", "nonsense", "shapeless", "rst"])
def test_so_they_are_where_the_question_for_events_fails_in_any_other_way(fault: str) -> None:
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, faults={"getEvents": itertools.repeat(fault)})
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


def test_events_are_tried_again_after_a_while() -> None:
    chain = generated([2, 3, 2, 4])
    server = RpcServer(chain, tip=1000, faults={"getEvents": ["500"]})
    entries = follow(server, timeouts=replace(QUICK, home=0.0))
    assert stroops(entries) == stroops_of(chain)
    paths = [request.path for request in server.requests]
    assert paths.index("getTransactions") < len(paths) - 1 - paths[::-1].index("getEvents")
    assert "getTransactions" not in paths[-4:]


def test_without_transactions_ledgers_are_read_by_events() -> None:
    chain = generated([2, 3])
    for records in chain.operations.values():
        for record in records:
            change = {"type": "transfer", "asset_type": "native", "amount": "1.0000000"}
            record |= {"type_i": 24, "asset_balance_changes": [change]}
    server = RpcServer(chain, tip=1000, classic=False, without=["getTransactions"])
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


@pytest.mark.parametrize("method", ["getNetwork", "getHealth"])
@CLASSIC
def test_a_missing_method_is_not_needed(classic: bool, method: str) -> None:
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, classic=classic, without=[method])
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


@pytest.mark.parametrize("code", [*CODES, 403, 404])
def test_a_health_that_is_refused_is_not_a_sick_server(code: int) -> None:
    chain = generated([2, 3, 2])
    fault = str(code)
    server = RpcServer(chain, tip=1000, faults={"getHealth": itertools.repeat(fault)})
    entries = follow(server)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


LIMITS = [
    "-32005",
    "-32029",
    "-32000=Too many requests",
    "-32007=50/second request limit reached",
    "-32097=rate limit exceeded",
    "-32603=daily quota exceeded",
]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("method", ["getNetwork", "getHealth", "getEvents", "getTransactions"])
def test_a_limit_is_waited_for(method: str, limit: str) -> None:
    chain = generated([2, 3, 2])
    server = RpcServer(chain, tip=1000, classic=method != "getTransactions", faults={method: [limit]})
    entries = follow(server)
    assert len(reasons(entries)) == 1
    assert stroops(entries) == stroops_of(chain)


@pytest.mark.parametrize("lenient", [False, True], ids=["refuses", "clamps"])
@pytest.mark.parametrize("most", [1, 7, 100])
@CLASSIC
def test_a_lower_page_limit_costs_pages_and_no_amounts(classic: bool, most: int, lenient: bool) -> None:
    chain = generated([2, 30, 7, 0, 14, 1, 21])
    server = RpcServer(chain, tip=1000, classic=classic, most=most, lenient=lenient)
    entries = follow(server)
    assert reasons(entries) == []
    first_page = min(most, 2)  # the first ledger is one page, to sound soon
    assert stroops(entries) == stroops_of(chain)[:first_page] + stroops_of(chain)[2:]


@pytest.mark.parametrize("weight", [300_000, 3_000_000])
@CLASSIC
def test_pages_that_are_too_long_become_shorter_and_cost_no_amounts(classic: bool, weight: int) -> None:
    chain = generated([1, 21, 3])
    server = RpcServer(chain, tip=1000, classic=classic, weight=weight)
    entries = follow(server, pages=1)
    assert reasons(entries) == []
    assert stroops(entries) == stroops_of(chain)


@pytest.mark.parametrize("longest", [1, 0], ids=["one record is read", "no record is read"])
@CLASSIC
def test_only_a_page_of_one_record_that_is_too_long_ends_the_session(classic: bool, longest: int) -> None:
    size = EVENTS if classic else TRANSACTIONS
    bombs = ["bomb"] * (size.bit_length() - longest)  # each halves the page
    faults = {"getEvents": ["ok", *bombs]} if classic else {"getTransactions": bombs}
    server = RpcServer(generated([3]), classic=classic, faults=faults)
    assert ["too long" in said for said in reasons(first(server))] == [True] * (1 - longest)


def test_a_foreign_fee_is_not_taken_for_classic_events() -> None:
    """The filter names the contract of lumens: anybody can emit an event called fee."""
    server = RpcServer(generated([2]))
    first(server)
    asked: Any = next(request.query for request in server.requests if request.path == "getEvents")
    assert [one["contractIds"] for one in asked["filters"]] == [[Asset.native().contract_id("generated")]]


def test_accounts_that_are_merged_are_the_only_amounts_that_events_add() -> None:
    chain = generated([8])
    records = chain.operations[1000]
    for record, kind in zip(records, (8, 15, 20), strict=False):
        record["type_i"] = kind
    by_events = ledgers(first(RpcServer(chain)))[0]
    by_transactions = ledgers(first(RpcServer(chain, classic=False)))[0]
    assert by_transactions.amounts == by_events.amounts[1:]
    assert by_events.amounts[0] == Amount(32_100_000, Kind.PAYMENT, True, 1000)


def test_a_server_that_lacks_its_own_last_ledger_is_left() -> None:
    entries = first(RpcServer(generated([2, 3]), faults={"getEvents": ["behind", "behind"]}))
    assert states(entries)[1] == LinkState.STALE


def test_a_server_of_another_network_is_not_listened_to() -> None:
    server = RpcServer(generated([1]), faults={"getNetwork": ["wrong"]})
    (reason,) = reasons(first(server))
    assert {"127.0.0.1", "here"} <= set(reason.split())
    assert [request.path for request in server.requests][1] == "getNetwork"


def test_a_server_that_says_it_is_old_is_stale() -> None:
    server = RpcServer(generated([1]), faults={"getHealth": ["stale"]})
    entries = first(server)
    assert states(entries)[1] == LinkState.STALE


def test_a_server_whose_ledger_stands_still_is_stale() -> None:
    timeouts = replace(QUICK, stale=0.6)
    entries = first(RpcServer(generated([1])), lambda heard: len(links(heard)) == 3, timeouts=timeouts)
    assert links(entries)[2].state == LinkState.STALE


def test_a_longer_wait_that_is_asked_for_is_kept() -> None:
    server = RpcServer(generated([1]), faults={"getNetwork": ["429=3600"]})
    entries = first(server, lambda heard: len(links(heard)) == 2)
    assert links(entries)[1].retry_in == pytest.approx(3600)


@CLASSIC
def test_records_that_make_no_sense_are_dropped_and_counted(
    classic: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    method = "getEvents" if classic else "getTransactions"
    chain = generated([5])
    faults = ["ok", "garbage"] if classic else ["garbage"]
    entries = first(RpcServer(chain, classic=classic, faults={method: faults}))
    assert stroops(entries) == stroops_of(chain)[1::2]
    assert [record.args for record in caplog.records] == [("127.0.0.1", 3)]


def test_ledgers_that_the_server_no_longer_has_are_a_reason_and_are_skipped() -> None:
    server = RpcServer(generated([1] * 9), tip=1000)

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger):
            server.tip = server.oldest = 1004

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), count(2), see)

    entries = asyncio.run(run())
    assert len(reasons(entries)) == 1
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1004]


def test_after_more_than_a_minute_it_goes_on_at_now_and_counts_what_it_skipped() -> None:
    server = RpcServer(generated([1] * 40), tip=1000)

    def see(entry: Entry) -> None:
        if isinstance(entry, Ledger):
            server.tip = 1001 + CATCH_UP + 1

    async def run() -> list[Entry]:
        async with server:
            return await heard(network(server), count(2), see)

    entries = asyncio.run(run())
    assert [ledger.sequence for ledger in ledgers(entries)] == [1000, 1014]
    assert links(entries)[-1].reason == "13 ledgers were skipped"


@pytest.mark.parametrize("sequence", [0, 2**31])
def test_a_last_ledger_that_cannot_be_is_refused(sequence: int) -> None:
    chain = Chain("generated", [ledger_record(sequence, "2026-11-24T01:00:00Z", 0, 0)])

    async def run() -> None:
        async with RpcServer(chain) as server:
            session = Rpc(server.url.removeprefix("rpc+"), ListenOptions(timeouts=QUICK), own())
            try:
                with pytest.raises(Lost, match="does not say which"):
                    await session.tip(Network("here", "generated", (server.url,)))
            finally:
                await session.close()

    asyncio.run(run())


def test_nothing_leaves_but_numbers_of_ledgers() -> None:
    server = RpcServer(generated([3, EVENTS + 5]), tip=1000)
    follow(server)
    asked = [request.query for request in server.requests if request.query]
    assert {key for params in asked for key in params} == {
        *("startLedger", "endLedger", "pagination", "filters"),
    }
    assert all(request.headers["user-agent"] == "stellar-wind-box" for request in server.requests)


# --- across the kinds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@CLASSIC
def test_from_a_horizon_to_an_rpc_server_and_back_nothing_is_lost_or_doubled(
    mode: Mode, classic: bool
) -> None:
    """The Horizon server breaks off after the third ledger and refuses twice; later it is healthy again."""
    chain = generated([3, 2, 4, 0, 2, 3, 2, 1, 2, 3] * 3)
    horizon = HorizonServer(chain, tip=1000)
    rpc = RpcServer(chain, tip=1000, classic=classic)
    last = chain.ledgers[-1]["sequence"]
    hosts: list[str] = []

    def see(entry: Entry) -> None:
        if not isinstance(entry, Ledger):
            return
        hosts.append("rpc" if rpc.open else "horizon")
        if entry.sequence == 1002:
            horizon.faults["root"] = iter(["503"] * 2)
            for task in horizon.tasks:
                task.cancel()
        if entry.sequence == horizon.tip:
            horizon.tip = rpc.tip = min(horizon.tip + 1, last)

    def ended(entries: list[Entry]) -> bool:
        return isinstance(entries[-1], Ledger) and entries[-1].sequence == last

    async def run() -> list[Entry]:
        async with horizon, rpc:
            timeouts = replace(QUICK, home=0.02, burst=0.05, probe=0.2)
            return await heard(network(horizon, rpc), ended, see, mode=mode, pages=9, timeouts=timeouts)

    entries = asyncio.run(run())
    assert stroops(entries) == stroops_of(chain)
    assert [host for host, _ in groupby(hosts)] == ["horizon", "rpc", "horizon"]
    if mode == "ledgers":
        assert [ledger.sequence for ledger in ledgers(entries)] == list(range(1000, last + 1))


@pytest.mark.parametrize("offset", range(1, 4))
def test_the_rest_of_a_ledger_that_was_half_read_is_read(offset: int) -> None:
    chain = generated([3, 2])
    begun = 1000 << 32 | offset << 12 | 1

    async def run() -> list[tuple[int, Ledger]]:
        async with RpcServer(chain) as server:
            session = Rpc(server.url.removeprefix("rpc+"), ListenOptions(timeouts=QUICK), own())
            await session.tip(Network("here", "generated", (server.url,)))
            found: list[tuple[int, Ledger]] = []
            async for entry in session.ledgers(begun, primer=False):
                found.append(entry)
                if entry[1].sequence == 1001:
                    break
            await session.close()
            return found

    entries = asyncio.run(run())
    amounts = [a.stroops for _, ledger in entries for a in ledger.amounts]
    assert amounts == stroops_of(chain)[offset:]
    assert [ledger.sequence for _, ledger in entries] == ([1001] if offset == 3 else [1000, 1001])
