# SPDX-License-Identifier: Apache-2.0
"""`make bench-listener`: what an operation costs our listener, the SDK's two streams and httpx-sse.

Each client gets the same 100,000 operations from the same server over loopback, in a process of its own and in shuffled
order; the table has the medians. The operations are Horizon's recorded ones (../shared/horizon) over and over,
renumbered; where there are none they are generated, and the title says so. Machines share their cores: trust the
ratios.

Ours does more than the others: they stop at a dict a record, ours goes on to exact amounts in ledgers. "Records alone"
is our client where theirs stop. In memory ours cannot be first, because it is built on the SDK, whose import alone is
63 MB.

    python -m benchmarks.listener --rounds 5
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from statistics import median

from benchmarks.streams import NEVER, OPERATIONS, clients

OURS = "ours, ledgers"
WHAT = {  # of each figure: what it is, and what an operation's, or the process's, is multiplied by
    "cpu": ("CPU, us an operation", 1e6 / OPERATIONS),
    "bytes": ("bytes received an operation", 1 / OPERATIONS),
    "memory": ("resident after all, MB", 1.0),
    "stop": ("time to stop, ms", 1e3),
}

Taken = dict[str, dict[str, float]]


def measure(rounds: int) -> tuple[Taken, str]:
    """For each client the median of each figure, and where the operations came from."""
    order = [*clients.CLIENTS] * rounds
    random.Random(1).shuffle(order)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in clients.CLIENTS}
    command = [sys.executable, "-m", "benchmarks.streams.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own
        assert server.stdout  # noqa: S101 - a pipe, as asked for
        url, about = json.loads(server.stdout.readline())
        for number, name in enumerate(order, 1):
            print(f"\r  run {number} of {len(order)} ", end="", file=sys.stderr, flush=True)
            runs[name].append(_run(name, url, server))
        server.communicate()  # it ends with its input
    print("\r" + 20 * " ", end="\r", file=sys.stderr)
    taken = {
        name: {what: median(run[what] for run in of_one) for what in WHAT} for name, of_one in runs.items()
    }
    return taken, about


def _run(name: str, url: str, server: subprocess.Popen[str]) -> dict[str, float]:
    """One client's figures. The sync SDK's process is left with a thread that cannot be stopped, and ends with it."""
    _sent(server)
    command = [sys.executable, "-m", "benchmarks.streams.clients", name, url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    return {**json.loads(done.stdout), "bytes": _sent(server)}


def _sent(server: subprocess.Popen[str]) -> float:
    """The bytes that the server has sent since it was asked last."""
    assert server.stdin and server.stdout  # noqa: S101, PT018 - pipes, as asked for
    server.stdin.write("\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def table(taken: Taken) -> str:
    """A block for each figure, a client a line, the best one first, each also as a multiple of ours."""
    blocks = []
    for what, (title, factor) in WHAT.items():
        lines = [f"  {title:<40}{'':>10}    of ours"]
        for name in sorted(taken, key=lambda name: taken[name][what]):
            value = taken[name][what]
            text = "never" if what == "stop" and value >= NEVER else f"{value * factor:,.2f}"
            lines.append(f"    {name:<38}{text:>10}{_times(value / taken[OURS][what], text)}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _times(ratio: float, text: str) -> str:
    return "" if text == "never" else f"  {ratio:>8.2f}x"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listener", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each, 3 without it")
    rounds = parser.parse_args().rounds
    taken, about = measure(rounds)
    title = f"{OPERATIONS:,} {about} over loopback, medians of {rounds} shuffled runs"
    print(f"{title}\n{table(taken)}")


if __name__ == "__main__":
    main()
