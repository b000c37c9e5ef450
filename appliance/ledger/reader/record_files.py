# SPDX-License-Identifier: Apache-2.0
"""Makes a tape from files of Horizon's operations, one JSON record a line, plain or gzip.

The tape has what the files hold, with the network's own times; what they lack is not invented. The files can be in any
order and can overlap, as Horizon's pages do: an operation counts once, by its id. A malformed record is dropped and
counted. Files only, no network. The body of `stellar-wind record --from`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from appliance.ledger.reader.amounts import (
    BadRecord,
    ledger_from_operations,
    ledger_from_record,
    parse_paging_token,
)
from appliance.ledger.tape import Header, Line, TapeWriter
from appliance.ledger.tape.format import MAX_LINE
from appliance.saved.lines import UNREADABLE, open_lines, reason
from appliance.saved.replacing import replacing
from appliance.values import BoxError, Ledger

TRANSACTION = 12  # bits of an operation's id below its transaction's (SEP-35)


class BadRecording(BoxError, ValueError):
    """The files do not make a tape."""


@dataclass(slots=True)
class Recording:
    """The ledgers in some files, in the order of the network."""

    ledgers: list[Ledger] = field(default_factory=list)
    dropped: int = 0  # bad records

    def lines(self) -> Iterator[Line]:
        """The lines of the tape; second 0 is the close of the first ledger."""
        for ledger in self.ledgers:
            yield Line(float(ledger.closed_at - self.ledgers[0].closed_at), ledger)

    def __str__(self) -> str:
        """A summary in one sentence."""
        operations = sum(ledger.operations for ledger in self.ledgers)
        amounts = sum(len(ledger.amounts) for ledger in self.ledgers)
        return (
            f"{len(self.ledgers)} ledgers, {operations} operations, {amounts} amounts; "
            f"{self.dropped} bad records dropped."
        )


def from_operations(operations: Iterable[Path], ledgers: Path | None = None) -> Recording:
    """The ledgers whose operations are in the files `operations`.

    The file `ledgers` holds Horizon's ledger records: it adds the ledgers without operations, and its times and counts
    take precedence. Without it a ledger has the time of its operations, and its transactions are those that have
    operations. Raises BadRecording.
    """
    recording = Recording()
    found = _ledgers(operations, recording)
    for record in _json_lines(ledgers, recording) if ledgers else ():
        try:
            ledger = ledger_from_record(record)
        except BadRecord:
            recording.dropped += 1
            continue
        known = found.get(ledger.sequence)
        found[ledger.sequence] = replace(ledger, amounts=known.amounts) if known else ledger
    if not found:
        raise BadRecording(
            "The files hold no operation and no ledger: give Horizon's JSON, one record a line."
        )
    recording.ledgers = [found[sequence] for sequence in sorted(found)]
    return recording


def record_files(operations: Sequence[Path], ledgers: Path | None, output: Path, network: str) -> str:
    """Write the tape `output` from files, compressed if it ends in .gz; return a summary in one sentence.

    Raises BadRecording and CannotWrite; then a file that was there before is as it was.
    """
    with replacing(output, [*operations, *([ledgers] if ledgers else [])]) as part:
        recording = from_operations(operations, ledgers)
        header = Header(network, "from operations of Horizon")
        with TapeWriter(part, header, compress=output.suffix == ".gz") as tape:
            for line in recording.lines():
                tape.write(line)
    return f"Recorded {recording}"


def _ledgers(paths: Iterable[Path], recording: Recording) -> dict[int, Ledger]:
    """The ledgers of all operations, by sequence. A ledger whose operations come in several pieces is put together."""
    found: dict[int, Ledger] = {}
    operations: set[int] = set()  # ids
    transactions: set[int] = set()  # of all pieces so far
    again: dict[int, bool] = {}  # those of a piece that were in an earlier one, and whether they failed

    def new(piece: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
        """The operations of a piece that were in no earlier one."""
        here: set[int] = set()
        again.clear()
        for number, record in piece:
            if number in operations:
                continue
            operations.add(number)
            transaction = number >> TRANSACTION
            if transaction in transactions:
                again[transaction] = record.get("transaction_successful") is False
            here.add(transaction)
            yield record
        transactions.update(here)

    for sequence, piece in groupby(_records(paths, recording), key=lambda numbered: numbered[0] >> 32):
        ledger, bad = ledger_from_operations(sequence, new(piece))
        recording.dropped += bad
        if ledger is not None:
            known = found.get(sequence)
            found[sequence] = _joined(known, ledger, list(again.values())) if known else ledger
    return found


def _joined(one: Ledger, other: Ledger, again: list[bool]) -> Ledger:
    """A ledger of two pieces; `again` says of each transaction that is in both whether it failed."""
    return replace(
        one,
        operations=one.operations + other.operations,
        succeeded=one.succeeded + other.succeeded - again.count(False),
        failed=one.failed + other.failed - again.count(True),
        amounts=one.amounts + other.amounts,
    )


def _records(paths: Iterable[Path], recording: Recording) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every operation with its id."""
    for path in paths:
        for found in _json_lines(path, recording):
            try:
                yield parse_paging_token(found.get("id")), found
            except BadRecord:
                recording.dropped += 1


def _json_lines(path: Path, recording: Recording) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a file, one a line."""
    try:
        for line in open_lines(path, MAX_LINE)():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                yield found
            else:
                recording.dropped += 1
    except UNREADABLE as error:
        raise BadRecording(f"Cannot read {path}: {reason(error)}. Check the path and the file.") from error
