# SPDX-License-Identifier: Apache-2.0
"""The twin in csound: Debian's package csound, double precision, rendered to nowhere.

The orchestra is wind.orc, unchanged; only rate, block and score are written here. One process a run.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TABLE_SIZE
from benchmarks.engines.twin import TABLES, measured, tones

NAME = "csound"
PATCH = Path(__file__).with_name("wind.orc")


def missing() -> str:
    """What has to be installed first; empty if nothing."""
    return "" if shutil.which("csound") else "csound"


def run(voices: int, seconds: float, block: int) -> float:
    """CPU seconds of the dense score for so many voices, with the start."""
    with tempfile.TemporaryDirectory() as folder:
        orchestra, score = Path(folder) / "wind.orc", Path(folder) / "wind.sco"
        orchestra.write_text(f"sr = {SAMPLE_RATE}\nksmps = {block}\n{PATCH.read_text(encoding='utf-8')}")
        score.write_text(_score(voices, seconds))
        return measured(["csound", "-n", "-d", "-m0", str(orchestra), str(score)])


def _score(voices: int, seconds: float) -> str:
    leads, bed = tones(voices, seconds)
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
