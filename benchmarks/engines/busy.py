# SPDX-License-Identifier: Apache-2.0
"""The busiest music, block by block, on a machine of so many million instructions a second. underruns.py runs it.

Runs in the guest (guest.py): each block begins and ends with a mark, and the polyphony limiter gets as its time the
instructions between them, which no load of this machine changes. A full ledger closes every CLOSE seconds.

    python -m benchmarks.engines.busy 210 300       300 s at 210 M instructions a second
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from random import Random

from appliance.parts import composition, synth
from appliance.performance import Performance
from appliance.settings import load
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import Performer
from appliance.sound.polyphony import PolyphonyLimiter
from appliance.values import Amount, Controls, Kind, Ledger

OPERATIONS = 1000  # of a ledger; the public network's limit
CLOSE = 5.0  # s between two ledgers, a little faster than the real ones


def ledger(sequence: int, random: Random, operations: int = OPERATIONS) -> Ledger:
    """A ledger of so many operations, of all kinds."""
    kinds = list(Kind)
    amounts = tuple(
        Amount(
            int(random.lognormvariate(18.0, 3.0)) + 1, random.choice(kinds), random.random() < 0.5, sequence
        )
        for _ in range(operations)
    )
    return Ledger(sequence, 1_790_000_000 + sequence * 5, operations, operations, 0, amounts)


class InstructionClock:
    """Seconds of a machine that executes `speed` instructions a second.

    count.c writes the count to standard error of this process, which is a pipe to here; it is passed on.
    """

    def __init__(self, speed: float) -> None:
        self._speed, self._errors = speed, os.dup(2)
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        self._lines = os.fdopen(reading, "rb")

    def __call__(self) -> float:
        """Seconds now. A mark."""
        os.getppid()
        for line in self._lines:  # what else was written there, such as a warning, comes before
            os.write(self._errors, line)
            if line.startswith(b"instructions "):
                return int(line.split()[1]) / self._speed
        raise EOFError("count.c does not count this program.")  # it has closed its standard error

    def close(self) -> None:
        """Give standard error back."""
        os.dup2(self._errors, 2)


def main(speed: float, seconds: float) -> None:
    """Play."""
    settings, random = load({}, {}).settings, Random(1)
    # Made before, because a block takes ledgers in and makes none.
    coming = [ledger(1000 + number, random) for number in range(int(seconds / CLOSE), -1, -1)]
    first = len(coming)

    def ledgers(now: float) -> Iterator[Ledger]:
        while coming and now >= CLOSE * (first - len(coming)):
            yield coming.pop()

    controls, limiter = Controls(0.7, settings.tempo, "public"), PolyphonyLimiter(settings.sound.polyphony)
    with closing(synth(settings)) as instrument, closing(InstructionClock(speed * 1e6)) as clock:
        performer = Performer(composition(settings, ledgers), instrument, limiter, clock)
        gc.collect()
        gc.freeze()  # as the box does
        Performance(performer, Discard(), lambda: controls).play(seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
