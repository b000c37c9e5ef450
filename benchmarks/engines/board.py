# SPDX-License-Identifier: Apache-2.0
"""What a second of music costs a board: aarch64 instructions, counted while qemu-user runs each engine.

The guest has what a board has: Debian's Python, numpy and pyo for arm64, unpacked and never installed, and this
checkout; and csound and scsynth. Of the box, composition, performer, synth and master are counted; start, card and
panel are not. Counts repeat to 1 %, on any machine under any load; a second of music takes one or two. Linux, with the
Debian packages of NEEDED.

    python -m benchmarks.engines.board recording 60     million instructions a second of each engine
    python -m benchmarks.engines.board dense 20
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

from benchmarks.engines import csound, supercollider
from benchmarks.engines.box import BLOCK, FULL, score

SUITE = "trixie"
PACKAGES = "python3-pyo,python3-numpy,csound,supercollider-server"
ROOT = Path(__file__).parents[2]
GUEST = ROOT / "build" / f"engines-{SUITE}"  # kept: it takes 200 MB of packages
NEEDED = {
    "qemu-aarch64": "qemu-user",
    "mmdebstrap": "mmdebstrap",
    "cc": "gcc",
    "sclang": "supercollider-language",
}
LIBRARIES = "/usr/lib/aarch64-linux-gnu"
ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    # What installing would have linked into place.
    "LD_LIBRARY_PATH": ":".join(f"{LIBRARIES}/{name}" for name in ("blas", "lapack", "pulseaudio")),
    # qemu-user finds files in the guest, but no folders.
    "SC_PLUGIN_PATH": str(GUEST / "usr/lib/SuperCollider/plugins"),
}
POOL = 16  # the box's default
TWINS = (csound, supercollider)


def missing() -> str:
    """What has to be installed first; empty if nothing."""
    return ", ".join(package for program, package in NEEDED.items() if not shutil.which(program))


def of_box(what: str, seconds: int) -> list[float]:
    """Million instructions of each second of the dense score, once it is dense, or of the recording.

    As the other functions, raises CalledProcessError or RuntimeError if a step fails.
    """
    length = seconds + FULL if what == "dense" else seconds
    counts = _count(["python3", "-m", "benchmarks.engines.box", what, str(POOL), str(length)])
    return [count / 1e6 for count in _of_seconds(counts, seconds)]


def counted(module: str, what: object, seconds: int, *more: Path) -> list[int]:
    """Instructions of each second of a module that marks the start of each, and the end, with `os.getppid`.

    `more` are folders of packages in Python alone, which the guest does not have.
    """
    return _of_seconds(_count(["python3", "-m", module, str(what), str(seconds)], *more), seconds)


def _of_seconds(counts: Sequence[int], seconds: int) -> list[int]:
    *marks, _ = counts  # and one when it ends
    if len(marks) != seconds + 1:
        raise RuntimeError(f"The guest marked {len(marks) - 1} seconds instead of {seconds}.")
    return [after - before for before, after in pairwise(marks)]


def of_twins(what: str, seconds: int) -> dict[str, float]:
    """Million instructions a second of the other engines, by name. They play the same notes in the same blocks."""
    notes = score(what, POOL, seconds + FULL)
    cost = lambda command: _count(command)[-1]  # noqa: E731 - as short as its name
    return {
        # The difference of two lengths leaves out the start.
        twin.NAME: (twin.run(notes, seconds + FULL, BLOCK, cost) - twin.run(notes, FULL, BLOCK, cost))
        / (1e6 * seconds)
        for twin in TWINS
    }


def _count(command: Sequence[str], *more: Path) -> list[int]:
    """Run a program of the guest: its instructions at each mark, and when it ends."""
    _make_guest()
    with tempfile.TemporaryDirectory() as folder:
        plugin = f"{folder}/count.so"
        source = Path(__file__).with_name("count.c")
        version = subprocess.run(["qemu-aarch64", "--version"], check=True, capture_output=True, text=True)  # noqa: S607 - as installed
        major = int(re.findall(r"version (\d+)", version.stdout)[0])
        build = ["cc", "-O2", "-shared", "-fPIC", f"-DAPI={1 if major < 9 else 2}", "-o", plugin, str(source)]
        subprocess.run(build, check=True)  # noqa: S603 - ours
        run = ["qemu-aarch64", "-cpu", "cortex-a53", "-L", str(GUEST), "-plugin", plugin]
        run += [str(GUEST / "usr/bin" / command[0]), *command[1:]]
        path = {"PYTHONPATH": ":".join(map(str, (ROOT, *more)))}
        done = subprocess.run(  # noqa: S603 - ours
            run, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT | path
        )
    counts = [int(count) for count in re.findall(rb"^instructions (\d+)$", done.stderr, re.MULTILINE)]
    if done.returncode or not counts:
        raise RuntimeError(f"{command[0]} failed in the guest: {done.stderr.decode(errors='replace')[-400:]}")
    return counts


def _make_guest() -> None:
    if not GUEST.exists():
        GUEST.parent.mkdir(exist_ok=True)
        making = GUEST.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        command = ["mmdebstrap", "--variant=extract", "--architectures=arm64", f"--include={PACKAGES}"]
        subprocess.run([*command, SUITE, str(making)], check=True, capture_output=True)  # noqa: S603 - found above
        (making / "lib").symlink_to("usr/lib")  # as base-files does when it is installed
        making.rename(GUEST)


def main(what: str, seconds: int) -> None:
    """Count, and print a line for each engine."""
    of_each = of_box(what, seconds)
    mean = sum(of_each) / len(of_each)
    print(f"the box        {mean:7.1f} M a second, worst {max(of_each):.1f}")
    for name, count in of_twins(what, seconds).items():
        print(f"{name:<14} {count:7.1f} M a second: the box costs {mean / count:.2f} times as much")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
