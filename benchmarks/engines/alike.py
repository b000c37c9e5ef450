# SPDX-License-Identifier: Apache-2.0
"""Whether the twins sound as the box does: loudness and octave bands of the same piece, beside each other.

Needs csound, scsynth and sclang of this computer (Debian's csound, supercollider-server, supercollider-language).

    python -m benchmarks.engines.alike public 60 [folder for the three sounds]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
from scipy.signal import welch

from appliance.sound import SAMPLE_RATE
from benchmarks.engines import board, box
from benchmarks.engines.twin import piece
from benchmarks.measure import Figure, Samples, table

SKIPPED = 10  # s at the beginning: the box fades in
OCTAVES = (63, 125, 250, 500, 1000, 2000, 4000)  # Hz, middles
FAINT = -55.0  # dBFS; a band below it is not compared
LOUDNESS, LEVEL = 1.0, 2.0  # LU and dB by which a twin can differ


def sounds(what: str, seconds: int) -> dict[str, Samples]:
    """What each engine makes of a piece, by its name; the box first."""
    blocks: list[Samples] = []
    box.perform(
        box.part(what, board.POOL, seconds),
        board.POOL,
        seconds,
        lambda block: blocks.append(block.samples.astype(np.float64)),
    )
    made = {"the box": np.concatenate(blocks)}
    played = piece(what, board.POOL, seconds)
    with tempfile.TemporaryDirectory() as folder:
        for twin in board.TWINS:
            file = Path(folder) / f"{twin.NAME}.wav"
            twin.run(played, seconds, box.BLOCK, _quietly, file)
            made[twin.NAME] = soundfile.read(file)[0]
    return made


def compared(of_each: dict[str, Samples]) -> list[Figure]:
    """By how much each twin differs from the box."""
    ours, *twins = (_levels(samples) for samples in of_each.values())
    figures = [Figure(f"the box: {what}", level, unit="dB") for what, level in ours.items()]
    for name, theirs in zip(list(of_each)[1:], twins, strict=True):
        for what, level in theirs.items():
            most = LOUDNESS if what == "loudness" else LEVEL
            low, high = (-most, most) if max(level, ours[what]) > FAINT else (None, None)
            figures.append(Figure(f"{name} - the box: {what}", level - ours[what], low, high, "dB"))
    return figures


def _levels(samples: Samples) -> dict[str, float]:
    heard = samples[SKIPPED * SAMPLE_RATE :]
    levels = {"loudness": float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(heard))}
    frequencies, density = welch(heard, SAMPLE_RATE, nperseg=8192, axis=0)
    power = density.mean(axis=1) * frequencies[1]
    for middle in OCTAVES:
        of_band = power[(frequencies >= middle / 2**0.5) & (frequencies < middle * 2**0.5)].sum()
        levels[f"{middle} Hz"] = 10 * float(np.log10(of_band + 1e-20))
    return levels


def _quietly(command: Sequence[str]) -> float:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603 - as installed
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}")
    return 0.0


def main(what: str, seconds: int, folder: str = "") -> int:
    """Compare, print the table, and return 1 if a twin differs by too much."""
    of_each = sounds(what, seconds)
    for name, samples in of_each.items() if folder else ():
        soundfile.write(Path(folder) / f"{name.replace(' ', '-')}.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    figures = compared(of_each)
    print(table(f"{seconds} s of `{what}`", figures))
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
