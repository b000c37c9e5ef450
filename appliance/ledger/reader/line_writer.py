# SPDX-License-Identifier: Apache-2.0
"""Writes tape lines to a pipe whose reader can be slow, or stalled.

`write` never blocks. A thread writes; lines that it cannot write yet are queued, up to MAX_QUEUED, and then the oldest
ledger is dropped: after an hour without a reader, the last minute is left. States are dropped last, because without
them the reader cannot tell which network a ledger is of. The listener's main thread calls; a thread of its own writes.
"""

from __future__ import annotations

import os
import threading

from appliance.ledger.tape import Header, Line, encode
from appliance.values import Link

MAX_QUEUED = 24  # lines; two minutes of ledgers, of some 25 kB each


class LineWriter:
    """Writes lines to a file descriptor. After the pipe has broken, the next `write` raises BrokenPipeError."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._queued: list[Header | Line] = []
        self._changed = threading.Condition()
        self._broken = False
        threading.Thread(target=self._run, name="line writer", daemon=True).start()

    def write(self, line: Header | Line) -> None:
        """Queue `line`."""
        with self._changed:
            if self._broken:
                raise BrokenPipeError
            self._queued.append(line)
            if len(self._queued) > MAX_QUEUED:
                oldest = next((at for at, line in enumerate(self._queued) if not _is_state(line)), 0)
                del self._queued[oldest]
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queued)
                line = self._queued.pop(0)
            rest = encode(line).encode() + b"\n"
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self._broken = True
                return


def _is_state(line: Header | Line) -> bool:
    return isinstance(line, Header) or isinstance(line.entry, Link)
