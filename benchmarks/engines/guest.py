# SPDX-License-Identifier: Apache-2.0
"""A board's programs on this computer: an aarch64 Debian under qemu-user, whose instructions are counted.

The guest has what a board has: Debian's Python and pyo for arm64, unpacked and never installed, the packages of
deploy/locks/arm64.txt but for the drivers of the pins, byte-compiled, and this checkout; and csound and scsynth. Counts
repeat to 1 %, on any machine under any load; a second of music takes one or two. Linux, with the Debian packages of
NEEDED. The qemu-user of Debian 12 loads the plugin that counts; that of Debian 13 is static and loads none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

SUITE, PYTHON = "trixie", "3.13"
DEBIAN = "python3-pyo,csound,supercollider-server"
ROOT = Path(__file__).parents[2]
GUEST = ROOT / "build" / f"board-{SUITE}"  # kept: it takes some minutes and 600 MB
PACKAGES = GUEST / "packages"
NEEDED = {"qemu-aarch64": "qemu-user", "mmdebstrap": "mmdebstrap", "cc": "gcc"}
DRIVERS = ("lgpio", "rpi-lgpio", "spidev")  # compiled on a board; nothing that is counted has pins
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
LIBRARIES = "/usr/lib/aarch64-linux-gnu"
ENVIRONMENT = {
    "PYTHONPATH": f"{ROOT}:{PACKAGES}",
    # What installing would have linked into place.
    "LD_LIBRARY_PATH": ":".join(f"{LIBRARIES}/{name}" for name in ("blas", "lapack", "pulseaudio")),
}
PLUGINS = "usr/lib/SuperCollider/plugins"
if not Path("/", PLUGINS).exists():
    # qemu-user finds files in the guest, but lists the folders of this computer. With both, scsynth would load each
    # plugin twice, and end.
    ENVIRONMENT["SC_PLUGIN_PATH"] = str(GUEST / PLUGINS)


def missing() -> str:
    """What has to be installed first; empty if nothing."""
    packages = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if not packages:
        options = subprocess.run(["qemu-aarch64", "-help"], check=False, capture_output=True)  # noqa: S607 - as installed
        if b"-plugin" not in options.stdout:
            packages = ["a qemu-user that loads plugins (Debian 12 has one, Debian 13 has not)"]
    return ", ".join(packages)


def count(*command: str) -> list[int]:
    """Run a program of the guest: its instructions at each call of getppid, which is a mark, and when it ends.

    As the other functions, raises CalledProcessError or RuntimeError if a step fails.
    """
    make()
    with tempfile.TemporaryDirectory() as folder:
        plugin = f"{folder}/count.so"
        version = subprocess.run(["qemu-aarch64", "--version"], check=True, capture_output=True, text=True)  # noqa: S607 - as installed
        major = int(re.findall(r"version (\d+)", version.stdout)[0])
        source = str(Path(__file__).with_name("count.c"))
        build = ["cc", "-O2", "-shared", "-fPIC", f"-DAPI={1 if major < 9 else 2}", "-o", plugin, source]
        subprocess.run(build, check=True)  # noqa: S603 - ours
        done = _run(command, ["-plugin", plugin])
    counts = [int(number) for number in re.findall(rb"^instructions (\d+)$", done.stderr, re.MULTILINE)]
    if done.returncode or not counts:
        raise RuntimeError(f"{command[0]} failed in the guest: {done.stderr.decode(errors='replace')[-400:]}")
    return counts


def spans(module: str, *words: object) -> list[int]:
    """Run a module in the guest's Python: its instructions from each mark to the next."""
    *marks, _ = count("python3", "-m", module, *map(str, words))
    return [after - before for before, after in pairwise(marks)]


def make() -> None:
    """Make the guest, if there is none yet, and compile what has changed since."""
    if not GUEST.exists():
        GUEST.parent.mkdir(exist_ok=True)
        making = GUEST.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        command = ["mmdebstrap", "--variant=extract", "--architectures=arm64", f"--include={DEBIAN}"]
        subprocess.run([*command, SUITE, str(making)], check=True, capture_output=True)  # noqa: S603 - found above
        (making / "lib").symlink_to("usr/lib")  # as base-files does when it is installed
        _packages(making / "packages")
        making.rename(GUEST)
        _compile(PACKAGES, GUEST / "usr/lib/python3", GUEST / f"usr/lib/python{PYTHON}")
    _compile(ROOT / "appliance", ROOT / "benchmarks")


def _packages(folder: Path) -> None:
    lock = (ROOT / "deploy/locks/arm64.txt").read_text(encoding="utf-8")
    wanted = [part for part in re.split(r"\n(?=\w)", lock) if not part.startswith(DRIVERS)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        command += [f"--python-version={PYTHON}", "--implementation=cp", "--target", str(folder)]
        subprocess.run([*command, "--requirement", file.name], check=True)  # noqa: S603 - ours


def _compile(*folders: Path) -> None:
    for folder in folders:  # fails for files that are Python 2 or templates, which nothing imports
        _run(["python3", "-m", "compileall", "-q", str(folder)])


def _run(command: Sequence[str], options: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
    run = ["qemu-aarch64", "-cpu", "cortex-a53", "-L", str(GUEST), *options]
    run += [str(GUEST / "usr/bin" / command[0]), *command[1:]]
    return subprocess.run(  # noqa: S603 - ours
        run, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
