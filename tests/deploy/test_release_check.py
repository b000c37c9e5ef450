# SPDX-License-Identifier: Apache-2.0
"""`make release-check` in a small project: what counts as passed, and that a check that was cut off goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.machine import ROOT

CHECK = ROOT / "deploy" / "release" / "check.py"
# Each target notes that it ran. `image` makes the list that two builds are compared by.
MAKEFILE = """
check image-test image-test-raspi3b nspawn-test ansible-test soak bench:
\t@echo $@ >>build/ran
\t@cat answers/$@ 2>/dev/null || echo '3 passed in 1.00s'
\t@sh -e answers/$@.sh
image:
\t@echo $@ >>build/ran
\t@mkdir -p build/image && cp answers/list build/image/manifest.txt && sh -e answers/$@.sh
"""
LANES = [
    "check", "image", "image", "image-test", "image-test-raspi3b", "nspawn-test", "ansible-test", "soak", "bench",
]  # fmt: skip

pytestmark = pytest.mark.process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / ".gitignore").write_text("build\nanswers\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "list").write_text("every file\n")
    for name in LANES:
        (tmp_path / "answers" / f"{name}.sh").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    commit(tmp_path)
    return tmp_path


def git(project: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=project, check=True)


def commit(project: Path) -> None:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    git(project, *who, "commit", "--quiet", "--allow-empty", "--message", "one")


def check(project: Path) -> tuple[int, str]:
    """The exit code of a check, and what it printed."""
    done = subprocess.run([sys.executable, CHECK], cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def ran(project: Path) -> list[str]:
    """The targets that ran since the last call."""
    file = project / "build" / "ran"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_every_lane_runs_once_for_a_commit(project: Path) -> None:
    (project / "answers" / "check").write_text(
        "SKIPPED tests/x.py::test_far[1] - Skipped: no KiCad here\n10 passed, 1 skipped in 2.00s\n"
        "DRC                          skipped  there is no kicad-cli\n===== 4 passed in 1.00s =====\n"
    )
    code, said = check(project)
    assert code == 0, said
    assert ran(project) == LANES
    row = next(line for line in said.splitlines() if line.startswith("| check "))
    assert row.split(" | ")[3:] == ["14", "2 |"]
    assert "- tests/x.py::test_far[1]: no KiCad here\n" in said
    assert "- DRC: there is no kicad-cli\n" in said

    assert check(project)[0] == 0
    assert ran(project) == []
    commit(project)
    assert check(project)[0] == 0
    assert ran(project) == LANES


def test_it_goes_on_with_the_lane_that_failed(project: Path) -> None:
    failing = project / "answers" / "nspawn-test.sh"
    failing.write_text("echo it broke; exit 1")
    code, said = check(project)
    assert (code, "it broke" in said) == (1, True)
    assert "| soak | `make soak` | | not passed | |" in said
    assert ran(project)[-1] == "nspawn-test"
    failing.write_text("")
    assert check(project)[0] == 0
    assert ran(project) == ["nspawn-test", "ansible-test", "soak", "bench"]


def test_two_images_with_different_lists_do_not_pass(project: Path) -> None:
    (project / "answers" / "image.sh").write_text("date +%N >>build/image/manifest.txt")
    assert check(project)[0] == 1
    assert ran(project) == ["check", "image", "image"]


def test_an_image_that_is_not_of_this_commit_is_not_tested(project: Path) -> None:
    (project / "answers" / "image-test.sh").write_text("exit 1")
    assert check(project)[0] == 1
    ran(project)
    (project / "answers" / "image-test.sh").write_text("")
    (project / "build" / "image" / "manifest.txt").write_text("another one\n")
    assert check(project)[0] == 1
    assert ran(project) == []


@pytest.mark.parametrize(
    "said", ["9 skipped in 0.10s", "no tests ran in 0.01s", "2 skipped, 1 deselected in 1.31s"]
)
def test_a_lane_that_skips_all_of_its_tests_does_not_pass(project: Path, said: str) -> None:
    (project / "answers" / "ansible-test").write_text(f"{said}\n")
    assert check(project)[0] == 1
    assert ran(project)[-1] == "ansible-test"


def test_a_tree_that_is_not_committed_is_refused(project: Path) -> None:
    (project / "new").write_text("")
    code, said = check(project)
    assert (code, "?? new" in said) == (2, True)
    assert ran(project) == []


def test_a_lane_does_not_count_if_a_file_changes_during_it(project: Path) -> None:
    (project / "answers" / "soak.sh").write_text("touch new")
    assert check(project)[0] == 1
    assert ran(project)[-1] == "soak"
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project, text=True).strip()
    kept = project / "build" / "release-check" / head
    assert (kept / "ansible-test.json").exists()
    assert not (kept / "soak.json").exists()
    assert json.loads((kept / "ansible-test.json").read_text())["passed"] == 3
