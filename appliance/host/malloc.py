# SPDX-License-Identifier: Apache-2.0
"""The heap: a large piece of memory goes back to the computer as soon as it is let go.

The one rule: the C library is told once, before the box plays. From 128 KiB on glibc gives a piece pages of its own,
but with each such piece that is let go it begins to keep larger ones, up to 32 MB, in the heap (mallopt(3)). Small ones
then come to lie between them: a box that packs what it hears, and keeps half an hour of it now and then, held 42 MB of
a heap of 49 after an hour, and of one of 55 after half a day. The main thread.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 128 * 1024  # bytes; where glibc itself begins
MMAP_THRESHOLD = -3  # its name in <malloc.h>


def pin_mmap_threshold() -> None:
    """Let `LARGE` be where it is. Another C library has no such habit, and is told nothing."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
