# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.reader.record_files import BadRecording, from_operations, record_files
from appliance.ledger.tape import open_tape
from appliance.values import Ledger
from tests.support.horizon_records import generated, recorded


def written(path: Path, records: Iterable[Any]) -> Path:
    """A file of one record a line; text goes in as it is."""
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_operations_make_the_lines_of_their_ledgers(tmp_path: Path, suffix: str) -> None:
    chain = generated([3, 0, 2])
    operations = [record for group in chain.operations.values() for record in group]
    recording = from_operations([written(tmp_path / f"ops.{suffix}", operations)])
    lines = list(recording.lines())
    assert [line.seconds for line in lines] == [0, 10]
    first, third = (line.entry for line in lines)
    assert isinstance(first, Ledger)
    assert isinstance(third, Ledger)
    assert (first.sequence, first.closed_at, first.operations, first.succeeded, first.failed) == (
        1000, 1795482000, 3, 3, 0,
    )  # fmt: skip
    assert [amount.stroops for amount in first.amounts] == [10000000001, 10000000002, 10000000003]
    assert third.sequence == 1002
    assert str(recording) == "2 ledgers, 5 operations, 5 amounts; 0 bad records dropped."


def test_a_series_of_ledgers_adds_the_empty_ones_and_has_the_last_word(tmp_path: Path) -> None:
    chain = generated([3, 0, 2])
    operations = [record for group in chain.operations.values() for record in group]
    ledgers = written(tmp_path / "ledgers.jsonl", reversed(chain.ledgers))
    recording = from_operations([written(tmp_path / "ops.jsonl", operations)], ledgers)
    counts = [(each.sequence, each.operations, each.failed, len(each.amounts)) for each in recording.ledgers]
    assert counts == [(1000, 3, 1, 3), (1001, 0, 1, 0), (1002, 2, 1, 2)]
    assert [line.seconds for line in recording.lines()] == [0, 5, 10]


def test_several_files_are_one_tape_and_bad_records_are_counted(tmp_path: Path) -> None:
    chain = generated([1, 1])
    bad = ["{", "[]", "", {"id": "x"}, {**chain.operations[1001][0], "amount": "NaN"}]
    files = [
        written(tmp_path / "b.jsonl", [*chain.operations[1001], *bad]),
        written(tmp_path / "a.jsonl.gz", chain.operations[1000]),
    ]
    recording = from_operations(files, written(tmp_path / "ledgers.jsonl", ["{}", *chain.ledgers]))
    assert [ledger.sequence for ledger in recording.ledgers] == [1000, 1001]
    assert recording.dropped == 6


def test_a_ledger_in_two_pieces_is_refused(tmp_path: Path) -> None:
    chain = generated([1, 1])
    operations = [*chain.operations[1000], *chain.operations[1001], *chain.operations[1000]]
    with pytest.raises(BadRecording, match="ledger 1000 come in two pieces"):
        from_operations([written(tmp_path / "ops.jsonl", operations)])


def test_files_that_hold_nothing_or_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="no operation"):
        from_operations([written(tmp_path / "ops.jsonl", ["nothing"])])
    with pytest.raises(BadRecording, match="Cannot read"):
        from_operations([tmp_path / "nowhere.jsonl"])
    whole = written(tmp_path / "ops.jsonl.gz", generated([30]).operations[1000]).read_bytes()
    for broken in (whole[:-40], whole[:40] + b"\xff\xff\xff" + whole[43:]):
        (tmp_path / "broken.jsonl.gz").write_bytes(broken)
        with pytest.raises(BadRecording, match="Cannot read"):
            from_operations([tmp_path / "broken.jsonl.gz"])


def test_a_tape_is_written_and_holds_nothing_but_numbers(tmp_path: Path) -> None:
    chain = generated([3, 2])
    operations = [record for group in chain.operations.values() for record in group]
    output = tmp_path / "x.tape"
    summary = record_files([written(tmp_path / "ops.jsonl", operations)], None, output, "testnet")
    assert summary == "Recorded 2 ledgers, 5 operations, 5 amounts; 0 bad records dropped."
    tape = open_tape(output)
    assert tape.header.network == "testnet"
    assert [line.entry for line in tape] == from_operations([tmp_path / "ops.jsonl"]).ledgers
    for secret in (operations[0]["transaction_hash"], operations[0]["source_account"], operations[0]["id"]):
        assert secret not in output.read_text()


def test_the_recorded_testnet_afternoon() -> None:
    recording = from_operations(
        [recorded("testnet-2025-06-18-3000-ledgers-operations.jsonl.gz")],
        recorded("testnet-2025-06-18-3000-ledgers.jsonl.gz"),
    )
    ledgers = recording.ledgers
    assert [ledger.sequence for ledger in ledgers] == list(range(3000, 6000))
    assert sum(ledger.operations for ledger in ledgers) == 7705
    assert sum(not ledger.operations for ledger in ledgers) == 1433
    assert list(recording.lines())[-1].seconds == 15015  # 21:26:57 to 01:37:12
    assert str(recording) == "3000 ledgers, 7705 operations, 3534 amounts; 0 bad records dropped."
