# SPDX-License-Identifier: Apache-2.0
"""The slope test on samples that are made up, and on a real process that leaks."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.slope import LEAST, MOST, STEEP, Sample, complaints, trend


def samples(
    memory: Callable[[int], float], count: int = 120, each: int = 1000, **counts: int
) -> list[Sample]:
    return [Sample(at * each, memory(at * each), 90_000.0, counts) for at in range(count)]


def test_constant_memory_is_flat() -> None:
    assert complaints(samples(lambda _: 60_000.0, files=9, threads=3)) == []


def test_the_slope_of_a_line_is_its_slope() -> None:
    line = trend(samples(lambda done: 60_000 + done * 0.002))
    assert line.slope == pytest.approx(2000)
    assert line.straight == pytest.approx(1)


@given(st.integers(0, 2**32), st.floats(1, 5000))
def test_noise_of_any_width_is_flat(seed: int, width: float) -> None:
    chance = random.Random(seed)
    assert complaints(samples(lambda _: 60_000 + chance.gauss(0, width))) == []


@given(st.integers(0, 119), st.floats(0, 1e6))
def test_one_step_wherever_it_comes_is_flat(at: int, height: float) -> None:
    assert complaints(samples(lambda done: 60_000 + height * (done >= at * 1000))) == []


def test_growth_that_ends_with_the_warm_up_is_flat() -> None:
    assert complaints(samples(lambda done: min(60_000, done) * 2.0)) == []


@given(st.integers(0, 2**32))
def test_a_leak_of_twice_the_bound_is_seen_through_noise(seed: int) -> None:
    chance = random.Random(seed)
    leak = samples(lambda done: 60_000 + 2 * STEEP * done / 1e6 + chance.gauss(0, 5))
    (complaint,) = complaints(leak)
    assert complaint.startswith("memory grows by ")


def test_the_bound_can_be_another() -> None:
    leak = samples(lambda done: done * 0.05)
    assert complaints(leak, steep=49_000)
    assert complaints(leak, steep=51_000) == []


def test_what_is_in_use_for_a_moment_neither_is_a_leak_nor_hides_one() -> None:
    def often(done: int) -> float:
        return 5_000.0 if done % 7_000 == 0 else 0.0

    assert complaints(samples(often)) == []
    (complaint,) = complaints(samples(lambda done: often(done) + 2 * STEEP * done / 1e6))
    assert complaint.startswith("memory grows by ")


def resident(*levels: float) -> list[Sample]:
    return [Sample(at, 1.0, level, {}) for at, level in enumerate(levels)]


def test_resident_memory_has_a_bound_after_the_warm_up() -> None:
    within, above = [5_000.0 + MOST] * 60, [5_001.0 + MOST] * 60
    assert complaints(resident(*[0.0] * 30, *[5_000.0] * 30, *within)) == []
    assert trend(resident(*[5_000.0] * 90, *above)).resident == MOST + 1
    (complaint,) = complaints(resident(*[5_000.0] * 90, *above))
    assert complaint.startswith("resident memory grew by ")


def test_resident_memory_of_a_moment_is_no_growth() -> None:
    assert trend(resident(*[5_000.0] * 118, 50_000.0, 50_000.0)).resident == 0.0


def test_a_short_run_may_climb_by_so_much() -> None:
    points = samples(lambda done: done / 1000, each=1000)  # 1 KiB a sample
    assert complaints(points, 500.0, waver=58.0) == []
    assert complaints(points, 500.0, waver=56.0)


@pytest.mark.parametrize(("more", "expected"), [(2, []), (3, ["files went from 9 to 12"])])
def test_counts_can_differ_by_two(more: int, expected: list[str]) -> None:
    points = [Sample(at, 1.0, 1.0, {"files": 9 + (more if at > 40 else 0), "threads": 3}) for at in range(60)]
    assert complaints(points) == expected


def test_counts_that_are_larger_for_a_moment_are_no_drift() -> None:
    points = [Sample(at, 1.0, 1.0, {"tasks": 22 if at in (58, 59) else 18}) for at in range(60)]
    assert trend(points).counts["tasks"] == (18, 18)
    assert complaints(points) == []


def test_files_that_were_opened_in_the_first_third_are_no_drift() -> None:
    points = [Sample(at, 1.0, 1.0, {"files": min(at, 15)}) for at in range(60)]
    assert trend(points).counts["files"] == (15, 15)
    assert complaints(points) == []


def test_too_few_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        complaints(samples(lambda _: 1.0, count=LEAST - 1))


LEAKING = """
import os, sys
from tests.support.slope import complaints, look, trend
kept, points = [], []
for at in range(40):
    kept.append(b"x" * (1 << 20))
    if at >= 30:
        kept.append(os.open(os.devnull, os.O_RDONLY))
    points.append(look(at * 5000, tasks=1))
print(trend(points).slope, points[0].counts["files"], *complaints(points), sep="\\n")
"""


def test_a_real_leak_is_seen_and_so_are_files_left_open() -> None:
    # In a process of its own: one that has run a thousand tests has free memory to take from.
    ran = subprocess.run([sys.executable, "-c", LEAKING], capture_output=True, text=True, check=True)
    slope, files, *found = ran.stdout.splitlines()
    assert found[0] == f"files went from {files} to {int(files) + 8}"  # the least of the last three samples
    assert [complaint.split()[0] for complaint in found[1:]] == ["memory", "resident"]
    assert float(slope) == pytest.approx(1024 / 5000 * 1e6, rel=0.1)


FREED = """
from tests.support.slope import look, trend
points = []
for at in range(60):
    pieces = [bytes(1000) for _ in range(at * 1000)]
    last = bytes(1000)  # above the others, so that malloc cannot return their memory to the system
    del pieces
    points.append(look(at * 5000))
line = trend(points)
print(line.slope, line.resident, sep="\\n")
"""


def test_memory_that_was_freed_is_resident_but_not_in_use() -> None:
    ran = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    slope, grown = map(float, ran.stdout.splitlines())
    assert abs(slope) < STEEP
    assert grown > MOST
