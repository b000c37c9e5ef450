# SPDX-License-Identifier: Apache-2.0
"""What a block costs a board that takes in a large ledger: aarch64 instructions of the composition, block by block.

python -m benchmarks.engines.intake              the costliest and the median block of each scene
python -m benchmarks.engines.intake wind 1000    what the guest (guest.py) runs: a mark before each block
"""

from __future__ import annotations

import gc
import os
import sys
from random import Random
from statistics import median

from appliance.music.composer import Composer
from appliance.music.composition import Composition
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.sound import SAMPLE_RATE
from appliance.values import Controls
from benchmarks.engines import busy, guest
from benchmarks.engines.box import BLOCK, WARM

AMOUNTS = {
    busy.OPERATIONS: 2.0,
    10 * busy.OPERATIONS: None,
}  # of a ledger; million instructions of a block at most
CLOSES = (100, 900)  # blocks with which a ledger comes
BLOCKS = 1200
SEQUENCE = 1000  # of the first ledger


def blocks(scene: str, amounts: int) -> None:
    """Compose BLOCKS blocks, with a ledger of so many amounts at each of CLOSES."""
    random = Random(1)
    warm = busy.ledger(SEQUENCE, random, WARM).amounts
    coming = {block: busy.ledger(block, random, amounts) for block in CLOSES}
    block = -1
    composer = Composer(SCENES[scene], Scale("wind", 0), Random(1), warm)
    composition = Composition(composer, lambda _: filter(None, [coming.get(block)]), SAMPLE_RATE)
    controls = Controls(0.7, 60.0, "public", scene=scene)
    gc.collect()
    gc.freeze()  # as the box does
    for block in range(BLOCKS):  # noqa: B007 - the ledgers are those of the block
        os.getppid()  # count.c writes its count
        composition.passage(BLOCK, controls)
    os.getppid()


def main() -> None:
    """Count, and print the table."""
    from benchmarks.measure import Figure, table  # with scipy, which the guest lacks

    if missing := guest.missing():
        print(f"Skipped instructions: install {missing}.")
        return
    figures = []
    for scene in SCENES:
        for amounts, most in AMOUNTS.items():
            counts = [count / 1e6 for count in guest.spans("benchmarks.engines.intake", scene, amounts)]
            of_each = f"{scene}, {amounts} amounts"
            figures += [
                Figure(f"{of_each}: costliest block", max(counts), high=most, unit="M"),
                Figure(f"{of_each}: median block", median(counts), unit="M"),
            ]
    print(table("A block that takes in a ledger, aarch64 instructions", figures))


if __name__ == "__main__":
    if sys.argv[1:]:
        blocks(sys.argv[1], int(sys.argv[2]))
    else:
        main()
