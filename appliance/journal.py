# SPDX-License-Identifier: Apache-2.0
"""The log: lines for a person at a terminal, or for journald, which keeps the time and the importance itself.

The one rule: one event, one line on standard error, at the moment it happens; nothing here writes to a disk.
Started once by each process's main thread; then any thread may log, through `logging.getLogger(__name__)`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

# Priorities of syslog(3), which journald reads from a line's beginning (sd-daemon(3)).
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def start(verbose: bool = False) -> None:
    """Log to standard error from here on: our own events ("debug" too if `verbose`), and others' warnings."""
    lines = _StandardError()
    lines.setFormatter(_JournalLine() if _is_journald(2, os.environ) else _TerminalLine())
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    logging.getLogger("appliance").setLevel(logging.DEBUG if verbose else logging.INFO)


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error of the moment: while the desk shows, it puts its own in the place of the terminal's."""

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
