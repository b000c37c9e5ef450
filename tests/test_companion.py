# SPDX-License-Identifier: Apache-2.0
"""A program that the player starts beside itself: however it behaves, the player ends."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from appliance.companion import Companion

pytestmark = pytest.mark.process

# It ignores SIGTERM, and writes one line that is longer than any buffer.
FLOOD = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
while True:
    sys.stdout.write("x" * (1 << 20))
"""


def test_one_that_fills_its_pipe_and_ignores_the_request_to_end_is_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            async with Companion("page", [sys.executable, "-c", FLOOD]).running():
                while "begun" not in caplog.messages:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)  # until the pipe is full

    with caplog.at_level(logging.INFO):
        asyncio.run(run())


@pytest.mark.parametrize(("program", "end"), [("raise SystemExit('no port')", "no port"), ("", "plays on.")])
def test_the_log_says_why_one_has_ended(program: str, end: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            async with Companion("page", [sys.executable, "-c", program]).running():
                while not any(record.levelno == logging.WARNING for record in caplog.records):
                    await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert caplog.messages[-1].endswith(end)
