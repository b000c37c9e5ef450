# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.reader.record_files import BadRecording, from_operations, record_files
from appliance.ledger.tape import open_tape
from appliance.saved.replacing import CannotWrite
from appliance.values import Ledger
from tests.support.horizon_records import generated, recorded


def written(path: Path, records: Iterable[Any]) -> Path:
    """A file of one record a line; text goes in as it is."""
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def numbers(summary: str) -> list[int]:
    """Ledgers, operations, amounts, dropped records."""
    return [int(number) for number in re.findall(r"\d+", summary)]


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
    assert numbers(str(recording)) == [2, 5, 5, 0]


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
    other = str(int(chain.operations[1001][0]["id"]) + 1)
    bad = ["{", "[]", "", {"id": "x"}, {**chain.operations[1001][0], "id": other, "amount": "NaN"}]
    files = [
        written(tmp_path / "b.jsonl", [*chain.operations[1001], *bad]),
        written(tmp_path / "a.jsonl.gz", chain.operations[1000]),
    ]
    recording = from_operations(files, written(tmp_path / "ledgers.jsonl", ["{}", *chain.ledgers]))
    assert [ledger.sequence for ledger in recording.ledgers] == [1000, 1001]
    assert recording.dropped == 6


def test_an_operation_counts_once_whatever_the_files_overlap(tmp_path: Path) -> None:
    chain = generated([6, 0, 4])
    operations = [record for group in chain.operations.values() for record in group]
    failed = {"transaction_successful": False}
    # Two operations of one transaction of the last ledger, and two of a failed one, on both sides of a page's end.
    first, second = (int(record["id"]) for record in operations[-4:-2])
    operations.insert(7, {**operations[6], "id": str(first + 1)})
    operations[8:9] = [{**operations[8], **failed}, {**operations[8], **failed, "id": str(second + 1)}]
    whole = from_operations([written(tmp_path / "whole.jsonl", operations)]).ledgers
    assert [(ledger.operations, ledger.succeeded, ledger.failed) for ledger in whole] == [
        (6, 6, 0),
        (4, 3, 1),
    ]
    pages = {
        "twice": [operations, operations],
        "the second page first": [operations[7:], operations[:7]],
        "pages that overlap": [operations[:9], operations[5:]],
        "a transaction on two pages": [operations[:9], operations[9:]],
    }
    for name, parts in pages.items():
        files = [written(tmp_path / f"{name}{part}.jsonl", parts[part]) for part in range(len(parts))]
        recording = from_operations(files)
        assert [replace(ledger, amounts=()) for ledger in recording.ledgers] == [
            replace(ledger, amounts=()) for ledger in whole
        ], name
        amounts = [sorted(amount.stroops for amount in ledger.amounts) for ledger in recording.ledgers]
        assert amounts == [sorted(amount.stroops for amount in ledger.amounts) for ledger in whole], name
        assert recording.dropped == 0
    one = written(tmp_path / "one.jsonl", [operations[0], operations[0], {**operations[0], "amount": "1"}])
    assert numbers(str(from_operations([one]))) == [1, 1, 1, 0]


@pytest.mark.parametrize("series", [False, True])
def test_an_input_is_never_written_over(series: bool, tmp_path: Path) -> None:
    chain = generated([3])
    operations = written(tmp_path / "ops.jsonl", chain.operations[1000])
    ledgers = written(tmp_path / "ledgers.jsonl", chain.ledgers)
    output = ledgers if series else operations
    before = output.read_bytes()
    with pytest.raises(CannotWrite, match=str(output)):
        record_files([operations], ledgers, output, "testnet")
    assert output.read_bytes() == before


def test_a_tape_that_cannot_be_made_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.tape.gz").write_text("precious")
    with pytest.raises(BadRecording):
        record_files([written(tmp_path / "ops.jsonl", ["nothing"])], None, tmp_path / "x.tape.gz", "testnet")
    assert (tmp_path / "x.tape.gz").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ops.jsonl", "x.tape.gz"]
    operations = written(tmp_path / "ops.jsonl", generated([3]).operations[1000])
    with pytest.raises(CannotWrite, match="/dev/full"):
        record_files([operations], None, Path("/dev/full"), "testnet")
    record_files([operations], None, tmp_path / "x.tape.gz", "testnet")
    assert (tmp_path / "x.tape.gz").read_bytes().startswith(b"\x1f\x8b")
    assert len(list(open_tape(tmp_path / "x.tape.gz"))) == 1


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
    assert numbers(summary) == [2, 5, 5, 0]
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
    assert numbers(str(recording)) == [3000, 7705, 3534, 0]
