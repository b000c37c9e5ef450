# SPDX-License-Identifier: Apache-2.0
"""How long the box takes from nothing to sound, and what it then holds in memory.

The one rule: it is measured from outside, on the command that people start, with no card and no network. Linux.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure

STARTS = 5
SETTLED = 15.0  # s after which memory is read


def figures() -> list[Figure]:
    """Start the box a few times, and once long enough to read its memory."""
    starts = [_start(0.0)[0] for _ in range(STARTS)]
    _, player, listener = _start(SETTLED)
    return [
        Figure("start to first sample, median", median(starts), high=3.0, unit="s"),
        Figure("resident memory of the player", player, unit="MB"),
        Figure("resident memory of the listener", listener, unit="MB"),
    ]


def _start(stay: float) -> tuple[float, float, float]:
    """Seconds to the first sample, and megabytes of the player and its listener after `stay` seconds more."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "appliance", "run", "--verbose"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as box:  # noqa: S603 - our own
        assert box.stderr  # noqa: S101 - a pipe, as asked for
        next(line for line in box.stderr if "The first block is out." in line)
        seconds = time.perf_counter() - begun
        time.sleep(stay)
        memory = [_resident(box.pid), sum(map(_resident, _children(box.pid)))]
        box.terminate()
        box.stderr.read()
    return seconds, memory[0], memory[1]


def _children(process: int) -> list[int]:
    return [
        int(child)
        for tasks in Path(f"/proc/{process}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]


def _resident(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
