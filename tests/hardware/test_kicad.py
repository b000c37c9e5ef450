# SPDX-License-Identifier: Apache-2.0
"""What makers edit in KiCad: it was checked as it is, and nothing but KiCad writes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hardware.tools import check, kicad
from hardware.tools.sexpr import HARDWARE, parse

PROJECT = HARDWARE.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the tools read."""
    shutil.copytree(HARDWARE, tmp_path / "hardware", ignore=shutil.ignore_patterns("build", "__pycache__"))
    shutil.copytree(
        PROJECT / "appliance", tmp_path / "appliance", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def moved(project: Path) -> str:
    """Move a track of ground, which lies in a pour of ground, by a hundredth of a millimetre."""
    board = project / "hardware/kicad/panel.kicad_pcb"
    source = board.read_text(encoding="utf-8")
    ground = re.search(r'\(net (\d+) "GND"\)', source)
    assert ground
    track = re.search(
        rf"\(segment\s+\(start (\S+) (\S+)\)\s+\(end \S+ \S+\)\s+\(width \S+\)\s+\(layer \S+\)\s+\(net {ground[1]}\)",
        source,
    )
    assert track
    x = f"{float(track[1]) + 0.01:.4f}".rstrip("0")
    source = source.replace(track[0], track[0].replace(f"(start {track[1]} ", f"(start {x} "), 1)
    board.write_text(source, encoding="utf-8")
    return source


def test_kicad_has_checked_each_file_as_it_is() -> None:
    assert kicad.stale() == []


def test_a_file_that_changes_after_the_check_is_named(project: Path) -> None:
    moved(project)
    (fault,) = kicad.stale(project / "hardware/kicad")
    assert "panel.kicad_pcb" in fault
    (project / "hardware/kicad/panel.kicad_dru").unlink()
    assert len(kicad.stale(project / "hardware/kicad")) == 2


def test_each_check_finds_nothing() -> None:
    assert [fault for _, found in check.faults() for fault in found] == []


@pytest.mark.process
def test_the_papers_are_made_without_a_change_to_the_sources(project: Path) -> None:
    source = moved(project)
    before = kicad.checksums(project / "hardware/kicad")
    subprocess.run([sys.executable, "-m", "hardware.tools.papers"], cwd=project, check=True)
    assert kicad.checksums(project / "hardware/kicad") == before
    assert (project / "hardware/kicad/panel.kicad_pcb").read_text(encoding="utf-8") == source


@pytest.mark.process
def test_no_recipe_names_the_sources_as_its_target() -> None:
    # They are opened by tools/kicad.py alone, which copies them; recipes name the copy.
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "-f", "hardware/Makefile"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hardware/build/kicad/panel.kicad_pcb" in done.stdout
    assert "hardware/kicad" not in done.stdout


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(kicad.command() is None, reason=kicad.MISSING)
def test_a_track_that_is_moved_survives_make_hardware_and_is_made(project: Path) -> None:
    words = [
        "make",
        "-f",
        "hardware/Makefile",
        f"BIN={Path(sys.executable).parent}",
        "--old-file=tools",
        "maker",
    ]
    subprocess.run(words, cwd=project, check=True)
    layers = ("panel-F_Cu.gtl", "panel-B_Cu.gbl")
    before = [made(project / "hardware/build/gerbers" / layer) for layer in layers]
    source = moved(project)
    subprocess.run(words, cwd=project, check=True)
    assert (project / "hardware/kicad/panel.kicad_pcb").read_text(encoding="utf-8") == source
    assert [made(project / "hardware/build/gerbers" / layer) for layer in layers] != before


def made(gerber: Path) -> list[str]:
    """The strokes of a layer, without its date."""
    return [line for line in gerber.read_text(encoding="utf-8").splitlines() if re.match(r"[XY]-?\d", line)]


@pytest.mark.parametrize("source", ["(a", "a)", "(a) (b)", "a", ""])
def test_a_file_that_is_not_one_list_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"open|opened"):
        parse(source)
