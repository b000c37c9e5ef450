# SPDX-License-Identifier: Apache-2.0
"""Bounded lines of an untrusted file: plain or gzip, on a disk or from a pipe.

Only one line is in memory at a time, never the file: 400 kB of gzip can unpack to one line of 400 MB. Any thread.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

MAX_PIPE = 256 << 20  # bytes of a pipe that are buffered in a temporary file

UNREADABLE = (OSError, EOFError, zlib.error)  # what reading a torn or damaged file raises


def reason(error: Exception) -> str:
    """Why a file could not be read, as the system or zlib states it."""
    return str(getattr(error, "strerror", None) or error)


def open_lines(path: Path, longest: int) -> Callable[[], Iterator[bytes]]:
    """A function that gives the lines of a file from its start each time that it is called.

    A file on a disk is opened again each time, so that a USB stick can be pulled out and plugged in again. A pipe can
    be read only once, so its lines are buffered in an unnamed temporary file. Raises OSError if the file cannot be
    opened. The lines raise one of UNREADABLE for a file that is missing by then or damaged, for a line of more than
    `longest` bytes, and for more than MAX_PIPE bytes from a pipe.
    """
    file = path.open("rb")
    if file.seekable():
        file.close()
        return lambda: _of_file(path, longest)
    return _Pipe(file, longest).lines


def _of_file(path: Path, longest: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _bounded(file, longest)


def _bounded(file: io.BufferedReader, longest: int) -> Iterator[bytes]:
    packed = file.peek(2)[:2] == b"\x1f\x8b"
    lines = gzip.GzipFile(fileobj=file) if packed else file
    while line := lines.readline(longest + 1):
        if len(line) > longest:
            raise OSError(0, f"a line is longer than {longest:,} bytes")
        yield line


class _Pipe:
    """The lines of a stream that cannot be rewound."""

    def __init__(self, file: io.BufferedReader, longest: int) -> None:
        self._new = _bounded(file, longest)
        self._read = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with this object
        for opened in (file, self._read):
            weakref.finalize(self, opened.close)
        self._size = 0  # bytes buffered
        self._appending = False  # the file is at its end
        self._failure: Exception | None = None

    def lines(self) -> Iterator[bytes]:
        """The buffered lines, then the new ones."""
        at = 0
        while True:
            if at < self._size:
                self._read.seek(at)
                line = self._read.readline()
                self._appending = False
            elif not (line := self._next()):
                return
            at += len(line)
            yield line

    def _next(self) -> bytes:
        """Buffer and return the next new line, or nothing at the end. A failure is raised again each time."""
        if self._failure:
            raise self._failure
        try:
            line = next(self._new, b"")
            if self._size + len(line) > MAX_PIPE:
                raise OSError(0, f"more than {MAX_PIPE >> 20} MB came from a pipe; use a file")
        except UNREADABLE as error:
            self._failure = error
            raise
        if line and not line.endswith(b"\n"):
            line += b"\n"
        if not self._appending:  # a seek flushes what was written
            self._read.seek(self._size)
            self._appending = True
        self._read.write(line)
        self._size += len(line)
        return line
