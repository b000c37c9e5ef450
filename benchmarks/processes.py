# SPDX-License-Identifier: Apache-2.0
"""What Linux says of a process: its children and its memory. Any thread."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children(process: int | str = "self") -> list[int]:
    """The processes that a process has started and that still run."""
    found = []
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since it was listed
            found += [int(child) for child in tasks.read_text(encoding="ascii").split()]
    return found


def resident(process: int | str = "self") -> float:
    """Megabytes of memory that a process has in RAM."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
