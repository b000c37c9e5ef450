# SPDX-License-Identifier: Apache-2.0
"""`make bench-sound`: what the sound costs a board, beside the same patch in csound and SuperCollider.

Costs are compared by instructions, which repeat to 1 % on any machine. CPU time and memory are those of this machine,
medians of a few runs: machines share their cores, so trust the time only roughly.

    python -m benchmarks.sound               all of it; --board 60 counts one minute instead of ten, --board 0 none
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import mean, median

from appliance.sound import SAMPLE_RATE
from benchmarks.engines import board
from benchmarks.engines.box import BLOCK, FULL
from benchmarks.measure import Figure, table

POOLS = (8, 16, 32)
RUNS = 5
SECONDS = 40.0  # s of the dense score, after every voice has begun
DENSE = 20  # s of it that are counted
RECORDING = 120.0  # s
# Million instructions a second of the public network: about a tenth and a quarter of a core of a Zero 2 W.
MEAN, WORST = 70.0, 200.0
AT_MOST = {"csound": 0.7, "SuperCollider": 1.3}  # times its cost, for the dense score


def of_this_machine() -> list[Figure]:
    """CPU time and memory of the box's own engine."""
    load, _ = _box("recording", board.POOL, RECORDING)
    figures = [Figure(f"the recording, pool of {board.POOL}: times faster than real time", 1 / load, low=60)]
    for pool in POOLS:
        load, resident = _box("dense", pool, SECONDS + FULL)
        what = f"pool of {pool}, all sounding"
        figures += [
            Figure(f"{what}: real-time factor", load),
            Figure(f"{what}: CPU a block of {BLOCK} frames", load * 1e6 * BLOCK / SAMPLE_RATE, unit="us"),
            Figure(f"{what}: resident memory", resident, unit="MB"),
        ]
    return figures


def _box(what: str, pool: int, seconds: float) -> tuple[float, float]:
    """CPU seconds a second of sound, and megabytes."""
    command = [sys.executable, "-m", "benchmarks.engines.box", what, str(pool), str(seconds)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - our own
        for _ in range(RUNS)
    ]
    return median(run["cpu"] / run["audio"] for run in runs), median(run["resident"] for run in runs)


def of_board(what: str, seconds: int) -> list[Figure]:
    """Million aarch64 instructions a second of the box and of its twins, which play the same notes."""
    counts = board.of_box(what, seconds)
    dense = what == "dense"
    figures = [
        Figure("the box, mean second", mean(counts), high=None if dense else MEAN, unit="M"),
        Figure("the box, worst second", max(counts), high=None if dense else WORST, unit="M"),
    ]
    for twin, cost in board.of_twins(what, seconds).items():
        bound = AT_MOST[twin] if dense else None
        figures += [
            Figure(twin, cost, unit="M"),
            Figure(f"the box / {twin}", mean(counts) / cost, high=bound),
        ]
    return figures


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sound", description=__doc__.split("\n")[0])
    parser.add_argument("--board", type=int, default=600, metavar="S", help="seconds to count on a board")
    arguments = parser.parse_args()
    print(table(f"The whole scene at {SAMPLE_RATE} Hz, medians of {RUNS} runs", of_this_machine()))
    if arguments.board and (missing := board.missing()):
        print(f"Skipped aarch64 instructions: install {missing}.")
    elif arguments.board:
        print("aarch64 instructions under qemu-user (what differs in the twins: benchmarks/engines/twin.py)")
        for what, seconds in (("dense", min(DENSE, arguments.board)), ("public", arguments.board)):
            print(table(f"{seconds} s of `{what}`, pool of {board.POOL}", of_board(what, seconds)))


if __name__ == "__main__":
    main()
