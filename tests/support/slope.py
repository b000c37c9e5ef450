# SPDX-License-Identifier: Apache-2.0
"""The slope test: whether a process leaks, from samples of it while it works.

A leak is a slope, never the difference of two samples. A process grows after its start, and stops; an allocator grows
by steps, and stops; only memory that grows on a straight line after the warm-up grows for ever. Pure, except `look`,
which reads /proc; any thread.

    memory ┤        ▁▁▂▂▁▂▂▁▂▁▂   flat: noise, or one step (r² of a single step is 0.75 at most)
           │   ▂▄▅▆▇
           │ ▂▅      ▁▂▂▃▄▅▅▆▇█   a leak: steep and straight
           ┼────────┬──────────▶ done
             warm-up  measured     counts (files, threads, tasks ...) must not be larger at the end than after a third
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation, linear_regression

WARM_UP = 0.5  # of the samples, in which caches, pools and the allocator's arenas fill
STEEP = 1000.0  # KiB in a million: 31 MB a year for work that is done once a second
STRAIGHT = 0.8  # r², the share of the movement that a line explains
LOOSE = 2  # by which a count may differ: a connection that is just being closed
LEAST = 20  # samples


@dataclass(frozen=True, slots=True)
class Sample:
    """A process after it had done its work so many times."""

    done: int  # notes, operations, reconnects
    memory: float  # KiB, anonymous
    counts: Mapping[str, int]  # of things that must not become more


@dataclass(frozen=True, slots=True)
class Trend:
    """The line through the memory of the samples after the warm-up."""

    slope: float  # KiB in a million done
    straight: float  # r²; 0 if the memory did not change


def look(done: int, process: int | None = None, **counts: int) -> Sample:
    """A sample of a process, or of ours; `counts` are added to its files and threads. Linux."""
    root = Path("/proc") / str(process or "self")
    fields = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
    files = len(os.listdir(root / "fd")) - (process is None)  # listing our own opens one
    return Sample(
        done,
        # Anonymous memory: pages of mapped files come and go as other processes need memory.
        float(fields["RssAnon"].split()[0]),
        {"files": files, "threads": int(fields["Threads"]), **counts},
    )


def trend(samples: Sequence[Sample]) -> Trend:
    """The trend of the memory after the warm-up. Raises ValueError if there are too few samples."""
    if len(samples) < LEAST:
        raise ValueError(f"{len(samples)} samples are too few for a slope; take {LEAST} or more.")
    warm = samples[int(len(samples) * WARM_UP) :]
    done, memory = [float(sample.done) for sample in warm], [sample.memory for sample in warm]
    if len(set(memory)) == 1:
        return Trend(0.0, 0.0)
    return Trend(linear_regression(done, memory).slope * 1e6, correlation(done, memory) ** 2)


def drift(samples: Sequence[Sample], name: str) -> int:
    """By how much the count `name` is larger at the end than after a third of the samples."""
    return samples[-1].counts[name] - samples[len(samples) // 3].counts[name]


def complaints(samples: Sequence[Sample], steep: float = STEEP) -> list[str]:
    """A sentence for each thing that grows. `steep` is the largest slope allowed, in KiB in a million."""
    line = trend(samples)
    found = [
        f"{name} went from {samples[-1].counts[name] - more} to {samples[-1].counts[name]}"
        for name in samples[-1].counts
        if (more := drift(samples, name)) > LOOSE
    ]
    if line.slope > steep and line.straight > STRAIGHT:
        found.append(f"memory grows by {line.slope:,.0f} KiB in a million, r² {line.straight:.2f}")
    return found
