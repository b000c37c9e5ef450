# SPDX-License-Identifier: Apache-2.0
"""What a second of music costs a board: aarch64 instructions of each engine, counted in the guest (guest.py).

Of the box, composition, performer, synth and master are counted; start, card and panel are not. Besides the guest's
programs it needs sclang, of the Debian package supercollider-language.

    python -m benchmarks.engines.board recording 60     million instructions a second of each engine
    python -m benchmarks.engines.board public 600       likewise a tape of benchmarks.tapes
    python -m benchmarks.engines.board dense 20
"""

from __future__ import annotations

import shutil
import sys

from benchmarks.engines import csound, guest, supercollider
from benchmarks.engines.box import BLOCK, FULL
from benchmarks.engines.twin import piece

POOL = 16  # the box's default
TWINS = (csound, supercollider)


def missing() -> str:
    """What has to be installed first; empty if nothing."""
    return guest.missing() or ("" if shutil.which("sclang") else "supercollider-language")


def of_box(what: str, seconds: int) -> list[float]:
    """Million instructions of each second of the dense score, once it is dense, or of a tape."""
    length = seconds + FULL if what == "dense" else seconds
    return [count / 1e6 for count in guest.spans("benchmarks.engines.box", what, POOL, length)]


def of_twins(what: str, seconds: int) -> dict[str, float]:
    """Million instructions a second of the other engines, by name. They play the same notes in the same blocks."""
    played = piece(what, POOL, seconds + FULL)
    cost = lambda command: guest.count(*command)[-1]  # noqa: E731 - as short as its name
    return {
        # The difference of two lengths leaves out the start.
        twin.NAME: (twin.run(played, seconds + FULL, BLOCK, cost) - twin.run(played, FULL, BLOCK, cost))
        / (1e6 * seconds)
        for twin in TWINS
    }


def main(what: str, seconds: int) -> None:
    """Count, and print a line for each engine."""
    of_each = of_box(what, seconds)
    mean = sum(of_each) / len(of_each)
    print(f"the box        {mean:7.1f} M a second, worst {max(of_each):.1f}")
    for name, count in of_twins(what, seconds).items():
        print(f"{name:<14} {count:7.1f} M a second: the box costs {mean / count:.2f} times as much")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
