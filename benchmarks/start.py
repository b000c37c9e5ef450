# SPDX-License-Identifier: Apache-2.0
"""What starting the box takes: time, and, of a player, a listener and a --help, instructions, files and memory.

It is measured from outside, on the command that its owner starts, with a folder of its own. Instructions are a board's
(benchmarks/engines/guest.py), the rest is this computer's. A player plays the bundled recording and has no card; it is
measured until its first block, a listener until its first connection. Linux.

    python -m benchmarks.start
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from appliance.ledger.tape import bundled
from benchmarks.engines import guest
from benchmarks.measure import Figure, table
from benchmarks.processes import children, resident

STARTS = 5
SETTLED = 15.0  # s after which memory is read
FIRST = "The first block is out."  # the line of the log, of appliance/live.py
SILENT = ("--set", "panel.pin_factory=none", "--set", "sound.device=none")
NOWHERE = ("--set", "networks.mine.endpoints=http://127.0.0.1:9", "--set", "networks.mine.passphrase=x")
VERBS = {
    "help": ("--help",),
    "player": ("run", "--verbose", str(bundled().path), *SILENT),
    "listener": ("listen", "--network", "mine", *NOWHERE),
}
# Million instructions, files opened, megabytes read, megabytes in RAM, and at most.
BOUNDS: dict[str, dict[str, float]] = {
    "help": {"instructions": 300},
    "player": {"instructions": 1150, "opens": 450, "read": 8, "resident": 65, "peak": 70},
    "listener": {"instructions": 1350, "resident": 56},
}


def figures() -> list[Figure]:
    """Start the box a few times, and once long enough to read its memory."""
    starts = [_start(0.0)[0] for _ in range(STARTS)]
    _, player, listener = _start(SETTLED)
    return [
        Figure("start to first sample, median", median(starts), high=3.0, unit="s"),
        Figure("resident memory of the player", player, unit="MB"),
        Figure("resident memory of the listener", listener, unit="MB"),
    ]


def costs() -> list[Figure]:
    """What each verb takes until it works."""
    if missing := guest.missing():
        print(f"Skipped instructions: install {missing}.")
    if not shutil.which("strace"):
        print("Skipped opens: install strace.")
    found = []
    for what, words in VERBS.items():
        taken = _taken(what, words)
        units = {"instructions": "M"} | dict.fromkeys(("read", "resident", "peak"), "MB")
        found += [
            Figure(f"{what}: {name}", value, high=BOUNDS[what].get(name), unit=units.get(name, ""))
            for name, value in taken.items()
        ]
    return found


def _taken(what: str, words: tuple[str, ...]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        state = () if what == "help" else ("--set", f"state_dir={folder}/state")
        run = ["-m", "benchmarks.starting", what, *words, *state]
        taken: dict[str, float] = {}
        if not guest.missing():
            taken["instructions"] = guest.count("python3", *run)[0] / 1e6
        if shutil.which("strace"):
            trace = Path(folder) / "trace"
            strace = ["strace", "-f", "-e", "trace=open,openat", "-o", str(trace)]
            subprocess.run([*strace, sys.executable, *run], check=True, capture_output=True)  # noqa: S603 - our own
            taken["opens"] = len(
                re.findall(r"open.* = \d+$", trace.read_text(errors="replace"), re.MULTILINE)
            )
        done = subprocess.run([sys.executable, *run], check=True, capture_output=True)  # noqa: S603 - our own
        taken.update(json.loads(next(line for line in done.stderr.splitlines() if line.startswith(b"{"))))
        return taken


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


if __name__ == "__main__":
    print(table("What a start takes", costs()))
