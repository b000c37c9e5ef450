# SPDX-License-Identifier: Apache-2.0
"""The twin in csound: double precision, rendered to nowhere or to a file.

The orchestra is wind.orc, unchanged; only rate, block, numbers and score are written here. One process a run.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TABLE_SIZE
from benchmarks.engines.twin import NUMBERS, TABLES, Cost, Piece, noises, tones

NAME = "csound"
PATCH = Path(__file__).with_name("wind.orc")
INSTRUMENTS = {"lead": 1, "edge": 2, "pad": 3, "drone": 4}
BED, LEDGER, BUS = 5, 6, 99
SINE, NOISE = 99, 100  # tables


def run(played: Piece, seconds: float, block: int, cost: Cost, file: Path | None = None) -> float:
    """What so many seconds of a piece cost, with the start. `file` is written, if there is one."""
    with tempfile.TemporaryDirectory() as folder:
        orchestra, notes = Path(folder) / "wind.orc", Path(folder) / "wind.sco"
        numbers = "\n".join(f"gi_{name} = {number!r}" for name, number in NUMBERS.items())
        patch = PATCH.read_text(encoding="utf-8")
        orchestra.write_text(
            f"sr = {SAMPLE_RATE}\nksmps = {block}\nnchnls = 2\n0dbfs = 1\n{numbers}\n{patch}"
        )
        notes.write_text(_score(played, seconds, noises(Path(folder))))
        to = ["-W", "-f", "-o", str(file)] if file else ["-n"]
        return cost(["csound", *to, "-d", "-m0", str(orchestra), str(notes)])


def _score(played: Piece, seconds: float, noise: list[Path]) -> str:
    # A negative generator does not scale a table to a peak of 1.
    lines = [
        f"f {number + 1} 0 {TABLE_SIZE} -10 {' '.join(map(str, partials))}"
        for number, partials in enumerate(TABLES)
    ]
    lines.append(f"f {SINE} 0 {TABLE_SIZE} 10 1")
    lines += [
        f'f {NOISE + number} 0 {NUMBERS[path.stem + "_size"]} -1 "{path}" 0 0 0'
        for number, path in enumerate(noise)
    ]
    lines.append(f"i {BUS} 0 {seconds}")
    lines += [
        f"i {BED} {begins:.6g} 0.01 {bed.brightness} {bed.wind} {bed.space} {bed.air}"
        for begins, bed in played.beds
        if begins < seconds - 1
    ]
    lines += [f"i {LEDGER} {begins:.6g} 0.01" for begins in played.ledgers if begins < seconds - 1]
    for kind, notes in tones(played, seconds).items():
        for note in notes:
            # csound plays until the last note has ended, so none must outlast the piece.
            cut = replace(note, lasts=min(note.lasts, seconds - note.begins))
            lines.append(f"i {INSTRUMENTS[kind]} {' '.join(f'{number:.6g}' for number in cut.numbers)}")
    return "\n".join([*lines, "e", ""])
