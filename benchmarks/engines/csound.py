# SPDX-License-Identifier: Apache-2.0
"""The twin in csound: double precision, rendered to nowhere.

The orchestra is wind.orc, unchanged; only rate, block and score are written here. One process a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TABLE_SIZE
from appliance.values import NoteEvent
from benchmarks.engines.twin import TABLES, Cost, tones

NAME = "csound"
PATCH = Path(__file__).with_name("wind.orc")


def run(score: Sequence[NoteEvent], seconds: float, block: int, cost: Cost) -> float:
    """What so many seconds of a score cost, with the start."""
    with tempfile.TemporaryDirectory() as folder:
        orchestra, notes = Path(folder) / "wind.orc", Path(folder) / "wind.sco"
        orchestra.write_text(f"sr = {SAMPLE_RATE}\nksmps = {block}\n{PATCH.read_text(encoding='utf-8')}")
        notes.write_text(_score(score, seconds))
        return cost(["csound", "-n", "-d", "-m0", str(orchestra), str(notes)])


def _score(score: Sequence[NoteEvent], seconds: float) -> str:
    leads, bed = tones(score, seconds)
    lines = [
        f"f {number + 1} 0 {TABLE_SIZE} 10 {' '.join(map(str, partials))}"
        for number, partials in enumerate(TABLES)
    ]
    lines += [f"f 99 0 {TABLE_SIZE} 10 1", "f 100 0 524288 21 1", f"i 99 0 {seconds}"]
    for instrument, notes in ((1, leads), (3, [note.edge_alone() for note in leads]), (2, bed)):
        for note in notes:
            # csound plays until the last note has ended, so none must outlast the piece.
            cut = replace(note, lasts=min(note.lasts, seconds - note.begins))
            lines.append(f"i {instrument} {' '.join(f'{number:.6g}' for number in cut.numbers)}")
    return "\n".join([*lines, "e", ""])
