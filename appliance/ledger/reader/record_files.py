# SPDX-License-Identifier: Apache-2.0
"""Tapes from files: operations as Horizon renders them, one JSON record a line, plain or gzip.

The one rule: a tape tells what the network did, when it did it; what a file leaves out is not made up. A bad
record is dropped and counted. Reads and writes files and nothing else; runs in `stellar-wind record --from`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from appliance.ledger.reader.amounts import BadRecord, ledger_from_operations, ledger_from_record, ledger_of
from appliance.ledger.tape import Header, Line, TapeWriter
from appliance.values import BoxError, Ledger


class BadRecording(BoxError, ValueError):
    """The files do not make a tape."""


@dataclass(slots=True)
class Recording:
    """The ledgers that some files tell of, in the order of the network."""

    ledgers: list[Ledger] = field(default_factory=list)
    dropped: int = 0  # bad records

    def lines(self) -> Iterator[Line]:
        """The tape's lines: second 0 is the close of the first ledger."""
        for ledger in self.ledgers:
            yield Line(float(ledger.closed_at - self.ledgers[0].closed_at), ledger)

    def __str__(self) -> str:
        """The recording in one sentence."""
        operations = sum(ledger.operations for ledger in self.ledgers)
        amounts = sum(len(ledger.amounts) for ledger in self.ledgers)
        return (
            f"{len(self.ledgers)} ledgers, {operations} operations, {amounts} amounts; "
            f"{self.dropped} bad records dropped."
        )


def from_operations(operations: Iterable[Path], ledgers: Path | None = None) -> Recording:
    """The ledgers of which the files `operations` hold the operations, each ledger's in one piece.

    The file `ledgers` holds Horizon's ledger records: it adds the ledgers without operations, and has the
    last word on times and counts. Without it a ledger closes when its operations say that they were made, and
    the transactions are those that have operations. Raises BadRecording, in one sentence.
    """
    recording = Recording()
    found: dict[int, Ledger] = {}
    for sequence, records in groupby(_records(operations, recording), key=lambda numbered: numbered[0]):
        ledger, bad = ledger_from_operations(sequence, (record for _, record in records))
        recording.dropped += bad
        if sequence in found:
            raise BadRecording(
                f"The operations of ledger {sequence} come in two pieces: give each file once."
            )
        if ledger is not None:
            found[sequence] = ledger
    for record in _json_lines(ledgers, recording) if ledgers else ():
        try:
            ledger = ledger_from_record(record)
        except BadRecord:
            recording.dropped += 1
            continue
        amounts_from_events = found.get(ledger.sequence)
        found[ledger.sequence] = (
            replace(ledger, amounts=amounts_from_events.amounts) if amounts_from_events else ledger
        )
    if not found:
        raise BadRecording(
            "The files hold no operation and no ledger: give Horizon's JSON, one record a line."
        )
    recording.ledgers = [found[sequence] for sequence in sorted(found)]
    return recording


def record_files(operations: Iterable[Path], ledgers: Path | None, output: Path, network: str) -> str:
    """Write the tape `output` from files, and say in one sentence what is on it."""
    recording = from_operations(operations, ledgers)
    with TapeWriter(output, Header(network, "operations as Horizon told them")) as tape:
        for line in recording.lines():
            tape.write(line)
    return f"Recorded {recording}"


def _records(paths: Iterable[Path], recording: Recording) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every operation with the ledger that holds it."""
    for path in paths:
        for found in _json_lines(path, recording):
            try:
                yield ledger_of(found), found
            except BadRecord:
                recording.dropped += 1


def _json_lines(path: Path, recording: Recording) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a file, one a line."""
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            for line in gzip.GzipFile(fileobj=raw) if packed else raw:
                try:
                    found = json.loads(line)
                except (ValueError, RecursionError):
                    found = None
                if isinstance(found, dict):
                    yield found
                else:
                    recording.dropped += 1
    except (OSError, EOFError, zlib.error) as error:
        raise BadRecording(f"Cannot read {path}: {error}. Check the path and the file.") from error
