# SPDX-License-Identifier: Apache-2.0
"""Tape files, plain or gzip, from a disk or a pipe: read as a stream, written line by line.

A tape can be hours long and can come from anywhere, so it is never read whole: one line of at most MAX_LINE bytes is
in memory at a time. A malformed line is dropped and counted. Reading stops at a torn end, at a line that is too long,
after MAX_BAD malformed lines in a row, or after MAX_IDLE lines in a row without a ledger. One thread at a time.
"""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from appliance.ledger.tape.format import MAX_LINE, BadLine, BadTape, Header, Line, decode, encode
from appliance.saved.lines import UNREADABLE, open_lines, reason
from appliance.saved.replacing import explained
from appliance.values import Ledger

log = logging.getLogger(__name__)

MAX_BAD = 1_000  # malformed lines in a row
MAX_IDLE = 200_000  # lines in a row without a ledger; a month without a network writes 170,000


class Tape:
    """A tape in a file. Each iteration reads it from its start.

    `dropped` counts the malformed lines of the last iteration, and `ended` says in one sentence why it stopped early
    ("" if it reached the end of the file). Either is logged once, at the end of an iteration that had ledgers.
    """

    def __init__(self, path: Path, lines: Callable[[], Iterator[bytes]], header: Header) -> None:
        self.path, self.header = path, header
        self._lines = lines
        self._logged = False
        self.dropped = 0
        self.ended = ""

    def __iter__(self) -> Generator[Line, None, None]:
        self.dropped, self.ended = 0, ""
        bad = idle = 0
        lines = self._lines()
        played = False  # a ledger came
        try:
            for text in lines:
                try:
                    line = decode(text)
                except (BadLine, BadTape):
                    line = None
                    self.dropped += 1
                bad = 0 if line else bad + 1
                ledger = isinstance(line, Line) and isinstance(line.entry, Ledger)
                idle = 0 if ledger else idle + 1
                if bad > MAX_BAD or idle > MAX_IDLE:
                    what = (
                        f"{MAX_BAD:,} malformed lines"
                        if bad > MAX_BAD
                        else f"{MAX_IDLE:,} lines without a ledger"
                    )
                    self.ended = f"{self.path} was read only in part: it has more than {what} in a row."
                    break
                if isinstance(line, Line):
                    played = played or ledger
                    yield line
        except UNREADABLE as error:  # a torn end, or a damaged card
            self.ended = f"{self.path} was read only in part: {reason(error)}."
        if played and (self.ended or self.dropped) and not self._logged:
            self._logged = True
            if self.ended:
                log.warning("%s Only the ledgers before that are played.", self.ended)
            else:
                log.warning("%s has %d malformed lines, which are skipped.", self.path, self.dropped)


def open_tape(path: Path) -> Tape:
    """Open the tape at `path`. Raises BadTape if it cannot be read or is not a tape."""
    try:
        return read_tape(path, open_lines(path, MAX_LINE))
    except UNREADABLE as error:
        raise BadTape(f"Cannot read {path}: {reason(error)}. Check the path and the file.") from error


def read_tape(path: Path, lines: Callable[[], Iterator[bytes]]) -> Tape:
    """The tape whose lines `lines` gives, each time from the start. Raises BadTape, and what reading raises."""
    try:
        header = decode(next(lines(), b""))
    except BadLine:
        header = None
    if not isinstance(header, Header):
        raise BadTape(
            f"{path} is not a tape: its first line must be the header that `stellar-wind record` writes."
        )
    return Tape(path, lines, header)


def require_ledger(tape: Tape) -> Tape:
    """Return the same tape; raises BadTape if it holds no ledger."""
    with closing(iter(tape)) as lines:
        if not any(isinstance(line.entry, Ledger) for line in lines):
            malformed = f", but {tape.dropped:,} malformed lines" if tape.dropped else ""
            why = tape.ended or f"{tape.path} holds no ledger{malformed}."
            raise BadTape(f"{why} There is nothing to play: record another tape.")
    return tape


def bundled() -> Tape:
    """The recording that ships with the box, for when there is no network."""
    return open_tape(Path(__file__).with_name("wind.jsonl.gz"))


def with_fallback(tape: Tape) -> Iterator[Line]:
    """The lines of `tape`; if none of it can be read now, those of the bundled recording."""
    empty = True
    for line in tape:
        empty = False
        yield line
    if empty:
        log.warning("Cannot read %s any more; the bundled recording plays until it is back.", tape.path)
        yield from bundled()


# --- writing ------------------------------------------------------------------------------------------------


class TapeWriter:
    """Writes a tape file, gzip if `compress`. Close it, or use it in a `with`. Raises CannotWrite."""

    def __init__(self, path: Path, header: Header, *, compress: bool = False) -> None:
        self._path = path
        with explained(path):
            self._raw = path.open("wb")
        self._on_disk = path.is_file()
        self._file: IO[bytes] = self._raw
        if compress:
            # mtime=0 keeps the compressed bytes the same for the same lines.
            self._file = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)  # type: ignore[assignment]
        self.write(header)

    def write(self, line: Header | Line) -> None:
        """Append one line."""
        with explained(self._path):
            self._file.write(encode(line).encode() + b"\n")

    def sync(self) -> None:
        """Put what has been written on the disk: a power cut costs only what comes later."""
        with explained(self._path):
            self._file.flush()
            self._raw.flush()
            if self._on_disk:
                os.fsync(self._raw.fileno())

    def close(self) -> None:
        """Finish the file."""
        with explained(self._path):
            try:
                self._file.close()
            finally:
                self._raw.close()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
