# SPDX-License-Identifier: Apache-2.0
"""What a second of music costs a board: aarch64 instructions, counted while qemu-user runs the box's own code.

The guest has what a board has: Debian's Python, numpy and pyo for arm64, unpacked and never installed, and this
checkout. Composition, performer, synth and master are counted; start, card and panel are not. A second of music takes
one or two. Linux, with the Debian packages of NEEDED.

    python -m benchmarks.engines.board 16 600      what the guest runs: a mark for each second of the recording
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

SUITE = "trixie"
PACKAGES = "python3-pyo,python3-numpy"
ROOT = Path(__file__).parents[2]
GUEST = ROOT / "build" / f"guest-{SUITE}"  # kept: it takes 200 MB of packages
NEEDED = {"qemu-aarch64": "qemu-user", "mmdebstrap": "mmdebstrap", "cc": "gcc"}
LIBRARIES = "/usr/lib/aarch64-linux-gnu"
# What installing would have linked into place.
ALTERNATIVES = ":".join(f"{LIBRARIES}/{name}" for name in ("blas", "lapack", "pulseaudio"))


def missing() -> str:
    """What has to be installed first; empty if nothing."""
    return ", ".join(package for program, package in NEEDED.items() if not shutil.which(program))


def instructions(voices: int, seconds: int) -> list[int]:
    """Instructions of each second of the bundled recording. Raises CalledProcessError if a step fails."""
    _make_guest()
    with tempfile.TemporaryDirectory() as folder:
        plugin = f"{folder}/count.so"
        source = Path(__file__).with_name("count.c")
        version = subprocess.run(["qemu-aarch64", "--version"], check=True, capture_output=True, text=True)  # noqa: S607 - as installed
        major = int(re.findall(r"version (\d+)", version.stdout)[0])
        build = ["cc", "-O2", "-shared", "-fPIC", f"-DAPI={1 if major < 9 else 2}", "-o", plugin, str(source)]
        subprocess.run(build, check=True)  # noqa: S603 - ours
        run = ["qemu-aarch64", "-cpu", "cortex-a53", "-L", str(GUEST), "-plugin", plugin]
        run += [str(GUEST / "usr/bin/python3"), "-m", __name__, str(voices), str(seconds)]
        guest = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LD_LIBRARY_PATH": ALTERNATIVES}
        done = subprocess.run(run, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=guest)  # noqa: S603 - ours
    counts = [int(line) for line in done.stderr.split() if line.isdigit()]
    if done.returncode or len(counts) != seconds + 1:
        raise RuntimeError(f"The guest failed: {done.stderr.decode(errors='replace')[-400:]}")
    return [after - before for before, after in pairwise(counts)]


def _make_guest() -> None:
    if not GUEST.exists():
        GUEST.parent.mkdir(exist_ok=True)
        making = GUEST.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        command = ["mmdebstrap", "--variant=extract", "--architectures=arm64", f"--include={PACKAGES}"]
        subprocess.run([*command, SUITE, str(making)], check=True, capture_output=True)  # noqa: S603 - found above
        (making / "lib").symlink_to("usr/lib")  # as base-files does when it is installed
        making.rename(GUEST)


def main(voices: int, seconds: int) -> None:
    """Play the recording, and mark where each second begins, after its first block."""
    from appliance.performance import Block
    from benchmarks.engines.box import perform, recording

    marked = 0

    def mark(block: Block) -> None:
        nonlocal marked
        if block.passage.seconds >= marked < seconds:
            os.getppid()  # count.c writes its count
            marked += 1

    perform(recording(), voices, float(seconds), mark)
    os.getppid()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
