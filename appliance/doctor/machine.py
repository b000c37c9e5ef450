# SPDX-License-Identifier: Apache-2.0
"""The computer as the doctor sees it: files below a root, environment, date, other programs, and the box that plays.

It only reads. No pin, card or bus is opened, because a box can be using them; /proc and /sys say enough. What cannot be
read is "" or None, never an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from appliance.control import SERVICE, Client, runtime_dir
from appliance.status import Status
from appliance.values import BoxError

ASK_TIMEOUT = 3.0  # s for the answer of a program or of the box; timedatectl and systemctl need some 20 ms

MODEL = "/proc/device-tree/model"  # the name of the board


@dataclass(frozen=True, slots=True)
class Space:
    """The space of a disk."""

    free: int  # bytes that this user can write
    writable: bool  # whether disk and folder are, for this user


def space(folder: Path) -> Space | None:
    """The space of the disk for `folder`, which need not exist; None if this user cannot look there."""
    try:
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
    except OSError:
        return None
    writable = os.access(folder, os.W_OK) and not disk.f_flag & os.ST_RDONLY
    return Space(disk.f_bavail * disk.f_frsize, writable)


def answers(host: str, port: int) -> bool:
    """Whether a web server answers at this address of this computer, within ASK_TIMEOUT s."""
    connection = HTTPConnection(host, port, timeout=ASK_TIMEOUT)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer: its files below `root`, its environment, its clock, its programs, its disks, and its box."""

    root: Path
    environ: Mapping[str, str]
    now: float  # seconds since 1970, by its clock
    ask: Callable[[Sequence[str]], str | None]  # the output of a program; None if it is not there, or fails
    space: Callable[[Path], Space | None] = space
    answers: Callable[[str, int], bool] = answers
    status: Callable[[], Status | None] = lambda: None  # of the box that plays; None if none answers

    def at(self, *parts: str | Path) -> Path:
        """The path of a file of this computer."""
        return self.root / str(Path(*parts).absolute()).lstrip("/")

    def read(self, path: str) -> str:
        """The text of a file, stripped; "" if it cannot be read."""
        try:
            return self.at(path).read_text(errors="replace").strip(" \t\n\0")
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        """The integer in a file, decimal or 0x..; None if there is none."""
        try:
            return int(self.read(path), 0)
        except ValueError:
            return None

    def find(self, pattern: str) -> list[str]:
        """The paths that match a pattern, sorted, for `read`."""
        return [f"/{found.relative_to(self.root)}" for found in sorted(self.root.glob(pattern.lstrip("/")))]

    def has(self, *parts: str | Path) -> bool:
        """Whether a path exists, as far as this user can see."""
        return os.path.exists(self.at(*parts))  # Path.exists raises PermissionError in a closed folder


def ask(words: Sequence[str], timeout: float = ASK_TIMEOUT) -> str | None:
    """The output of a program of this computer; None if it is not there, fails, or takes longer than `timeout` s."""
    if not (program := shutil.which(words[0])):
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the words are our own
            [program, *words[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def box_status(state_dir: str, environ: Mapping[str, str]) -> Callable[[], Status | None]:
    """Asks the box that plays for its status, once: that of this user (or of `state_dir`), or the service.

    It gives None if no box answers within ASK_TIMEOUT s, or if the box belongs to another user.
    """

    @cache
    def asked() -> Status | None:
        folders = [runtime_dir(state_dir, environ), SERVICE]
        with suppress(BoxError), Client.connect(folders) as client:
            return client.status(ASK_TIMEOUT)
        return None

    return asked
