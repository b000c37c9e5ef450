# SPDX-License-Identifier: Apache-2.0
"""The listener's voice: tape lines to a pipe that somebody may read slowly, or not at all.

The one rule: to say something never waits. A thread writes; what it cannot write yet is kept, up to KEPT lines, and
then the oldest ledger gives way: of an hour that nobody read, the last minute is heard. States give way last, for
without them the reader would not know whose ledgers these are.
"""

from __future__ import annotations

import os
import threading

from appliance.ledger.tape import Header, Line, encode
from appliance.values import Link

KEPT = 24  # lines; two minutes of ledgers, of some 25 kB each


class LineWriter:
    """Writes lines to a file descriptor. A pipe that has broken is told by BrokenPipeError at the next line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept: list[Header | Line] = []
        self._more = threading.Condition()
        self._broken = False
        threading.Thread(target=self._write, name="voice", daemon=True).start()

    def say(self, line: Header | Line) -> None:
        """Write `line` as soon as may be."""
        with self._more:
            if self._broken:
                raise BrokenPipeError
            self._kept.append(line)
            if len(self._kept) > KEPT:
                least = next((at for at, kept in enumerate(self._kept) if not _is_state(kept)), 0)
                del self._kept[least]
            self._more.notify()

    def _write(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._kept)
                line = self._kept.pop(0)
            rest = encode(line).encode() + b"\n"
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self._broken = True
                return


def _is_state(line: Header | Line) -> bool:
    return isinstance(line, Header) or isinstance(line.entry, Link)
