# SPDX-License-Identifier: Apache-2.0
"""Where the box's own engine spends its time: by stage of the patch, and by class of pyo's objects.

The one rule: a stage's cost is the difference between two runs that differ in that stage only; the classes come from
samples that perf takes of pyo's own functions, which are named after them. One synth a process, so each run is one.

    python -m benchmarks.engines.parts pads 16     one stage, in this process: microseconds a block as JSON
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from appliance.sound import SAMPLE_RATE
from appliance.sound.synth import Synth
from appliance.values import Note, NoteEvent, Voice
from benchmarks.engines.box import BLOCK
from benchmarks.engines.dense import BED, CHORDS, DEGREES

RUNS = 5
SETTLE, MEASURE = 3.0, 15.0  # s of audio
HELD = 1000.0  # s; a note that never ends, so that a run has one state
STAGES = ("bus", "pads", "leads")  # each with everything before it
PROFILED = 60.0  # s of audio under perf


def stages(voices: int) -> dict[str, float]:
    """Microseconds of CPU a block: the bus alone, what twelve bed voices add, what one lead adds."""
    jobs = [stage for stage in STAGES for _ in range(RUNS)]
    random.Random(1).shuffle(jobs)
    taken: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for stage in jobs:
        command = [sys.executable, "-m", __name__, stage, str(voices)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
        taken[stage].append(float(json.loads(answer)))
    bus, pads, leads = (median(taken[stage]) for stage in STAGES)
    return {
        "bus, wind and reverb, no note": bus,
        "ten pads and two drones": pads - bus,
        f"{voices} leads": leads - pads,
        "one lead": (leads - pads) / voices,
        "all": leads,
    }


def classes(voices: int) -> dict[str, float] | None:
    """Microseconds of CPU a block by who computes them, dearest first; None without perf."""
    if (perf := shutil.which("perf")) is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "samples"
        # -k mono: perf's clock is then the one that the measured process reads.
        record = [perf, "record", "-q", "-e", "cpu-clock", "-F", "5000", "-k", "mono", "-o", str(data), "--"]
        child = [sys.executable, "-m", "benchmarks.engines.box", "dense", str(voices), str(PROFILED)]
        answer = subprocess.run([*record, *child], check=True, capture_output=True, text=True).stdout  # noqa: S603 - found above
        figures = json.loads(answer)
        script = [perf, "script", "-i", str(data), "-F", "time,ip,sym,dso"]
        samples = subprocess.run(script, check=True, capture_output=True, text=True).stdout  # noqa: S603 - found above
    owners = Counter(_owners(samples, figures["begun"]))
    blocks = figures["audio"] * SAMPLE_RATE / BLOCK
    share = figures["cpu"] * 1e6 / blocks / owners.total()
    return {owner: count * share for owner, count in owners.most_common()}


def _owners(samples: str, begun: float) -> Iterator[str]:
    # A line is "  5731.204988:  7f3a ButLP_filters_a (/path/_pyo.so)".
    for line in samples.splitlines():
        stamp, _, rest = line.strip().partition(": ")
        if float(stamp) >= begun:
            symbol, library = rest.split()[1], Path(rest.rpartition("(")[2].rstrip(")")).name
            # pyo's functions are CLASS_what.
            yield symbol.partition("_")[0] if library.startswith("_pyo") else f"({library.partition('-')[0]})"


def main(stage: str, voices: int) -> None:
    """Play one state of the synth, and print its microseconds a block."""
    synth = Synth(block=BLOCK, voices=voices, seed=1)
    synth.volume(1.0)
    synth.fade(1.0, 0.1)
    notes: list[Note] = []
    if stage != "bus":
        notes += [Note(pitch, 0.6, HELD, Voice.PAD) for chord in CHORDS for pitch in (*chord[1:], 72)]
        notes += [Note(chord[0], 0.6, HELD, Voice.DRONE) for chord in CHORDS]
    if stage == "leads":
        notes += [
            Note(48 + DEGREES[n % 6] + 12 * (n % 3), 0.5, HELD, Voice.MURMUR, pan=n % 3 - 1)
            for n in range(voices)
        ]
    for note in notes:
        synth.play(NoteEvent(note, 0.0, 0.0, HELD))
    synth.follow(BED)
    begun = 0.0
    settled, blocks = (round(seconds * SAMPLE_RATE / BLOCK) for seconds in (SETTLE, SETTLE + MEASURE))
    for index in range(blocks):
        if index == settled:
            begun = time.process_time()
        synth.compute(index * BLOCK / SAMPLE_RATE)
    print(json.dumps((time.process_time() - begun) * 1e6 / (blocks - settled)))
    synth.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
