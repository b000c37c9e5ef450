# SPDX-License-Identifier: Apache-2.0
"""What the doctor can ask a computer: real files, and real programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.doctor import machine
from tests.doctor.patient import patient


def test_files_are_read_below_the_root_and_a_missing_one_is_nothing(tmp_path: Path) -> None:
    it = patient(tmp_path, {"/a/b1": " text\0\n", "/a/b0": "0x10\n"})
    assert (it.read("/a/b1"), it.read("/a/c"), it.read("/a")) == ("text", "", "")
    assert (it.number("/a/b0"), it.number("/a/b1"), it.number("/a/c")) == (16, None, None)
    assert it.find("/a/b*") == ["/a/b0", "/a/b1"]
    assert (it.has("/a"), it.has("/b")) == (True, False)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ((sys.executable, "-c", "print('here')"), "here"),
        ((sys.executable, "-c", "raise SystemExit(3)"), None),
        (("no-such-program",), None),
    ],
)
def test_programs_answer_or_are_nothing(words: tuple[str, ...], answer: str | None) -> None:
    assert machine.ask(words, patience=60.0) == answer


def test_a_program_that_hangs_is_nothing() -> None:
    assert machine.ask((sys.executable, "-c", "import time; time.sleep(60)"), patience=0.05) is None


def test_the_space_of_a_disk_is_told_for_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    left = machine.space(tmp_path / "a/b/c")
    assert left
    assert left.writable
    assert left.free > 0
    assert machine.space(tmp_path / ("x" * 300)) is None  # longer than a name may be
