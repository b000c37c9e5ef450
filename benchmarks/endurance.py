# SPDX-License-Identifier: Apache-2.0
"""`make bench-endurance`: how the memory of a listener grows over 10,000 reconnects and 1,000,000 operations.

The criterion is the slope of tests/support/slope.py, which must also find a leak that was planted. 10,000 reconnects
are six days of a healthy stream; the slope that they are allowed makes 31 MB a year.

    python -m benchmarks.endurance --share 0.1      a tenth of it
"""

from __future__ import annotations

import argparse
import asyncio
import time

from tests.support.enduring import STEEP, watched
from tests.support.horizon_ready import BUSY, PAGE
from tests.support.slope import complaints, trend

RUNS = (  # what, how often, and whether a leak is planted
    ("reconnects", 10_000, False),
    ("operations", 1_000_000, False),
    ("reconnects", 500, True),
    ("operations", 50_000, True),
)


def main() -> None:
    """Run the listeners, and print a line for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of the counts, 1 without it")
    share = parser.parse_args().share
    print(
        f"{'':31}{'s':>6}{'MB':>7}{'KiB a million':>15}{'allowed':>9}{'r2':>6}  more at the end than at a third"
    )
    for what, count, leak in RUNS:
        count = 2 * PAGE + round(count * share / BUSY) * BUSY
        begun = time.perf_counter()
        samples = asyncio.run(watched(what, count, leak=leak))
        line, found = trend(samples), complaints(samples, STEEP[what])
        counts = ", ".join(f"{name} {now - then:+d}" for name, (then, now) in line.counts.items())
        title = f"{count:,} {what}{', planted leak' if leak else ''}"
        print(
            f"{' ' if bool(found) is leak else '!'} {title:<29}{time.perf_counter() - begun:>6.0f}"
            f"{samples[-1].resident / 1024:>7.1f}{line.slope:>15,.0f}{STEEP[what]:>9,.0f}{line.straight:>6.2f}"
            f"  {counts}{': ' if found else ''}{'; '.join(found)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
