# SPDX-License-Identifier: Apache-2.0
"""The encoder, as the unit confines it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.page.encoder import FORMATS, Encoder

# PR_SET_MDWE (prctl(2), Linux 6.3) denies this process what MemoryDenyWriteExecute= denies the unit.
CONFINED = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
from appliance.page.encoder import Encoder
sys.stdout.buffer.write(Encoder(sys.argv[1]).silence(1.0))
"""
BEGINNING = {"mp3": b"\xff\xfb", "flac": b"fLaC"}


@pytest.mark.process
@pytest.mark.parametrize("form", FORMATS)
def test_it_works_without_memory_that_is_writable_and_executable(form: str) -> None:
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-c", CONFINED, form]
    run = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if run.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.startswith(BEGINNING[form])


@pytest.mark.parametrize("form", FORMATS)
def test_bytes_come_as_the_sound_goes_on(form: str) -> None:
    encoder = Encoder(form)
    sizes = [len(encoder.silence(0.25)) for _ in range(8)]
    encoder.close()
    assert all(sizes)
    assert sum(sizes) > 2 * 16_000  # also of silence, or a player would wait for more
    if form == "mp3":
        assert sum(sizes) == pytest.approx(2 * 160_000 / 8, rel=0.1)
