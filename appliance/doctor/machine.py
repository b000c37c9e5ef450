# SPDX-License-Identifier: Apache-2.0
"""The computer, as far as the doctor looks at it: files below a root, the environment, the date, and other programs.

The one rule: it only reads. No pin, card or bus is opened, for a box may be playing on them; what the kernel says
of them in /proc and /sys is all that is asked. Whatever cannot be read is "" or None, never an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ANSWER = 3.0  # s that another program may take; timedatectl and systemctl need some 20 ms

MODEL = "/proc/device-tree/model"  # what board it is


@dataclass(frozen=True, slots=True)
class Space:
    """What a disk has left."""

    free: int  # bytes, for whoever asks
    writable: bool  # the disk is, and the folder for whoever asks


def space(folder: Path) -> Space | None:
    """The space of the disk that `folder` lies on, or would; None if not even that can be told."""
    try:
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
    except OSError:
        return None
    writable = os.access(folder, os.W_OK) and not disk.f_flag & os.ST_RDONLY
    return Space(disk.f_bavail * disk.f_frsize, writable)


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer by its files below `root`, its environment, its date, its programs and its disks."""

    root: Path
    environ: Mapping[str, str]
    now: float  # seconds since 1970, as its clock says
    ask: Callable[[Sequence[str]], str | None]  # what a program prints; None if it is not there, or fails
    space: Callable[[Path], Space | None] = space

    def at(self, *parts: str | Path) -> Path:
        """Where a path of this computer lies."""
        return self.root / str(Path(*parts).absolute()).lstrip("/")

    def read(self, path: str) -> str:
        """The text of a file, without white space at its ends; "" if it cannot be read."""
        try:
            return self.at(path).read_text(errors="replace").strip(" \t\n\0")
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        """The whole number that a file holds, written in decimal or as 0x..; None if it is none."""
        try:
            return int(self.read(path), 0)
        except ValueError:
            return None

    def find(self, pattern: str) -> list[str]:
        """The paths that match a pattern, sorted, as `read` wants them."""
        return [f"/{found.relative_to(self.root)}" for found in sorted(self.root.glob(pattern.lstrip("/")))]

    def has(self, *parts: str | Path) -> bool:
        """Whether there is such a path, as far as may be seen."""
        return os.path.exists(self.at(*parts))  # Path.exists raises PermissionError in a closed folder


def ask(words: Sequence[str], patience: float = ANSWER) -> str | None:
    """What a program of this computer prints, within `patience` seconds; None if it is not there, or fails."""
    if not (program := shutil.which(words[0])):
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the words are our own
            [program, *words[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
