# SPDX-License-Identifier: Apache-2.0
"""The slope rule: whether what was watched while it worked would still stand after a year of that work.

The one rule: growth is a slope, never two endpoints. Something that has just started grows, and stops; an allocator
grows by steps, and stops; only what grows on a straight line after a while grows for ever. Pure but for `look`, which
reads /proc; any thread.

    memory ┤        ▁▁▂▂▁▂▂▁▂▁▂   flat: it wavers, or has made one step (of a single step r² is 0.75 at most)
           │   ▂▄▅▆▇
           │ ▂▅      ▁▂▂▃▄▅▅▆▇█   a leak: steep and straight
           ┼────────┬──────────▶ done
             warm-up  counts       counts (files, threads, tasks ...) must be as many at the end as a third of the way
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation, linear_regression

WARM_UP = 0.5  # of the samples: caches, pools and the allocator's arenas fill
STEEP = 1000.0  # KiB in a million: 31 MB a year of something that is done once a second
STRAIGHT = 0.8  # r², the share of the movement that a line explains
LOOSE = 2  # by which a count may differ: a connection that is just being closed
LEAST = 20  # samples; a line through fewer says little


@dataclass(frozen=True, slots=True)
class Sample:
    """How a process stood after it had done its work so many times."""

    done: int  # notes, operations, reconnects
    memory: float  # KiB that are its own
    counts: Mapping[str, int]  # what must not become more


@dataclass(frozen=True, slots=True)
class Trend:
    """The line through the memory of the samples after the warm-up."""

    slope: float  # KiB in a million done
    straight: float  # r², 0 where nothing moved


def look(done: int, process: int | None = None, **counts: int) -> Sample:
    """A process as it is now, ours without `process`; `counts` come beside its files and threads. Linux."""
    root = Path("/proc") / str(process or "self")
    fields = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
    files = len(os.listdir(root / "fd")) - (process is None)  # to list them is to open one
    return Sample(
        done,
        # Its own memory: what it maps of files comes and goes as others of the machine need the room.
        float(fields["RssAnon"].split()[0]),
        {"files": files, "threads": int(fields["Threads"]), **counts},
    )


def trend(samples: Sequence[Sample]) -> Trend:
    """How memory goes on after the warm-up; raises ValueError where there are too few samples to tell."""
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
    """What grows, a sentence each; none where all is flat. `steep` is the steepest slope, in KiB in a million."""
    line = trend(samples)
    found = [
        f"{name} went from {samples[-1].counts[name] - more} to {samples[-1].counts[name]}"
        for name in samples[-1].counts
        if (more := drift(samples, name)) > LOOSE
    ]
    if line.slope > steep and line.straight > STRAIGHT:
        found.append(f"memory grows by {line.slope:,.0f} KiB in a million, r² {line.straight:.2f}")
    return found
