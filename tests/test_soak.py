# SPDX-License-Identifier: Apache-2.0
"""That the soak finds what it looks for: each kind of fault is planted beside a box, and must be told."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from appliance.sound import SAMPLE_RATE
from appliance.values import Controls, Note, NoteEvent, Voice
from benchmarks.soak.watch import Ear, Log, Writes

BLOCK = 480  # frames, 10 ms
UNMUTED = Controls(1.0, 60.0, "public")


def soak(*words: str, hours: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "benchmarks.soak", "--seed", "1", "--hours", str(hours), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_a_box_that_is_well_passes() -> None:
    code, said = soak(hours=0.08)
    assert "!" not in said, said
    assert code == 0, said


def test_a_planted_leak_is_found() -> None:
    code, said = soak("--plant", "leak=16384", hours=0.08)
    assert re.search(r"! memory grows by [\d,]+ KiB in a million, r² (0\.9|1\.0)", said), said
    assert code == 1


def test_a_planted_silence_is_found() -> None:
    code, said = soak("--plant", "silence", hours=0.03)
    assert code == 1
    assert re.search(r"! longest time below -55 dBFS, not muted +4\d\.", said), said


@pytest.mark.parametrize(("plant", "where"), [("hang", "in _spoil"), ("deaf", "in _watch")])
def test_a_planted_hang_is_found(plant: str, where: str) -> None:
    code, said = soak("--plant", plant, "--patience", "15", hours=0.03)
    assert code == 1
    assert "Timeout (0:00:15)!" in said
    assert where in said


# --- the watch itself ---------------------------------------------------------------------------------------


def hear(ear: Ear, level: float, seconds: float, start: float, controls: Controls = UNMUTED) -> float:
    block = np.full((BLOCK, 2), level, dtype=np.float32)
    for index in range(round(seconds * SAMPLE_RATE / BLOCK)):
        ear.hear(block, [], start + index * BLOCK / SAMPLE_RATE, controls)
    return start + seconds


def test_a_silence_is_as_long_as_it_is_and_stands_where_it_began() -> None:
    ear = Ear()
    now = hear(ear, 0.1, 10.0, 0.0)
    now = hear(ear, 0.001, 0.7, now)  # -60 dBFS
    now = hear(ear, 0.1, 1.0, now)
    hear(ear, 0.0, 2.0, now)
    assert ear.gap == pytest.approx(2.0)
    assert ear.gap_at == pytest.approx(11.7)


@pytest.mark.parametrize(
    "controls",
    [
        Controls(1.0, 60.0, "public", muted=True),
        Controls(1.0, 60.0, "public", dim=0.1),
        Controls(0.1, 60.0, ""),
    ],
)
def test_a_silence_that_was_asked_for_is_none(controls: Controls) -> None:
    ear = Ear()
    now = hear(ear, 0.1, 10.0, 0.0)
    now = hear(ear, 0.0, 60.0, now, controls)
    hear(ear, 0.1, 1.0, now)
    assert ear.gap < 0.02


def test_a_knob_that_is_lower_moves_the_floor() -> None:
    ear = Ear()
    hear(ear, 0.0005, 20.0, 0.0, Controls(0.5, 60.0, "public"))  # -66 dBFS, at -24 dB
    assert ear.gap < 0.02
    hear(ear, 0.0001, 20.0, 20.0, Controls(0.5, 60.0, "public"))  # -80 dBFS
    assert ear.gap == pytest.approx(20.0)


def test_notes_peaks_and_broken_blocks_are_counted() -> None:
    ear = Ear()
    block = np.zeros((BLOCK, 2), dtype=np.float32)
    block[7, 1] = -0.5
    note = NoteEvent(Note(60, 0.5, 1.0, Voice.BELL), 0.0, 0.0, 1.0)
    bed = NoteEvent(Note(60, 0.5, 1.0, Voice.PAD), 0.0, 0.0, 1.0)
    ear.hear(block, [note, bed], 0.0, UNMUTED)
    block[8, 0] = np.inf
    ear.hear(block, [bed], 5.0, UNMUTED)
    assert (ear.notes, ear.broken) == (1, 1)
    assert ear.rest == pytest.approx(5.01)
    assert ear.peak == np.inf


def test_the_log_is_held_back_by_its_own_clock() -> None:
    file = StringIO()
    log = Log(file)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "Again.", None, None)
    for seconds in range(120):
        log.seconds = seconds
        log.emit(record)
    assert file.getvalue().count("\n") == 21  # ten a minute, and what they were in the first
    assert log.bytes == len(file.getvalue())


def test_writes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    writes = Writes(path)
    writes.look()
    for text in ("one", "two"):
        path.write_text(text)
        writes.look()
        writes.look()
    assert writes.count == 2
