# SPDX-License-Identifier: Apache-2.0
"""Runs a verb as `stellar-wind` does until it works, says what that took, and ends. benchmarks/start.py runs it.

A player works with its first block, a listener with its first connection, help when it has been printed. Then a line of
JSON goes to standard error: megabytes in RAM, now and at most, and megabytes that were read. count.c counts until then.

    python -m benchmarks.starting player run --verbose TAPE
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys

from appliance.__main__ import main

FIRST = "The first block is out."  # the line of the log, of appliance/live.py


def works() -> None:
    """Say what it took, and end at once."""
    os.getppid()  # count.c writes its count
    fields: dict[str, str] = {}
    for path in ("/proc/self/status", "/proc/self/io"):
        with open(path, encoding="utf-8") as file:
            fields |= dict(line.split(":", 1) for line in file)
    taken = {
        "resident": int(fields["VmRSS"].split()[0]) / 1024,
        "peak": int(fields["VmHWM"].split()[0]) / 1024,
        "read": int(fields["rchar"]) / 1e6,
    }
    os.write(2, f"\n{json.dumps(taken)}\n".encode())
    os._exit(0)


class _FirstBlock(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Ends the player."""
        if record.getMessage() == FIRST:
            works()


def _connected(event: str, _: object) -> None:
    if event == "socket.connect":
        works()


if __name__ == "__main__":
    what = sys.argv.pop(1)
    if what == "player":
        logging.getLogger("appliance.live").addHandler(_FirstBlock())
    elif what == "listener":
        sys.addaudithook(_connected)
    else:
        atexit.register(works)
    sys.exit(main())
