# SPDX-License-Identifier: Apache-2.0
"""The soak finds what it looks for: each kind of fault is planted and must be reported."""

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
from appliance.values import Controls, Voice
from benchmarks.soak.watch import Ear, Log, Writes

pytestmark = pytest.mark.slow

BLOCK = 480  # frames, 10 ms
UNMUTED = Controls(1.0, 60.0, "public")


def soak(*words: str, hours: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "benchmarks.soak", "--seed", "1", "--hours", str(hours), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_a_healthy_box_passes() -> None:
    code, report = soak(hours=0.08)
    assert "!" not in report, report
    assert code == 0, report


def test_a_planted_leak_is_found() -> None:
    code, report = soak("--plant", "leak=16384", hours=0.08)
    assert re.search(r"! memory .* r² (0\.9|1\.0)", report), report
    assert code == 1


def test_a_planted_silence_is_found() -> None:
    code, report = soak("--plant", "silence", hours=0.03)
    assert code == 1
    assert re.search(r"! .* -55 dBFS.* 4\d\.", report), report


@pytest.mark.parametrize(("plant", "where"), [("hang", "in _check"), ("deaf", "in _watch")])
def test_a_planted_hang_is_found(plant: str, where: str) -> None:
    code, report = soak("--plant", plant, "--patience", "15", hours=0.03)
    assert code == 1
    assert "Timeout (0:00:15)!" in report
    assert where in report


# --- the checks ---------------------------------------------------------------------------------------------


def play(ear: Ear, level: float, seconds: float, start: float, controls: Controls = UNMUTED) -> float:
    block = np.full((BLOCK, 2), level, dtype=np.float32)
    for index in range(round(seconds * SAMPLE_RATE / BLOCK)):
        ear.check(block, start + index * BLOCK / SAMPLE_RATE, controls)
    return start + seconds


def test_the_longest_silence_is_reported_with_its_beginning() -> None:
    ear = Ear()
    now = play(ear, 0.1, 10.0, 0.0)
    now = play(ear, 0.001, 0.7, now)  # -60 dBFS
    now = play(ear, 0.1, 1.0, now)
    play(ear, 0.0, 2.0, now)
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
def test_a_silence_that_the_user_chose_is_none(controls: Controls) -> None:
    ear = Ear()
    now = play(ear, 0.1, 10.0, 0.0)
    now = play(ear, 0.0, 60.0, now, controls)
    play(ear, 0.1, 1.0, now)
    assert ear.gap < 0.02


def test_a_lower_volume_lowers_the_floor() -> None:
    ear = Ear()
    play(ear, 0.0005, 20.0, 0.0, Controls(0.5, 60.0, "public"))  # -66 dBFS, at -24 dB
    assert ear.gap < 0.02
    play(ear, 0.0001, 20.0, 20.0, Controls(0.5, 60.0, "public"))  # -80 dBFS
    assert ear.gap == pytest.approx(20.0)


def test_notes_peaks_and_broken_blocks_are_counted() -> None:
    ear = Ear()
    block = np.zeros((BLOCK, 2), dtype=np.float32)
    block[7, 1] = -0.5
    ear.note(Voice.BELL.value, 0.0)
    ear.note(Voice.PAD.value, 0.0)
    ear.check(block, 0.0, UNMUTED)
    block[8, 0] = np.inf
    ear.note(Voice.PAD.value, 5.0)
    ear.check(block, 5.0, UNMUTED)
    assert (ear.notes, ear.broken) == (1, 1)
    assert ear.rest == pytest.approx(5.01)
    assert ear.peak == np.inf


def test_the_log_is_rate_limited_by_its_own_clock() -> None:
    file = StringIO()
    log = Log(file)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "Again.", None, None)
    for seconds in range(120):
        log.seconds = seconds
        log.emit(record)
    assert file.getvalue().count("\n") == 21  # ten a minute, and the summary of the first
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
