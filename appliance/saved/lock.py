# SPDX-License-Identifier: Apache-2.0
"""One box at a time for each folder: a lock that the kernel removes when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = "lock"


class FolderInUse(Exception):
    """Another box plays with this folder."""


def lock(folder: Path) -> int | None:
    """Lock `folder` until this process ends, and return the descriptor that holds the lock.

    None where nothing can be locked, because nothing can be written: there is nothing to protect then. Raises
    FolderInUse.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUse from None
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor
