# SPDX-License-Identifier: Apache-2.0
"""What the doctor can ask a computer: real files, and real programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from appliance.doctor import machine
from tests.support.patient import patient


def test_files_are_read_below_the_root_and_a_missing_one_is_nothing(tmp_path: Path) -> None:
    it = patient(tmp_path, {"/a/b1": " text\0\n", "/a/b0": "0x10\n"})
    assert (it.read("/a/b1"), it.read("/a/c"), it.read("/a")) == ("text", "", "")
    assert (it.number("/a/b0"), it.number("/a/b1"), it.number("/a/c")) == (16, None, None)
    assert it.find("/a/b*") == ["/a/b0", "/a/b1"]
    assert (it.has("/a"), it.has("/b")) == (True, False)


SOMEBODY = """
import os, sys
from pathlib import Path
from appliance.doctor import CHECKS, PARTS
from appliance.doctor.privacy import private
from appliance.settings import load
from tests.support.patient import patient

root, settings = Path(sys.argv[1]), load({}, {}).settings
machine = patient(root, environ={"HOME": "/srv/x", "XDG_RUNTIME_DIR": f"{root}/run/user/1000"})
os.seteuid(65534)
for check in (check for part in PARTS for check in CHECKS.get(part, ())):
    for finding in check(machine, settings):
        print(finding.check, finding.says)
private(machine, settings)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_what_is_closed_to_who_asks_is_not_there() -> None:
    closed = ("var/lib/stellar-wind", "run/user/1000", "etc/NetworkManager/system-connections")
    with TemporaryDirectory() as root:  # pytest's own folders are all closed
        Path(root).chmod(0o755)
        patient(Path(root), {f"{folder}/state.json.bad": "x" for folder in closed})
        for folder in closed:
            Path(root, folder).chmod(0o700)
        examined = subprocess.run(
            [sys.executable, "-c", SOMEBODY, root], capture_output=True, text=True, check=False
        )
    assert examined.returncode == 0, examined.stderr
    assert "are free where /var/lib/stellar-wind is." in examined.stdout
    assert "put aside" not in examined.stdout


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
