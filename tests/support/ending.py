# SPDX-License-Identifier: Apache-2.0
"""Processes that do not outlive their test."""

from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def ended(process: Process) -> AsyncIterator[Process]:
    """While in the `with` it may run; then it does not any more."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
