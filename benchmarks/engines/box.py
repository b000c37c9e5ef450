# SPDX-License-Identifier: Apache-2.0
"""The box's own engine, measured in a process of its own: one synth a process, and its memory is its own too.

It counts what a board would have to do for the sound (Python, pyo, numpy) and nothing else: no file, no card, no
import. It needs only numpy and pyo, so that it also runs where the settings' libraries are absent.

    python -m benchmarks.engines.box dense 16 40        a pool of 16, 40 s of the fixed score
    python -m benchmarks.engines.box recording 16 600   the bundled recording, scene wind, seed 1
    python -m benchmarks.engines.box public 16 600      a tape of benchmarks.tapes; needs the settings' libraries
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from random import Random

from appliance.ledger.tape import Line, TapePlayer, bundled
from appliance.music.composer import Composer
from appliance.music.composition import Composition
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.performance import Block, Observer, Performance
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import Part, Performer
from appliance.sound.synth import Synth
from appliance.values import Controls, Ledger
from benchmarks.engines.dense import Dense
from benchmarks.processes import resident

BLOCK = 512  # frames; the box's default
CONTROLS = Controls(1.0, 60.0, "public")  # the tempo is the box's default
SEED = 2  # of the synth: one more than the settings', which is 1
WARM = 2000  # amounts, as in appliance.parts
FULL = 4.0  # s after which every voice of the dense score has begun


def recording() -> Composition:
    """What the box plays without a network."""
    return _composed(bundled().__iter__)


def part(what: str, voices: int, seconds: float) -> Part:
    """What is played: `dense`, `recording`, or the name of a tape."""
    if what == "dense":
        return Dense(voices, seconds)
    if what == "recording":
        return recording()
    from benchmarks.tapes import TAPES  # with the libraries of the listener

    return _composed(TAPES[what](seconds).__iter__)


def _composed(lines: Callable[[], Iterator[Line]]) -> Composition:
    amounts = (line.entry.amounts for line in bundled() if isinstance(line.entry, Ledger))
    warm = islice((amount for of_ledger in amounts for amount in of_ledger), WARM)
    composer = Composer(SCENES["wind"], Scale("wind", 0), Random(1), warm)
    return Composition(composer, TapePlayer(lines).until, SAMPLE_RATE)


def perform(part: Part, voices: int, seconds: float, *observers: Observer) -> None:
    """Play a part; the sound is computed and dropped."""
    with closing(Synth(block=BLOCK, voices=voices, seed=SEED)) as synth:
        Performance(Performer(part, synth), Discard(), lambda: CONTROLS, observers).play(seconds)


def main(what: str, voices: int, seconds: float) -> None:
    """Play, and print what it took as one line of JSON. In board's guest, the seconds are marked for count.c."""
    skipped = FULL if what == "dense" else 0.0
    begun = time.process_time()
    marked = 0

    def observe(block: Block) -> None:
        nonlocal begun, marked
        if block.passage.seconds < skipped + marked:
            return
        if not marked:
            begun = time.process_time()
        marked += 1
        os.getppid()  # count.c writes its count

    perform(part(what, voices, seconds), voices, seconds, observe)
    os.getppid()
    figures = {
        "cpu": time.process_time() - begun,
        "audio": seconds - skipped,
        "resident": resident(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
