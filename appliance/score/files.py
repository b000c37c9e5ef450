# SPDX-License-Identifier: Apache-2.0
"""Score files, plain or gzip: read as a stream, written line by line. Any thread.

A score can come from anyone, so it is checked from its first line to its last when it is opened, within fixed bounds
(format.py), and refused as a whole with one sentence if anything in it is wrong.
"""

from __future__ import annotations

import gzip
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from appliance.saved.lines import UNREADABLE, open_lines, reason
from appliance.score.format import (
    MAX_BYTES,
    MAX_CROWD,
    MAX_LINE,
    MAX_SECONDS,
    BadScore,
    Close,
    Header,
    Line,
    decode,
    encode,
)
from appliance.values import Context, NoteEvent, Passage

MAX_PACKED = 2 << 20  # bytes of a file that is played from memory; half an hour has 40 to 200 kB
GZIP = b"\x1f\x8b"
# Of the beginnings of gzip files in one: 90,000 empty ones take seconds to read, and random data has one in 16 MB.
MAX_GZIP = 100


class Score:
    """A score in a file. Each iteration reads its lines from the start, without the header."""

    def __init__(self, path: Path, lines: Callable[[], Iterator[bytes]], header: Header, notes: int) -> None:
        self.path, self.header, self.notes = path, header, notes
        self._lines = lines

    def __iter__(self) -> Iterator[Line]:
        return (line for line in _checked(self.path, self._lines) if isinstance(line, Line))


def open_score(path: Path) -> Score:
    """Open the score at `path`. Raises BadScore if it cannot be read, or anything in it is wrong."""
    try:
        return read_score(path, open_lines(path, MAX_LINE))
    except UNREADABLE as error:
        raise BadScore(f"Cannot read {path}: {reason(error)}. Check the path and the file.") from error


def open_packed(path: Path) -> Score:
    """The score at `path`, read into memory, so that no disk is waited for while it plays. Raises BadScore.

    Only its header is checked: a check of all lines would take a small board's processor from the sound for seconds.
    """
    try:
        # Without blocking, a named pipe without a writer is an empty file.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            content = file.read(MAX_PACKED + 1) or b""
    except (OSError, ValueError) as error:  # ValueError: of a path that no file can have
        raise BadScore(f"Cannot read {path}: {reason(error)}. Check the path and the file.") from error
    if len(content) > MAX_PACKED:
        raise BadScore(f"{path} cannot be played: it is larger than {MAX_PACKED >> 20} MB.")
    return score_in(content, path, whole=False)


def score_in(content: bytes, path: Path, *, whole: bool = True) -> Score:
    """The score in the bytes of a file that was at `path`. Raises BadScore.

    Only its header is checked if it is not `whole`; then its lines are checked as they are read.
    """
    if content.count(GZIP + b"\x08") > MAX_GZIP:
        raise BadScore(f"{path} cannot be played: it consists of more than {MAX_GZIP} gzip files.")

    def lines() -> Iterator[bytes]:
        file: IO[bytes] = io.BytesIO(content)
        if content.startswith(GZIP):
            file = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]
        while line := file.readline(MAX_LINE + 1):
            yield line

    return read_score(path, lines, whole=whole)


def read_score(path: Path, lines: Callable[[], Iterator[bytes]], *, whole: bool = True) -> Score:
    """The score whose lines `lines` gives, each time from the start. Raises BadScore; `whole` as in `score_in`."""
    checked = _checked(path, lines)
    header = next(checked, None)
    if not isinstance(header, Header):
        raise BadScore(f"{path} is not a score: its first line must be the header that `keep` writes.")
    rest = checked if whole else iter(())
    notes = sum(isinstance(line, Line) and isinstance(line.entry, NoteEvent) for line in rest)
    return Score(path, lines, header, notes)


def _checked(path: Path, lines: Callable[[], Iterator[bytes]]) -> Iterator[Header | Line]:
    """The lines, parsed; BadScore names the first that is wrong, or the bound that the file exceeds."""
    size = number = 0
    crowd: deque[float] = deque(maxlen=MAX_CROWD)  # s, of the last lines
    now = 0.0
    try:
        for number, text in enumerate(lines(), 1):
            size += len(text)
            if len(text) > MAX_LINE:
                raise BadScore(f"it is longer than {MAX_LINE:,} bytes")
            if size > MAX_BYTES:
                raise BadScore(f"the score is larger than {MAX_BYTES:,} bytes up to here")
            line = decode(text)
            if isinstance(line, Line):
                if line.seconds < now:
                    raise BadScore(
                        f"t is {line.seconds:g}, and was {now:g} before: the lines are not in order"
                    )
                now = line.seconds
                crowd.append(now)
                if len(crowd) == MAX_CROWD and now - crowd[0] < 1.0:
                    raise BadScore(f"the score has {MAX_CROWD:,} lines within a second")
            if isinstance(line, Header) != (number == 1):
                raise BadScore("the header must be the first line, and no other")
            yield line
    except BadScore as error:
        raise BadScore(f"{path} cannot be played: line {number}: {error}.") from error
    except UNREADABLE as error:
        raise BadScore(f"{path} cannot be played: line {number + 1}: {reason(error)}.") from error


def packed(header: Header, lines: Iterable[Line]) -> bytes:
    """The bytes of a .score.gz file; the same for the same lines."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as file:
        file.write(encode(header).encode() + b"\n")
        file.writelines(encode(line).encode() + b"\n" for line in lines)
    return buffer.getvalue()


# --- writing ------------------------------------------------------------------------------------------------


class ScoreLines:
    """Turns passages into score lines, with what has changed since the last one. `start` is second 0 of the score."""

    def __init__(self, start: float = 0.0, context: Context | None = None) -> None:
        self._start, self._context = start, context
        self._bed: str = ""

    def of(self, passage: Passage) -> Iterator[Line]:
        """The lines of one passage, in order."""
        at = passage.seconds - self._start
        if passage.context != self._context:
            self._context = passage.context
            yield Line(at, passage.context)
        yield from (
            Line(at, Close(each.sequence, each.closed_at, each.operations)) for each in passage.ledgers
        )
        if passage.bed and (written := encode(Line(0.0, passage.bed))) != self._bed:
            self._bed = written
            yield Line(at, passage.bed)
        yield from (Line(event.seconds - self._start, event) for event in passage.notes)


class ScoreWriter:
    """Writes what is played to a score file, gzip if `compress`. Close it at the end. Raises OSError."""

    def __init__(self, path: Path, header: Header, *, compress: bool) -> None:
        if header.seconds > MAX_SECONDS:
            raise OSError(0, f"a score lasts {MAX_SECONDS:,.0f} s at most")
        self._raw = path.open("wb")
        self._file: IO[bytes] = self._raw
        if compress:
            self._file = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)  # type: ignore[assignment]
        self._lines, self._size = ScoreLines(context=header.context), 0
        self._write(header)

    def observe(self, passage: Passage) -> None:
        """Append a passage."""
        for line in self._lines.of(passage):
            self._write(line)

    def _write(self, line: Header | Line) -> None:
        text = encode(line).encode() + b"\n"
        self._size += len(text)
        if self._size > MAX_BYTES:  # no version would read it
            raise OSError(0, f"a score has {MAX_BYTES:,} bytes at most, and this music is longer")
        self._file.write(text)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()
