# SPDX-License-Identifier: Apache-2.0
"""What a listener holds after many reconnects and operations: memory and files, by their slope.

The whole of it, 10,000 reconnects and 1,000,000 operations, is `make bench-endurance`.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.enduring import STEEP, watched
from tests.support.slope import complaints

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("what", "count"), [("reconnects", 400), ("operations", 120_400)])
def test_nothing_grows(what: str, count: int) -> None:
    # So short a run can see the few steps of the allocator in a row once; a leak is there each time.
    grows = [complaints(asyncio.run(watched(what, count)), STEEP[what])]
    if grows[0]:
        grows.append(complaints(asyncio.run(watched(what, count)), STEEP[what]))
    assert [] in grows


@pytest.mark.parametrize(("what", "count"), [("reconnects", 200), ("operations", 24_400)])
def test_the_rule_sees_a_planted_leak(what: str, count: int) -> None:
    found = complaints(asyncio.run(watched(what, count, leak=True)), STEEP[what])
    assert [complaint.split()[0] for complaint in found][:2] == ["files", "memory"]
