# SPDX-License-Identifier: Apache-2.0
"""The tools of a target are looked for before it begins; here, on a machine that has only some."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.machine import ROOT

NEEDED = ROOT / "deploy" / "needed.sh"
# What the scripts of the build call; all else is of the shell, coreutils, sed, grep, tar, util-linux, dpkg or Python.
CALLED = {
    "deploy/release/root.sh": ["arch-test", "mmdebstrap", "update-binfmts"],
    "deploy/release/release.sh": ["git"],
    "deploy/image/image.sh": ["mcopy", "mkfs.ext4", "mkfs.vfat", "sfdisk", "ssh-keygen", "xz"],
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs: what every Debian has, and a root user."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "tr", "uname"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    program(programs, "id", "echo 0")
    program(programs, "dpkg", "echo amd64")
    return programs


def program(programs: Path, name: str, says: str = "") -> None:
    (programs / name).write_text(f"#!/bin/sh\n{says}\n")
    (programs / name).chmod(0o755)


def needed(machine: Path, *targets: str) -> tuple[int, set[str], set[str]]:
    """The exit code for targets, the tools that are said to be missing, and the packages that bring them."""
    done = subprocess.run(
        ["/bin/sh", str(NEEDED), *targets],
        env={"PATH": str(machine)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = re.search(r"^Missing: (.+)\. Install with: apt-get install (.+)$", done.stderr, re.MULTILINE)
    # A keyring is looked for by its path, so it is this computer's.
    tools = {tool for tool in said[1].split(", ") if not tool.startswith("/")} if said else {done.stderr}
    return done.returncode, tools - {""}, set(said[2].split()) if said else set()


def test_every_missing_tool_is_named_with_its_package(machine: Path) -> None:
    code, tools, packages = needed(machine, "image")
    assert code == 1
    assert {"mmdebstrap", "arch-test", "qemu-aarch64-static", "mcopy", "sfdisk", "xz"} <= tools
    assert {"mmdebstrap", "arch-test", "qemu-user-static", "mtools", "fdisk", "xz-utils"} <= packages


def test_a_machine_with_all_of_them_passes(machine: Path) -> None:
    targets = ("image", "image-test", "nspawn-test")
    for tool in needed(machine, *targets)[1]:
        program(machine, tool)
    program(machine, "qemu-system-aarch64", "echo QEMU emulator version 10.0.2")
    assert needed(machine, *targets)[1] == set()
    (machine / "arch-test").unlink()
    assert needed(machine, "image-test") == (0, set(), set())
    assert needed(machine, "image")[1] == {"arch-test"}
    program(machine, "dpkg", "echo arm64")  # a Pi needs no emulation
    assert needed(machine, "image")[1] == set()


@pytest.mark.parametrize(
    ("version", "passes"),
    [("7.2.22", False), ("8.1.5", False), ("8.2.0", True), ("9.0", True), ("11.1.0", True)],
)
def test_an_emulator_whose_guests_stall_is_refused(machine: Path, version: str, passes: bool) -> None:
    for tool in needed(machine, "image-test")[1]:
        program(machine, tool)
    program(machine, "qemu-system-aarch64", f"echo 'QEMU emulator version {version} (Debian 1:{version})'")
    code, said, _ = needed(machine, "image-test")
    assert code == (0 if passes else 1)
    assert passes or "8.2 or later" in str(said)
    assert passes or "bookworm-backports" in str(said)
    (machine / "fdtoverlay").unlink()
    assert needed(machine, "image-test") == (1, {"fdtoverlay"}, {"device-tree-compiler"})


def test_root_and_debian_are_asked_for_first(machine: Path) -> None:
    program(machine, "id", "echo 1000")
    code, said, _ = needed(machine, "nspawn-test")
    assert (code, "root" in str(said), "Missing" in str(said)) == (1, True, False)
    program(machine, "id", "echo 0")
    (machine / "dpkg").unlink()
    code, said, _ = needed(machine, "image")
    assert (code, "Debian" in str(said)) == (1, True)


@pytest.mark.parametrize("script", CALLED)
def test_what_the_build_calls_is_looked_for(script: str) -> None:
    text, looked_for = (ROOT / script).read_text(), NEEDED.read_text()
    for name in CALLED[script]:
        assert re.search(rf"\b{re.escape(name)}\b", text)
        assert re.search(rf"^(\S+\|)?{re.escape(name)}[| ]", looked_for, re.MULTILINE)


def test_each_target_looks_before_it_installs_anything() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("releases", "image", "image-test", "image-test-raspi3b", "ansible-test", "nspawn-test"):
        assert re.search(rf"^{target}: needed-{target} ", makefile, re.MULTILINE)


def test_the_readme_names_every_package(machine: Path) -> None:
    lines = re.findall(r"^sudo apt-get install (.+)$", (ROOT / "deploy/README.md").read_text(), re.MULTILINE)
    for target, line in zip(("image", "releases"), lines, strict=True):
        # Who has the project has git, and every Debian has e2fsprogs.
        assert needed(machine, target)[2] - {"git", "e2fsprogs"} <= set(line.split())
