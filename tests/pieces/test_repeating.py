# SPDX-License-Identifier: Apache-2.0
"""What the process of the pieces does again and again."""

from __future__ import annotations

import asyncio

import pytest

from appliance.pieces.repeating import Repeating


def test_an_unexpected_error_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def work() -> float:
        done.append(1)
        raise KeyError("a sale that the feed does not know")

    async def twice() -> None:
        running = asyncio.create_task(Repeating(work, again=0.0).run())
        while len(done) < 2:
            assert not running.done()
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(twice())
    assert "a sale that the feed does not know" in caplog.text
