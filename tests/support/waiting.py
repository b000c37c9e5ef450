# SPDX-License-Identifier: Apache-2.0
"""Waiting for what another task or process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LIMIT = 60.0  # s, to end a hang


async def eventually(ready: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(LIMIT):
        while not ready():
            await asyncio.sleep(0.005)
