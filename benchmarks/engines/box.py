# SPDX-License-Identifier: Apache-2.0
"""The box's own engine, measured in a process of its own: one synth a process, and its memory is its own too.

The one rule: it counts what a board would have to do for the sound (Python, pyo, numpy) and nothing else: no file, no
card, no import. It needs only numpy and pyo, so that it also runs where the settings' libraries are absent.

    python -m benchmarks.engines.box dense 16 40        a pool of 16, 40 s of the fixed score
    python -m benchmarks.engines.box recording 16 600   the bundled recording, scene wind, seed 1
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from appliance.ledger.tape import TapePlayer, bundled
from appliance.music.composer import Composer
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import Performer
from appliance.sound.synth import Synth
from appliance.values import Amount, Controls, Ledger
from benchmarks.engines.dense import BED, dense

BLOCK = 512  # frames; the box's default
TEMPO = 60.0  # beats a minute; the box's default
WARM = 2000  # amounts, as in appliance.render
FULL = 4.0  # s after which every voice of the dense score has begun

Step = Callable[[], None]  # computes one block


def score(voices: int, seconds: float) -> Iterator[Step]:
    """The fixed score, a block at a time."""
    synth = Synth(block=BLOCK, voices=voices, seed=1)
    synth.volume(1.0)
    synth.fade(1.0, 0.1)
    coming = dense(voices, seconds)[::-1]

    blocks = iter(range(round(seconds * SAMPLE_RATE / BLOCK)))

    def step() -> None:
        block = next(blocks)
        begins, ends = block * BLOCK / SAMPLE_RATE, (block + 1) * BLOCK / SAMPLE_RATE
        while coming and coming[-1].seconds < ends:
            synth.play(coming.pop())
        if block % round(SAMPLE_RATE / BLOCK) == 0:  # once a beat, as the performer does
            synth.follow(BED)
        synth.compute(begins)

    for _ in range(round(seconds * SAMPLE_RATE / BLOCK)):
        yield step
    synth.close()


def recording(voices: int, seconds: float) -> Iterator[Step]:
    """What the box plays without a network, a block at a time."""
    amounts = (line.entry.amounts for line in bundled() if isinstance(line.entry, Ledger))
    warm: list[Amount] = list(islice((amount for of_ledger in amounts for amount in of_ledger), WARM))
    synth = Synth(block=BLOCK, voices=voices, seed=2)  # the settings' seed is 1, and the synth's one more
    performer = Performer(Composer(SCENES["wind"], Scale("wind", 0), Random(1), warm), synth)
    player, controls = TapePlayer(bundled().__iter__), Controls(1.0, TEMPO, "public")

    def step() -> None:
        for ledger in player.until(performer.now.seconds):
            performer.composer.queue.put(ledger)
        performer.block(controls)

    for _ in range(round(seconds * SAMPLE_RATE / BLOCK)):
        yield step
    synth.close()


WHAT = {"dense": score, "recording": recording}


def main(what: str, voices: int, seconds: float) -> None:
    """Play, and print what it took as one line of JSON."""
    skipped = FULL if what == "dense" else 0.0
    begun = monotonic = 0.0
    for index, step in enumerate(WHAT[what](voices, seconds)):
        if index == round(skipped * SAMPLE_RATE / BLOCK):
            begun, monotonic = time.process_time(), time.monotonic()
        step()
    cpu = time.process_time() - begun
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    figures = {"cpu": cpu, "audio": seconds - skipped, "resident": resident, "begun": monotonic}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
