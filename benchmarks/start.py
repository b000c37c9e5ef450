# SPDX-License-Identifier: Apache-2.0
"""How long the box takes from its start to its first sample, and how much memory it then has.

It is measured from outside, on the command that its owner starts, with a folder of its own. Linux.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.measure import Figure
from benchmarks.processes import children, resident

STARTS = 5
SETTLED = 15.0  # s after which memory is read
FIRST = "The first block is out."  # the line of the log, of appliance/live.py


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
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "appliance", "run", "--verbose", "--set", f"state_dir={folder}"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as box:  # noqa: S603 - our own
            assert box.stderr  # noqa: S101 - a pipe, as asked for
            next(line for line in box.stderr if FIRST in line)
            seconds = time.perf_counter() - begun
            time.sleep(stay)
            memory = [resident(box.pid), sum(map(resident, children(box.pid)))]
            box.terminate()
            box.stderr.read()
    return seconds, memory[0], memory[1]
