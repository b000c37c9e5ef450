# SPDX-License-Identifier: Apache-2.0
"""That the heap stays a heap of small pieces, in a process of its own: what is told to a C library lasts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from appliance.host.malloc import LARGE

# A large piece comes and goes, and a smaller one comes: what has pages of its own beside the heap?
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


def mapped(*settled: str) -> int:
    asked = [sys.executable, "-c", MAPPED, *settled]
    return int(subprocess.run(asked, stdout=subprocess.PIPE, check=True, timeout=60).stdout)


@pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="glibc is missing: others have no such habit"
)
def test_large_pieces_never_come_into_the_heap() -> None:
    assert mapped() == 0  # the habit
    assert mapped("settled") >= 8 * LARGE
