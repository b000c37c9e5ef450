# SPDX-License-Identifier: Apache-2.0
"""Chains of ledgers for tests: generated ones, shaped after Horizon's records, and recorded ones from files.

A record has every field of Horizon's that our code could meet, in Horizon's order, so that it renders to Horizon's
bytes. Reads files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

Record = dict[str, Any]

RECORDED = Path(__file__).parents[2] / "../shared/horizon"
ACCOUNT = "GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7"
ISSUER = "GBVOL67TMUQBGL4TZYNMY3ZQ5WGQYFPFD5VJRWXR72VA33VFNL225PL5"
BORN = 1_700_000_000  # seconds since 1970: the close of the first generated ledger
EVERY = 5  # seconds between two ledgers


@dataclass
class Chain:
    """Some ledgers in a row, with the operations of each."""

    passphrase: str
    ledgers: list[Record]
    operations: dict[int, list[Record]] = field(default_factory=dict)


def recorded(name: str) -> Path:
    """A file of recorded Horizon data; skips the test where there is none."""
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"needs the recorded Horizon data, ../shared/horizon/{name}, beside the repository")
    return path


def rows(path: Path) -> list[Record]:
    """The JSON objects of a compressed file, one a line."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def chain_of(
    operations: Sequence[Record], ledgers: Sequence[Record] = (), network: str = "recorded"
) -> Chain:
    """The chain that recorded operations make; ledger records are made up where none are given."""
    by_ledger = {
        sequence: list(group)
        for sequence, group in groupby(operations, lambda record: int(record["id"]) >> 32)
    }
    if not ledgers:
        ledgers = [
            ledger_record(
                sequence, group[0]["created_at"], len(group), len({r["transaction_hash"] for r in group})
            )
            for sequence, group in by_ledger.items()
        ]
    return Chain(network, list(ledgers), by_ledger)


def generated(counts: Sequence[int], first: int = 1000, network: str = "generated") -> Chain:
    """A chain of one ledger for each of `counts`, holding so many payments; no two amounts are the same."""
    chain = Chain(network, [])
    for position, count in enumerate(counts):
        sequence = first + position
        chain.ledgers.append(ledger_record(sequence, clock(position), count, count))
        chain.operations[sequence] = [
            payment(sequence, number, f"{sequence}.{number:07d}", clock(position))
            for number in range(1, count + 1)
        ]
    return chain


def clock(position: int) -> str:
    """The close time of the ledger at `position`, as Horizon writes it."""
    moment = datetime(2026, 11, 24, 1, tzinfo=UTC) + timedelta(seconds=EVERY * position)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ledger_record(sequence: int, closed_at: str, operations: int, transactions: int) -> Record:
    """A ledger as Horizon renders it."""
    link = f"https://horizon.example/ledgers/{sequence}"
    listed = {
        name: {"href": f"{link}/{name}{{?cursor,limit,order}}", "templated": True}
        for name in ("transactions", "operations", "payments", "effects")
    }
    return {
        "_links": {"self": {"href": link}, **listed},
        "id": _hash("ledger", sequence),
        "paging_token": str(sequence << 32),
        "hash": _hash("ledger", sequence),
        "prev_hash": _hash("ledger", sequence - 1),
        "sequence": sequence,
        "successful_transaction_count": transactions,
        "failed_transaction_count": 1,
        "operation_count": operations,
        "tx_set_operation_count": operations + 1,
        "closed_at": closed_at,
        "total_coins": "105443902087.3472865",
        "fee_pool": "4761068.4157944",
        "base_fee_in_stroops": 100,
        "base_reserve_in_stroops": 5000000,
        "max_tx_set_size": 1000,
        "protocol_version": 27,
    }


def operation(
    sequence: int, number: int, name: str, type_i: int, created_at: str = clock(0), **own: Any
) -> Record:
    """An operation as Horizon renders it: the only one of the ledger's transaction `number`."""
    token = str(sequence << 32 | number << 12 | 1)
    site = "https://horizon.example"
    transaction = _hash("transaction", sequence, number)
    return {
        "_links": {
            "self": {"href": f"{site}/operations/{token}"},
            "transaction": {"href": f"{site}/transactions/{transaction}"},
            "effects": {"href": f"{site}/operations/{token}/effects"},
            "succeeds": {"href": f"{site}/effects?order=desc&cursor={token}"},
            "precedes": {"href": f"{site}/effects?order=asc&cursor={token}"},
        },
        "id": token,
        "paging_token": token,
        "transaction_successful": True,
        "source_account": ACCOUNT,
        "type": name,
        "type_i": type_i,
        "created_at": created_at,
        "transaction_hash": transaction,
        **own,
    }


def payment(sequence: int, number: int, amount: str, created_at: str = clock(0)) -> Record:
    """A payment in lumens."""
    own = {"asset_type": "native", "from": ACCOUNT, "to": ISSUER, "amount": amount}
    return operation(sequence, number, "payment", 1, created_at, **own)


def _hash(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()
