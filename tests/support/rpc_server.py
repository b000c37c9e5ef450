# SPDX-License-Identifier: Apache-2.0
"""A Stellar RPC server on this machine: a real TCP server that answers as one does, or with a fault.

Every answer passes through the SDK's own type for it, so that it has the shape that the SDK expects. It serves the same
chain as the Horizon server, whose TCP side it shares.

    python -m tests.support.rpc_server --port 8001 --mode stall

`faults={"getHealth": ["rst", "ok"], "getEvents": ["refused"]}` gives one each to the first questions of a method:

    mute       does not answer at all; also as `stall`
    rst        resets the connection
    refused    refuses with JSON-RPC's code for a question that took too long
    stale      refuses as getHealth does when its last ledger is old
    wrong      is on another network
    behind     answers as a server does that has one ledger less
    garbage    sends XDR that makes no sense in every second record
    -32601     refuses with that code of JSON-RPC, or -32000=text with a text of its own
    shapeless  sends an answer that lacks everything
    nonsense   sends what is no JSON
    html redirect bomb 429 503 429=3600   as the Horizon does
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from stellar_sdk import Asset, scval
from stellar_sdk.soroban_rpc import (
    EventInfo,
    GetEventsResponse,
    GetHealthResponse,
    GetNetworkResponse,
    GetTransactionResponse,
    GetTransactionsResponse,
    Transaction,
)

from appliance.ledger.reader.amounts import parse_time
from tests.support.horizon_faults import RAW, head
from tests.support.horizon_records import ACCOUNT, Chain, Record, generated
from tests.support.horizon_server import HorizonServer, Request, reset
from tests.support.rpc_records import contract_event, event_info, moves, transaction

MOST = {"getEvents": 10_000, "getTransactions": 200}
RANGE, REFUSED, INTERNAL, PARAMS = -32600, -32001, -32603, -32602  # JSON-RPC's codes, as the server uses them


class RpcServer(HorizonServer):
    """Serves `chain` up to its ledger `tip`, and from its ledger `oldest` on; the rest as HorizonServer says.

    `classic` is a node that emits the events of classic operations. A page holds at most `most` records: a question
    for more is refused, or gets `most` if the server is `lenient`. `without` names methods that it does not have.
    Each record is `weight` bytes longer than a real one.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        classic: bool = True,
        oldest: int = 0,
        most: int = 10_000,
        lenient: bool = False,
        weight: int = 0,
        without: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(chain, **options)
        self.most, self.lenient, self.weight, self.without = most, lenient, weight, without
        self.classic, self.oldest = classic, oldest or chain.ledgers[0]["sequence"]
        self._signed: dict[int, list[Transaction]] = {}
        self._made: dict[int, list[EventInfo]] = {}

    @property
    def url(self) -> str:
        """The root address, as settings write it."""
        return f"rpc+{super().url}"

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one question; False when that was the connection's last."""
        question = json.loads(await reader.readexactly(int(asked.headers["content-length"])))
        method, params = question["method"], question.get("params") or {}
        self.requests.append(Request(method, params, asked.headers))
        fault = next(self.faults.get(method, iter(())), "ok") if self._spend() else "429"
        await asyncio.sleep(self.delay)
        if fault in ("mute", "stall"):
            await reader.read()
        elif fault == "rst":
            reset(writer)
            return False
        elif fault in RAW:
            writer.write(RAW[fault]())
        elif fault[:3].isdigit():
            status, _, wait = fault.partition("=")
            writer.write(_page(int(status), b"{}", wait))
        elif fault == "nonsense":
            writer.write(_page(200, b"{"))
        else:
            body = json.dumps({"jsonrpc": "2.0", "id": question["id"], **self._said(method, params, fault)})
            self.sent += len(body)
            writer.write(_page(200, body.encode()))
        await writer.drain()
        return True

    def _said(self, method: str, params: dict[str, Any], fault: str) -> Record:
        """The result, or the error, of a question."""
        tip = self.tip - (fault == "behind")
        start = params.get("startLedger") or 0
        if fault in ("refused", "stale"):
            code = REFUSED if fault == "refused" else INTERNAL
            return {"error": {"code": code, "message": "latency since last known ledger closed is too high"}}
        if method in self.without:
            fault = "-32601"
        if fault.startswith("-"):
            number, _, message = fault.partition("=")
            # Gateways put any JSON there; the SDK's type for it has text only.
            error = {"code": int(number), "message": message or "refused", "data": {"see": ["https://here"]}}
            return {"error": error}
        if fault == "shapeless":
            return {"result": {}}
        if start and not self.oldest <= start <= tip:
            said = f"startLedger must be within the ledger range: {self.oldest} - {tip}"
            return {"error": {"code": RANGE, "message": said}}
        asked = params.get("pagination") or {}
        limit, most = asked.get("limit") or 0, min(self.most, MOST.get(method, 1))
        if limit > most and not self.lenient:
            return {"error": {"code": PARAMS, "message": f"limit must not exceed {most}"}}
        limit = min(limit, most)
        cursor = asked.get("cursor") or ""
        answer: Any
        match method:
            case "getNetwork":
                passphrase = "another" if fault == "wrong" else self.chain.passphrase
                answer = GetNetworkResponse(passphrase=passphrase, protocolVersion=27)
            case "getHealth":
                answer = GetHealthResponse(
                    status="healthy", latestLedger=tip, oldestLedger=self.oldest, ledgerRetentionWindow=120960
                )
            case "getTransaction":
                answer = GetTransactionResponse.model_validate(
                    {"status": "NOT_FOUND", "txHash": params["hash"], **self._ends(tip, "Time")}
                )
            case "getEvents":
                end = params.get("endLedger") or tip + 1
                found = [
                    event
                    for event in self._events_between(start, min(end, tip + 1), cursor)
                    if _fits(event, params)
                ]
                answer = GetEventsResponse.model_validate(
                    {
                        "events": _spoilt(found[:limit], fault, "value"),
                        **self._ends(tip, "Time"),
                        # The last record where there may be more, else the end of what was searched.
                        "cursor": found[limit - 1].id if len(found) >= limit else _end(min(end, tip + 1)),
                    }
                )
            case _:
                shown = list(itertools.islice(self._listed_since(start, tip, cursor), limit))
                answer = GetTransactionsResponse.model_validate(
                    {
                        "transactions": _spoilt(shown, fault, "envelopeXdr"),
                        **self._ends(tip, "Timestamp"),
                        "cursor": _number(shown[-1]) if shown else str(tip << 32),
                    }
                )
        result = answer.model_dump(by_alias=True, mode="json")
        records = result.get("events") or result.get("transactions") or ()
        return {"result": result, "weight": " " * self.weight * len(records)}

    def _ends(self, tip: int, unit: str) -> Record:
        closed = {ledger["sequence"]: parse_time(ledger["closed_at"]) for ledger in self.chain.ledgers}
        return {
            "latestLedger": tip,
            f"latestLedgerClose{unit}": closed[tip],
            "oldestLedger": self.oldest,
            f"oldestLedgerClose{unit}": closed[self.oldest],
        }

    def _events_between(self, start: int, end: int, cursor: str) -> Iterator[EventInfo]:
        """The events of the ledgers from `start`, or after `cursor`, on and before `end`."""
        for sequence in range(int(cursor[:19]) >> 32 if cursor else start, end):
            if sequence not in self._made:
                self._made[sequence] = list(self._all(sequence))
            yield from (event for event in self._made[sequence] if event.id > cursor)

    def _all(self, sequence: int) -> Iterator[EventInfo]:
        """A ledger's events in the order of their operations, each transaction's fee first."""
        for _, records in _grouped(self.chain.operations.get(sequence, [])):
            if self.classic:
                fee = contract_event("fee", (ACCOUNT,), Asset.native(), 100, self.chain.passphrase)
                yield event_info(fee, records[0] | {"id": str(int(records[0]["id"]) & ~0xFFF)}, 0)
            for record in records:
                if record.get("transaction_successful") is not False and (
                    self.classic or record["type_i"] == 24
                ):
                    for number, event in enumerate(moves(record, self.chain.passphrase)):
                        yield event_info(event, record, number)

    def _listed_since(self, start: int, tip: int, cursor: str) -> Iterator[Transaction]:
        """The transactions from the ledger `start`, or after `cursor`, on."""
        after = int(cursor or 0)
        for sequence in range(start or after >> 32, tip + 1):
            if sequence not in self._signed:
                groups = _grouped(self.chain.operations.get(sequence, []))
                self._signed[sequence] = [
                    transaction(records, self.chain.passphrase, classic=self.classic) for _, records in groups
                ]
            yield from (one for one in self._signed[sequence] if int(_number(one)) > after)


def _grouped(records: Sequence[Record]) -> list[tuple[int, list[Record]]]:
    groups = groupby(records, lambda record: int(record["id"]) >> 12)
    return [(number, list(group)) for number, group in groups]


def _number(one: Transaction) -> str:
    """A transaction as getTransactions' cursor writes it."""
    return str(one.ledger << 32 | one.application_order << 12 | 1)


def _end(sequence: int) -> str:
    """The position after the last event of the ledgers before `sequence`."""
    return f"{(sequence << 32) - 1:019d}-4294967295"


def _fits(event: EventInfo, params: dict[str, Any]) -> bool:
    """Whether one of the filters lets an event through."""
    return any(
        len(topics) == len(event.topic)
        and event.contract_id in (one.get("contractIds") or [event.contract_id])
        and all(wanted in ("*", topic) for wanted, topic in zip(topics, event.topic, strict=True))
        for one in params.get("filters") or ()
        for topics in one["topics"]
    )


def _spoilt(records: Sequence[Any], fault: str, field: str) -> list[Record]:
    """Records in JSON's form, of which `garbage` breaks every second one."""
    dumped = [record.model_dump(by_alias=True, mode="json", exclude_none=True) for record in records]
    for record in dumped[::2] if fault == "garbage" else ():
        record[field] = scval.to_void().to_xdr()[:-4] + "!"
    return dumped


def _page(status: int, body: bytes, wait: str = "") -> bytes:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return head(status, fields | ({"Retry-After": wait} if wait else {})) + body


async def _by_hand(port: int, mode: str, every: float, classic: bool) -> None:
    """Serve generated ledgers for ever, one more every so many seconds, each with the fault `mode`."""
    counts = [position * 37 % 400 for position in range(600)]
    chain = generated(counts, network="Test SDF Network ; September 2015")
    methods = ("getNetwork", "getHealth", "getEvents", "getTransactions")
    faults = {method: itertools.repeat(mode) for method in methods}
    async with RpcServer(chain, tip=1000, faults=faults, port=port, classic=classic) as server:
        print(f"A Stellar RPC server for testnet at {server.url}, mode {mode}. End it with Ctrl-C.")  # noqa: T201
        for _ in counts[1:]:
            await asyncio.sleep(every)
            server.tip += 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description="A Stellar RPC server on this machine, for trying things out."
    )
    arguments.add_argument("--port", type=int, default=8001)
    arguments.add_argument("--mode", default="ok", help="ok, or a fault that every question meets")
    arguments.add_argument("--every", type=float, default=5.5, help="seconds between two ledgers")
    arguments.add_argument("--no-classic", action="store_true", help="emit no events of classic operations")
    given = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_by_hand(given.port, given.mode, given.every, not given.no_classic))
