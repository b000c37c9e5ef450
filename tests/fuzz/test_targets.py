# SPDX-License-Identifier: Apache-2.0
"""Every target with its seeds, with what fuzzing has found, and with small changes of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

FINDS = Path(__file__).with_name("finds")


def inputs(name: str) -> list[bytes]:
    """The seeds of a target, and its finds: files whose names begin with its name."""
    return TARGETS[name].seeds() + [path.read_bytes() for path in sorted(FINDS.glob(f"{name}-*"))]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_finds_raise_nothing(name: str) -> None:
    for each in [b"", *inputs(name)]:
        TARGETS[name].run(each)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds_and_finds_raise_nothing(name: str) -> None:
    whole = inputs(name)

    @settings(max_examples=30)
    @given(st.sampled_from(whole), st.integers(0, 1 << 16), st.binary(max_size=8), st.integers(0, 8))
    def changed(content: bytes, at: int, new: bytes, gone: int) -> None:
        at %= len(content) + 1
        TARGETS[name].run(content[:at] + new + content[at + gone :])

    changed()


def test_each_find_belongs_to_a_target() -> None:
    assert {path.name.partition("-")[0] for path in FINDS.glob("*")} <= set(TARGETS) | {"README.md"}
