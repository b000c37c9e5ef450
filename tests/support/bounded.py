# SPDX-License-Identifier: Apache-2.0
"""Reads a file in a process of its own, to see what a hostile one costs: memory, time, and the sentence about it.

    python -m tests.support.bounded lines PATH     its lines, of at most 1 MB each
    python -m tests.support.bounded tape PATH      as a tape of which a minute is played
    python -m tests.support.bounded record PATH    as a file of Horizon's operations

Prints a JSON object. PATH can be /dev/stdin. Memory is the highest resident size of the process since its start, which
Linux alone can tell: of a process that was forked from a large one, getrusage reports the size of that one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

MAX_LINE = 1 << 20
LIMIT = 100.0  # MB


@dataclass(frozen=True)
class Cost:
    """What came of reading a file."""

    sentence: str  # of the error that was raised, or of what was logged or noted; empty if all was well
    count: int  # lines, or ledgers, that were good
    dropped: int  # lines that were not
    megabytes: float
    seconds: float


def lines(path: Path) -> tuple[str, int, int]:
    """Count the lines of a file."""
    from appliance.saved.lines import UNREADABLE, open_lines, reason

    count = 0
    try:
        for _ in open_lines(path, MAX_LINE)():
            count += 1
    except UNREADABLE as error:
        return reason(error), count, 0
    return "", count, 0


def tape(path: Path) -> tuple[str, int, int]:
    """Play a minute of a tape."""
    from appliance.ledger.tape import BadTape, TapePlayer, open_tape, require_ledger

    count = 0
    try:
        found = require_ledger(open_tape(path))
        player = TapePlayer(found.__iter__)
        for tick in range(601):
            count += len(player.until(tick / 10))
    except BadTape as error:
        return str(error), count, 0
    return found.ended, count, found.dropped


def record(path: Path) -> tuple[str, int, int]:
    """Make a recording of a file of operations."""
    from appliance.ledger.reader.record_files import BadRecording, from_operations

    try:
        recording = from_operations([path])
    except BadRecording as error:
        return str(error), 0, 0
    return "", len(recording.ledgers), recording.dropped


WAYS: dict[str, Callable[[Path], tuple[str, int, int]]] = {"lines": lines, "tape": tape, "record": record}


def read(how: str, path: Path | str, stdin: IO[bytes] | None = None) -> Cost:
    """Read `path` in a process of its own, whose standard input is `stdin`."""
    command = [sys.executable, "-m", "tests.support.bounded", how, str(path)]
    done = subprocess.run(
        command, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return Cost(**json.loads(done.stdout))


def _peak() -> float:
    """The highest resident size of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    begun = time.monotonic()
    sentence, count, dropped = WAYS[sys.argv[1]](Path(sys.argv[2]))
    cost = Cost(sentence, count, dropped, _peak(), time.monotonic() - begun)
    print(json.dumps(asdict(cost)))  # noqa: T201 - the result
