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
    """The line through the memory of the samples after the warm-up."""

    slope: float  # KiB in a million done
    straight: float  # r²; 0 if the memory did not change


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


def floors(samples: Sequence[Sample]) -> list[Sample]:
    """The least of each TOGETHER samples in a row. Raises ValueError if there are too few samples."""
    if len(samples) < LEAST:
        raise ValueError(f"{len(samples)} samples are too few for a slope; take {LEAST} or more.")
    groups = [samples[at : at + TOGETHER] for at in range(len(samples) % TOGETHER, len(samples), TOGETHER)]
    return [
        Sample(
            group[0].done,
            min(sample.memory for sample in group),
            min(sample.resident for sample in group),
            {name: min(sample.counts[name] for sample in group) for name in group[0].counts},
        )
        for group in groups
    ]


def trend(samples: Sequence[Sample]) -> Trend:
    """The trend of the memory in use after the warm-up. Raises ValueError if there are too few samples."""
    warm = _warm(samples)
    done, memory = [float(sample.done) for sample in warm], [sample.memory for sample in warm]
    if len(set(memory)) == 1:
        return Trend(0.0, 0.0)
    return Trend(linear_regression(done, memory).slope * 1e6, correlation(done, memory) ** 2)


def growth(samples: Sequence[Sample]) -> float:
    """KiB by which the resident memory has grown since the warm-up. Raises ValueError as `trend`."""
    warm = _warm(samples)
    return warm[-1].resident - warm[0].resident


def drift(samples: Sequence[Sample], name: str) -> int:
    """By how much the count `name` is larger at the end than after a third. Raises ValueError as `trend`."""
    least = floors(samples)
    return least[-1].counts[name] - least[len(least) // 3].counts[name]


def complaints(samples: Sequence[Sample], steep: float = STEEP, waver: float = WAVER) -> list[str]:
    """A sentence for each thing that grows.

    `steep` is the largest slope allowed, in KiB in a million, and `waver` what the line may climb, in KiB, however
    short the run. Raises ValueError as `trend`.
    """
    warm, line, most = _warm(samples), trend(samples), growth(samples)
    climbed = line.slope * (warm[-1].done - warm[0].done) / 1e6
    found = [
        f"{name} grew by {more}" for name in samples[-1].counts if (more := drift(samples, name)) > LOOSE
    ]
    if line.slope > steep and climbed > waver and line.straight > STRAIGHT:
        found.append(f"memory grows by {line.slope:,.0f} KiB in a million, r² {line.straight:.2f}")
    if most > MOST:
        found.append(f"resident memory grew by {most:,.0f} KiB after the warm-up")
    return found


def _warm(samples: Sequence[Sample]) -> list[Sample]:
    least = floors(samples)
    return least[int(len(least) * WARM_UP) :]
