# SPDX-License-Identifier: Apache-2.0
"""The log: lines for a person at a terminal, or for journald, which keeps the time and the importance itself.

The one rule: one event, one line on standard error, at the moment it happens; nothing here writes to a disk, and no
fault can flood what does: of one kind of line ten a minute are told, of the rest only how many they were.
Started once by each process's main thread; then any thread may log, through `logging.getLogger(__name__)`. `Notices`
are for systemd alone: that the box plays, that it still does, that it leaves. The main thread.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

# Priorities of syslog(3), which journald reads from a line's beginning (sd-daemon(3)).
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

MINUTE = 60.0  # s
LINES = 10  # of one kind in a minute
KINDS = 256  # that are told apart; a text with a number in it would else be a new kind each time, for ever


def start(verbose: bool = False) -> None:
    """Log to standard error from here on: our own events ("debug" too if `verbose`), and others' warnings.

    A crash in a library, and systemd's SIGABRT for a box that hangs, leave every thread's traceback there.
    """
    faulthandler.enable(2)  # the descriptor: whatever stands in for sys.stderr need not have one
    lines = _StandardError()
    lines.setFormatter(_JournalLine() if _is_journald(2, os.environ) else _TerminalLine())
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    logging.getLogger("appliance").setLevel(logging.DEBUG if verbose else logging.INFO)


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error of the moment: while the desk shows, it puts its own in the place of the terminal's."""

    def __init__(self) -> None:
        super().__init__()
        self._flood = Flood()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if it is not one too many of its kind."""
        for admitted in self._flood.admit(record, time.monotonic()):
            super().emit(admitted)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Whatever the base class wishes to remember, it is looked up again."""


def _is_journald(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether systemd's promise in JOURNAL_STREAM ("device:inode") is about this very descriptor.

    The variable alone is not enough: whoever redirects our output in a unit leaves it in the environment.
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


class Flood:
    """Lets LINES records of a kind pass in a minute, then only says how many more there were.

    A kind is a logger, a level and a text before its arguments. Pure; whoever holds the lock of the log's output.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._ends = 0.0  # s; before, no kind's minute is over

    def admit(self, record: logging.LogRecord, seconds: float) -> list[logging.LogRecord]:
        """What is to be written now that `record` has come: what was held back in minutes that are over, and itself.

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


# --- systemd ------------------------------------------------------------------------------------------------


class Notices:
    """What systemd is told, if it started us and asked (sd_notify(3)); nothing to anybody else.

    It learns that the box is ready once two blocks of sound are out, and that it lives whenever sound has gone on
    since the last time. Nothing else counts as life: a main thread that is well beside a dead performer is a dead box.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._ready = False
        self._played = 0.0
        self._words = ""

    @property
    def wanted(self) -> bool:
        """Whether systemd started this process, as a service that reports to it."""
        return bool(self._address)

    def life(self, played: float, block: float, words: str) -> None:
        """Tell what has changed: `played` seconds of sound in blocks of `block` seconds, and the state in `words`."""
        news = []
        if not self._ready and played >= 2 * block:
            self._ready = True
            news.append("READY=1")
        if played > self._played:
            self._played = played
            news.append("WATCHDOG=1")
        if words != self._words:
            self._words = words
            news.append(f"STATUS={words}")
        if news:
            self.say(*news)

    def say(self, *news: str) -> None:
        """Send notices, such as "STOPPING=1". A systemd that does not listen is no reason to stop playing."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
                notices.setblocking(False)
                notices.sendto("\n".join(news).encode(), self._address)
