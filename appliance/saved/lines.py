# SPDX-License-Identifier: Apache-2.0
"""Lines of a file that can come from anywhere: plain or gzip, on a disk or from a pipe, each of a bounded length.

A line is in memory at a time, never the file: 400 kB of gzip can unpack to one line of 400 MB. Any thread.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

MAX_PIPE = 256 << 20  # bytes of a pipe that are kept to be read again

UNREADABLE = (OSError, EOFError, zlib.error)  # what reading a torn or damaged file raises


def reason(error: Exception) -> str:
    """Why a file could not be read, in the words of the system or of zlib."""
    return str(getattr(error, "strerror", None) or error)


def open_lines(path: Path, longest: int) -> Callable[[], Iterator[bytes]]:
    """A function that gives the lines of a file from its start, plain or gzip, each time that it is called.

    A file on a disk is opened again each time, so that a stick that was pulled out can come back. A pipe can be read
    only once, so what has been read of it is kept in an unnamed temporary file. Raises OSError if the file cannot be
    opened; the lines raise UNREADABLE for a damaged file, and OSError for a line of more than `longest` bytes.
    """
    file = path.open("rb")
    if file.seekable():
        file.close()
        return lambda: _bounded(path.open("rb"), longest)
    return _Pipe(file, longest).lines


def _bounded(file: io.BufferedReader, longest: int) -> Iterator[bytes]:
    with file:
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
        weakref.finalize(self, self._read.close)

    def lines(self) -> Iterator[bytes]:
        """Those that were read before, then the others as they come."""
        at = 0
        while True:
            self._read.seek(at)
            line = self._read.readline()
            if not line and at < MAX_PIPE and (line := next(self._new, b"")):
                line = line if line.endswith(b"\n") else line + b"\n"
                self._read.seek(at)
                self._read.write(line)
            if not line:
                return
            at += len(line)
            yield line
