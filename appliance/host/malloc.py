# SPDX-License-Identifier: Apache-2.0
"""The heap of the C library: keeps it from growing by fragmentation.

glibc allocates blocks of 128 KiB and more with mmap, so that they return to the system when they are freed. But each
time it frees one it raises that threshold, up to 32 MB (mallopt(3)), and then places larger blocks in the heap, where
small blocks between them keep it from shrinking: measured on a box that keeps a piece now and then, a heap of 49 MB
after an hour and of 55 MB after half a day, with 42 MB in use. A fixed threshold prevents that. The main thread, once,
before the box plays.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 128 * 1024  # bytes; glibc's own initial threshold
MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of <malloc.h>


def pin_mmap_threshold() -> None:
    """Fix the threshold at `LARGE`. Does nothing with a C library that has no mallopt."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
