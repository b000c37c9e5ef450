# SPDX-License-Identifier: Apache-2.0
"""Waiting for the end of a process that we started. The loop of the process that started it."""

from __future__ import annotations

from asyncio.subprocess import Process


async def drain(process: Process) -> None:
    """Wait for a process to end. Its output is read and dropped: with a full pipe asyncio would not notice the end."""
    while process.stdout and await process.stdout.read(1 << 16):
        pass
    await process.wait()
