# SPDX-License-Identifier: Apache-2.0
"""Makes the bundled recording from recorded tapes: real amounts in their order, at real ledger times, in tides.

Nothing is invented. Each ledger of the arrangement closes when a ledger of the timing tape closed. It holds what one
ledger of the quiet tape held and, as the tide rises, a run of neighbouring amounts from one ledger of a busy tape. Only
the sequence numbers are new; a fixed random seed decides which run comes when. A command of its own.

    python -m appliance.ledger.tape.arrange --busy A.tape B.tape --quiet C.tape --timing D.tape -o wind.jsonl.gz
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

from appliance.ledger.tape import Header, Line, TapeWriter, open_tape
from appliance.values import Amount, Ledger

PASSES = 4  # times through the timing tape; four times 39 minutes
TIDES = 6  # in all; a whole number, so that the end meets the beginning
BEGIN = 0.2  # of a tide: already rising when the box starts
FLOOD = 45  # amounts of a ledger of mean size at high tide; more would not be played
SEED = 2018  # the year of the first Stellar Wind

ABOUT = (
    "An arrangement of real ledgers: amounts, kinds and times only. Public network: 11 ledgers of 2020-07-28 and one "
    "of 2024-09-02; test network: ledgers of 2025-06-18; ledger times and sizes: 406 ledgers of the public network of "
    "2024-08-07, four times over. The public amounts come and go as a tide with six floods, in runs of neighbours; "
    "between the floods the test network is heard alone. Sequence numbers are the arrangement's own."
)


def _ledgers(path: Path) -> list[Ledger]:
    return [line.entry for line in open_tape(path) if isinstance(line.entry, Ledger)]


def arrange(busy: list[Ledger], quiet: list[Ledger], timing: list[Ledger]) -> Iterator[Line]:
    """The arrangement's lines."""
    rng = Random(SEED)
    gaps = [after.closed_at - before.closed_at for before, after in pairwise(timing)]
    gaps.append(round(mean(gaps)))  # from the last ledger to the first of the next pass
    usual = mean(ledger.operations for ledger in timing)
    count, seconds = len(timing) * PASSES, 0.0
    for index in range(count):
        timed, calm = timing[index % len(timing)], quiet[index % len(quiet)]
        tide = 0.5 - 0.5 * math.cos(2 * math.pi * (TIDES * index / count + BEGIN))
        run = _run(rng, busy, round(FLOOD * tide * timed.operations / usual))
        found = (*run, *calm.amounts)
        seconds += gaps[index % len(gaps)]
        yield Line(
            seconds,
            Ledger(
                sequence=index + 1,
                closed_at=timing[0].closed_at + round(seconds),
                operations=round(tide * timed.operations) + calm.operations,
                succeeded=round(tide * timed.succeeded) + calm.succeeded,
                failed=round(tide * timed.failed) + calm.failed,
                amounts=tuple(Amount(a.stroops, a.kind, a.native, index + 1) for a in found),
            ),
        )


def _run(rng: Random, ledgers: list[Ledger], length: int) -> tuple[Amount, ...]:
    """Neighbouring amounts of one of the ledgers, chosen with a probability in proportion to its length."""
    (chosen,) = rng.choices(ledgers, [len(ledger.amounts) for ledger in ledgers])
    start = rng.randrange(max(1, len(chosen.amounts) - length))
    return chosen.amounts[start : start + length]


def main() -> None:
    """Arrange the tapes that the command line names."""
    parser = argparse.ArgumentParser(description="Make the bundled recording from recorded tapes.")
    parser.add_argument("--busy", type=Path, nargs="+", required=True)
    parser.add_argument("--quiet", type=Path, required=True)
    parser.add_argument("--timing", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    busy = [ledger for path in arguments.busy for ledger in _ledgers(path)]
    with TapeWriter(arguments.output, Header("recording", ABOUT), compress=True) as tape:
        for line in arrange(busy, _ledgers(arguments.quiet), _ledgers(arguments.timing)):
            tape.write(line)


if __name__ == "__main__":
    main()
