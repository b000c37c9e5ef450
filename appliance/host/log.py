# SPDX-License-Identifier: Apache-2.0
"""The log: lines on standard error, for a person at a terminal or for journald, which adds time and priority.

One event is one line. Nothing here writes to a disk, and a fault cannot flood the journal: at most ten lines of
a kind are written a minute, and the rest are counted. Started once by the main thread of each process; then any thread
can log with `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

# Priorities of syslog(3), which journald reads from the beginning of a line (sd-daemon(3)).
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

MINUTE = 60.0  # s
LINES = 10  # of one kind that are written in a minute
KINDS = 256  # different kinds; bounded, because a text with a number in it is a new kind each time


def start(verbose: bool = False) -> None:
    """Start to log to standard error: our own events (with debug lines if `verbose`) and warnings of libraries.

    After a crash in a library, or a SIGABRT from systemd's watchdog, the tracebacks of all threads are written there.
    """
    faulthandler.enable(2)  # the descriptor: sys.stderr can be an object without one
    lines = _StandardError(sys.stderr)
    lines.setFormatter(_JournalLine() if _is_journald(2, os.environ) else _TerminalLine())
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    logging.getLogger("appliance").setLevel(logging.DEBUG if verbose else logging.INFO)
    atexit.register(_drop_what_cannot_be_written)


def _drop_what_cannot_be_written() -> None:
    """Lines for a full disk stay in the buffer of standard error, and would make Python exit with 120."""
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class _StandardError(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._limit = LogRateLimit()
        self.muted = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless the rate limit holds it back."""
        if not self.muted:
            for admitted in self._limit.admit(record, time.monotonic()):
                super().emit(admitted)


@contextmanager
def not_on_standard_error() -> Iterator[None]:
    """Write nothing to standard error while in the `with`, because another process draws on that terminal."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _StandardError)]
    for handler in handlers:
        handler.muted = True
    try:
        yield
    finally:
        for handler in handlers:
            handler.muted = False


class _Calling(logging.Handler):
    def __init__(self, call: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._call, self._limit = call, LogRateLimit()
        self.setFormatter(_TerminalLine())

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on, unless the rate limit holds it back."""
        for admitted in self._limit.admit(record, time.monotonic()):
            self._call(self.format(admitted))


@contextmanager
def also_to(call: Callable[[str], None]) -> Iterator[None]:
    """While in the `with`, call `call` with each line of the log, on the thread that logs."""
    handler = _Calling(call)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _is_journald(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether this descriptor is the one that JOURNAL_STREAM ("device:inode") names.

    The variable alone does not prove it: a process whose output is redirected inherits it too.
    """
    file = os.fstat(descriptor)
    return environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


class _TerminalLine(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(level)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)


class _JournalLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # For journald every line of a traceback is an entry of its own.
        priority = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in super().format(record).splitlines())


class LogRateLimit:
    """Admits LINES records of a kind a minute, and counts the others.

    A kind is a logger, a level and a format string. Pure; the lock of its handler guards it.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._ends = 0.0  # s; when the first minute of a kind is over

    def admit(self, record: logging.LogRecord, seconds: float) -> list[logging.LogRecord]:
        """The records to write: summaries of minutes that are over, and `record` itself if it is admitted.

        `seconds` is the moment by a clock that never jumps.
        """
        admitted = []
        if seconds >= self._ends:
            over = [kind for kind in self._kinds.values() if seconds - kind.since >= MINUTE]
            admitted = [kind.summary() for kind in over if kind.repeated]
            self._kinds = {key: kind for key, kind in self._kinds.items() if kind not in over}
            self._ends = min((kind.since + MINUTE for kind in self._kinds.values()), default=seconds)
        key = (record.name, record.levelno, str(record.msg))
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KINDS:
                key = ("", 0, "")
            kind = self._kinds.setdefault(key, _Kind(seconds))
        kind.lines += 1
        if kind.lines <= LINES:
            admitted.append(record)
        else:
            kind.repeated, kind.last = kind.repeated + 1, record
        return admitted


class _Kind:
    def __init__(self, since: float) -> None:
        self.since, self.lines, self.repeated = since, 0, 0
        self.last: logging.LogRecord | None = None

    def summary(self) -> logging.LogRecord:
        assert self.last  # noqa: S101 - it is set whenever `repeated` is counted
        text = f"{self.last.getMessage()} (repeated {self.repeated} times)"
        return logging.LogRecord(self.last.name, self.last.levelno, "", 0, text, None, None)
