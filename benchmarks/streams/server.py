# SPDX-License-Identifier: Apache-2.0
"""The server that all clients are measured against: a process of its own, until its standard input ends.

The one rule: it says its address and what its operations are, and counts what it sends; /sent tells, and begins anew.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.streams import OPERATIONS
from tests.support.horizon_faults import head
from tests.support.horizon_ready import Ready, operations
from tests.support.horizon_server import Request


class Counting(Ready):
    """Tells how many bytes it has sent."""

    async def _answer(
        self, asked: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if asked.path != "/sent":
            return await super()._answer(asked, reader, writer)
        body = json.dumps(self.sent).encode()
        writer.write(head(200, {"Content-Length": str(len(body))}) + body)
        self.sent = 0
        return False


async def serve() -> None:
    """Serve until standard input ends."""
    records, about = operations()
    async with Counting(records, OPERATIONS) as server:
        print(json.dumps([server.url, about]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
