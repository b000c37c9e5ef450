# SPDX-License-Identifier: Apache-2.0
"""The server that all clients are measured against: a process of its own, until its standard input ends.

Its first line is its address and what its operations are. For each line of its input it writes how many bytes it has
sent since the last one.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.streams import OPERATIONS
from tests.support.horizon_ready import Ready, operations


async def serve() -> None:
    """Serve until standard input ends."""
    records, about = operations()
    async with Ready(records, OPERATIONS) as server:
        print(json.dumps([server.url, about]), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(server.sent, flush=True)
            server.sent = 0


if __name__ == "__main__":
    asyncio.run(serve())
