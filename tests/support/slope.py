# SPDX-License-Identifier: Apache-2.0
"""The slope test: whether a process leaks, from samples of it while it works.

A leak is a slope, never the difference of two samples. A process grows after its start, and stops; only memory in use
that grows on a straight line after the warm-up grows for ever. Memory that was freed does not count: an allocator keeps
it for reuse, in pieces, and takes more from the system each time that more is in use at once than ever before. So the
resident memory grows by steps, which become rarer, and has only a bound.

    memory ┤        ▁▁▂▂▁▂▂▁▂▁▂   flat: noise, or one step (r² of a single step is 0.76 at most)
           │   ▂▄▅▆▇
           │ ▂▅      ▁▂▂▃▄▅▅▆▇█   a leak: steep and straight
           ┼────────┬──────────▶ done
             warm-up  measured     counts (files, threads, tasks ...) must not be larger at the end than after a third

Of each few samples in a row only the least is taken: what is in use for a moment, such as a message, is no leak. Pure,
except `look`, which reads /proc and asks glibc; any thread.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation, linear_regression
from xml.etree import ElementTree

WARM_UP = 0.5  # of the samples, in which caches, pools and the allocator's arenas fill
STEEP = 1000.0  # KiB in a million: 31 MB a year for work that is done once a second
STRAIGHT = 0.8  # r², the share of the movement that a line explains
WAVER = 96.0  # KiB that memory in use varies by while nothing leaks: caches that still fill, messages on their way
LOOSE = 2  # by which a count may differ: a connection that is just being closed
MOST = 3072.0  # KiB by which the resident memory may grow after the warm-up; 824 is the most that a day's soak showed
TOGETHER = 3  # samples, of which the least is taken
LEAST = 40  # samples
BLOCK = 70  # bytes: what a block of Python's small object allocator takes on average, measured in the box


@dataclass(frozen=True, slots=True)
class Sample:
    """A process after it had done its work so many times."""

    done: int  # notes, operations, reconnects
    memory: float  # KiB in use: given out by malloc and by Python's allocator, and not freed
    resident: float  # KiB, anonymous: with what the allocators hold free
    counts: Mapping[str, int]  # of things that must not become more


@dataclass(frozen=True, slots=True)
class Trend:
    """What has become more: the line through the memory in use after the warm-up, and the rest beside it."""

    slope: float  # KiB in a million done
    straight: float  # r²; 0 if the memory did not change
    climb: float  # KiB that the line climbs
    resident: float  # KiB by which the resident memory has grown since the warm-up
    counts: Mapping[str, tuple[int, int]]  # after a third, and at the end


def look(done: int, **counts: int) -> Sample:
    """A sample of this process; `counts` are added to its files and threads. Linux with glibc."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    files = len(os.listdir("/proc/self/fd")) - 1  # listing them opens one
    return Sample(
        done,
        (_given_out() + sys.getallocatedblocks() * BLOCK) / 1024,
        # Anonymous memory: pages of mapped files come and go as other processes need memory.
        float(fields["RssAnon"].split()[0]),
        {"files": files, "threads": int(fields["Threads"]), **counts},
    )


def _given_out() -> int:
    """The bytes that malloc has given out, of all its arenas (malloc_info(3): mallinfo2 knows only the first)."""
    libc = ctypes.CDLL(None)
    libc.open_memstream.restype = ctypes.c_void_p
    text, size = ctypes.c_char_p(), ctypes.c_size_t()
    stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    root = ElementTree.fromstring(text.value or b"")  # noqa: S314 - glibc wrote it
    libc.free(text)
    sizes = {entry.get("type"): int(entry.get("size", 0)) for entry in root if entry.tag != "heap"}
    return sizes["current"] + sizes["mmap"] - sizes["fast"] - sizes["rest"]


def trend(samples: Sequence[Sample]) -> Trend:
    """The trend of a process. Raises ValueError if there are too few samples."""
    if len(samples) < LEAST:
        raise ValueError(f"{len(samples)} samples are too few for a slope; take {LEAST} or more.")
    floors = [
        _floor(samples[at : at + TOGETHER]) for at in range(len(samples) % TOGETHER, len(samples), TOGETHER)
    ]
    warm, third = floors[int(len(floors) * WARM_UP) :], floors[len(floors) // 3]
    done, memory = [float(floor.done) for floor in warm], [floor.memory for floor in warm]
    slope = linear_regression(done, memory).slope
    return Trend(
        slope * 1e6,
        correlation(done, memory) ** 2 if len(set(memory)) > 1 else 0.0,
        slope * (done[-1] - done[0]),
        warm[-1].resident - warm[0].resident,
        {name: (third.counts[name], warm[-1].counts[name]) for name in third.counts},
    )


def _floor(group: Sequence[Sample]) -> Sample:
    """The least of a few samples in a row."""
    return Sample(
        group[0].done,
        min(sample.memory for sample in group),
        min(sample.resident for sample in group),
        {name: min(sample.counts[name] for sample in group) for name in group[0].counts},
    )


def complaints(samples: Sequence[Sample], steep: float = STEEP, waver: float = WAVER) -> list[str]:
    """A sentence for each thing that grows.

    `steep` is the largest slope allowed, in KiB in a million, and `waver` what the line may climb, in KiB, however
    short the run. Raises ValueError as `trend`.
    """
    line = trend(samples)
    found = [
        f"{name} went from {then} to {now}" for name, (then, now) in line.counts.items() if now - then > LOOSE
    ]
    if line.slope > steep and line.climb > waver and line.straight > STRAIGHT:
        found.append(f"memory grows by {line.slope:,.0f} KiB in a million, r² {line.straight:.2f}")
    if line.resident > MOST:
        found.append(f"resident memory grew by {line.resident:,.0f} KiB after the warm-up")
    return found
