# SPDX-License-Identifier: Apache-2.0
"""The log: lines for a person at a terminal, or for journald, which adds the time and stores the priority.

One event is one line on standard error, at the moment it happens. Nothing here writes to a disk, and no fault can flood
what does: of one kind of line ten a minute are written, of the rest only their number. Started once by the main thread
of each process; then any thread can log, through `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

# Priorities of syslog(3), which journald reads from a line's beginning (sd-daemon(3)).
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

MINUTE = 60.0  # s
LINES = 10  # of one kind in a minute
KINDS = (
    256  # that are told apart; a text with a number in it would otherwise be a new kind each time, for ever
)


def start(verbose: bool = False) -> None:
    """Log to standard error from here on: our own events ("debug" too if `verbose`), and others' warnings.

    A crash in a library, and systemd's SIGABRT for a box that hangs, leave every thread's traceback there.
    """
    faulthandler.enable(2)  # the descriptor: sys.stderr can be an object without one
    lines = _StandardError(sys.stderr)
    lines.setFormatter(_JournalLine() if _is_journald(2, os.environ) else _TerminalLine())
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    logging.getLogger("appliance").setLevel(logging.DEBUG if verbose else logging.INFO)


class _StandardError(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._limit = LogRateLimit()
        self.muted = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it is one too many of its kind."""
        if not self.muted:
            for admitted in self._limit.admit(record, time.monotonic()):
                super().emit(admitted)


@contextmanager
def not_on_standard_error() -> Iterator[None]:
    """While in the `with`, log nothing there: another process draws on that terminal."""
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
        """Pass a line on, unless it is one too many of its kind."""
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
    """Whether systemd's promise in JOURNAL_STREAM ("device:inode") is about this very descriptor.

    The variable alone is not enough: it stays in the environment of a process whose output is redirected.
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
        # Every line of a traceback is an entry of its own to journald.
        priority = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in super().format(record).splitlines())


class LogRateLimit:
    """Lets LINES records of a kind pass in a minute, then only says how many more there were.

    A kind is a logger, a level and a text before its arguments. Pure; its handler's lock guards it.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._ends = 0.0  # s; before, no kind's minute is over

    def admit(self, record: logging.LogRecord, seconds: float) -> list[logging.LogRecord]:
        """What to write now that `record` has come: summaries of minutes that are over, and the record itself.

        `seconds` is of any clock that never jumps.
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
        assert self.last  # noqa: S101 - what was repeated has a last one
        text = f"{self.last.getMessage()} (repeated {self.repeated} times)"
        return logging.LogRecord(self.last.name, self.last.levelno, "", 0, text, None, None)
