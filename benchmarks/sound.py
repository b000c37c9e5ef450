# SPDX-License-Identifier: Apache-2.0
"""`make bench-sound`: what the sound costs, beside the same patch in csound and SuperCollider, and on a board.

All runs are in one shuffled order and measured as CPU time; the table has their medians. Machines share their cores:
trust the ratios, and single values only roughly. A program that is not installed is skipped and named.

    python -m benchmarks.sound               all of it; --board 60 counts one minute instead of ten, --board 0 none
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable
from statistics import mean, median

from appliance.sound import SAMPLE_RATE
from benchmarks.engines import board, csound, supercollider
from benchmarks.engines.box import BLOCK, FULL
from benchmarks.measure import Figure, table

POOLS = (8, 16, 32)
POOL = 16  # the box's default
RUNS = 5
SECONDS = 40.0  # s of the dense score, after every voice has begun
RECORDING = 120.0  # s
FINE = 64  # frames; the block that csound and SuperCollider are mostly run with
# Not reached with pyo at this rate: 0.96 to 1.24 times csound's cost, and 2.1 to 2.7 times SuperCollider's, whose whole
# patch costs less than the box's table oscillators, Python and reverb alone.
TWINS = ((csound, 1.0), (supercollider, 1.5))  # and how many times its cost ours may be
# Million instructions a second: about a third and three quarters of a core of a Zero 2 W.
MEAN, WORST = 270.0, 600.0

Taken = dict[tuple[str, int], dict[str, float]]


def speeds() -> Taken:
    """For each engine and pool: CPU seconds a second of sound, and, of the box, megabytes."""
    jobs: dict[tuple[str, int], Callable[[], dict[str, float]]] = {}
    for pool in POOLS:
        jobs["box", pool] = lambda pool=pool: _box("dense", pool, SECONDS + FULL)  # type: ignore[misc]
        for twin, _ in TWINS:
            for block in (BLOCK, FINE):
                if not twin.missing():
                    name = f"{twin.NAME}/{block}"
                    jobs[name, pool] = lambda run=twin.run, pool=pool, block=block: _twin(run, pool, block)  # type: ignore[misc]
    jobs["recording", POOL] = lambda: _box("recording", POOL, RECORDING)
    order = [*jobs] * RUNS
    random.Random(1).shuffle(order)
    runs: dict[tuple[str, int], list[dict[str, float]]] = {job: [] for job in jobs}
    for number, job in enumerate(order, 1):
        print(f"\r  run {number} of {len(order)} ", end="", file=sys.stderr, flush=True)
        runs[job].append(jobs[job]())
    print("\r" + 20 * " ", end="\r", file=sys.stderr)
    return {
        job: {key: median(run[key] for run in of_job) for key in of_job[0]} for job, of_job in runs.items()
    }


def _box(what: str, pool: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engines.box", what, str(pool), str(seconds)]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - our own
    return {"load": figures["cpu"] / figures["audio"], "resident": figures["resident"]}


def _twin(run: Callable[[int, float, int], float], pool: int, block: int) -> dict[str, float]:
    # The difference of two lengths leaves out the start, as the box's own figures do.
    return {"load": (run(pool, SECONDS + FULL, block) - run(pool, FULL, block)) / SECONDS}


def of_box(taken: Taken) -> list[Figure]:
    """What the box's own engine takes."""
    load = taken["recording", POOL]["load"]
    figures = [Figure(f"the recording, pool of {POOL}: times faster than real time", 1 / load, low=40)]
    for pool in POOLS:
        load, what = taken["box", pool]["load"], f"pool of {pool}, all sounding"
        figures += [
            Figure(f"{what}: real-time factor", load),
            Figure(f"{what}: CPU a block of {BLOCK} frames", load * 1e6 * BLOCK / SAMPLE_RATE, unit="us"),
            Figure(f"{what}: resident memory", taken["box", pool]["resident"], unit="MB"),
        ]
    return figures


def of_twins(taken: Taken) -> list[Figure]:
    """The box's cost as a multiple of each twin's. Only the same block has a bound."""
    return [
        Figure(
            f"pool of {pool}: the box / {twin.NAME}, block {block}",
            taken["box", pool]["load"] / taken[f"{twin.NAME}/{block}", pool]["load"],
            high=bound if block == BLOCK else None,
        )
        for block in (BLOCK, FINE)
        for twin, bound in TWINS
        if not twin.missing()
        for pool in POOLS
    ]


def of_board(seconds: int) -> list[Figure]:
    """Million aarch64 instructions a second of the recording."""
    counts = [count / 1e6 for count in board.instructions(POOL, seconds)]
    return [
        Figure("mean second", mean(counts), high=MEAN, unit="M"),
        Figure("worst second", max(counts), high=WORST, unit="M"),
    ]


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sound", description=__doc__.split("\n")[0])
    parser.add_argument("--board", type=int, default=600, metavar="S", help="seconds to count on a board")
    arguments = parser.parse_args()
    taken = speeds()
    print(table(f"The whole scene at {SAMPLE_RATE} Hz, medians of {RUNS} shuffled runs", of_box(taken)))
    print(
        table("The same patch in other engines (what differs: benchmarks/engines/twin.py)", of_twins(taken))
    )
    for twin, _ in TWINS:
        if missing := twin.missing():
            print(f"  {twin.NAME}: skipped, not installed (Debian package {missing})")
    if arguments.board and (missing := board.missing()):
        print(f"  aarch64 instructions: skipped, not installed (Debian package {missing})")
    elif arguments.board:
        title = f"aarch64 instructions a second, {arguments.board} s of the recording, pool of {POOL}, under qemu-user"
        print(table(title, of_board(arguments.board)))


if __name__ == "__main__":
    main()
