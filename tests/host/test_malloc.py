# SPDX-License-Identifier: Apache-2.0
"""The threshold of malloc, in a process of its own, because it stays set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from appliance.host.malloc import LARGE

pytestmark = pytest.mark.process

# A large block is freed, and a smaller one allocated: how many bytes of it are mapped outside of the heap?
MAPPED = f"""
import ctypes, sys
from appliance.host.malloc import pin_mmap_threshold

class Figures(ctypes.Structure):  # mallinfo(3)
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s h mapped u f used free k".split()]

ask = ctypes.CDLL(None).mallinfo2
ask.restype = Figures
if sys.argv[1:]:
    pin_mmap_threshold()
bytearray(64 * {LARGE})
before = ask().mapped
piece = bytearray(8 * {LARGE})
print(ask().mapped - before)
"""


def mapped(*pinned: str) -> int:
    asked = [sys.executable, "-c", MAPPED, *pinned]
    return int(subprocess.run(asked, stdout=subprocess.PIPE, check=True, timeout=60).stdout)


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the C library is not glibc")
def test_large_blocks_are_never_placed_in_the_heap() -> None:
    assert mapped() == 0  # without it
    assert mapped("pinned") >= 8 * LARGE
