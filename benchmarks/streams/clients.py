# SPDX-License-Identifier: Apache-2.0
"""The clients: each receives all operations of a server, and is then stopped on a quiet stream.

A process loads only what its own client needs, because memory is one of the figures.

    python -m benchmarks.streams.clients "httpx-sse" http://127.0.0.1:8000
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Literal

from benchmarks.processes import resident
from benchmarks.streams import NEVER, OPERATIONS, PAGE, START

Count = Callable[[int], None]  # so many more operations were received


async def _follow(url: str, mode: Literal["ledgers", "operations"], count: Count) -> None:
    from appliance.ledger.networks import Network
    from appliance.ledger.reader.budget import own
    from appliance.ledger.reader.follow import follow
    from appliance.ledger.reader.session import ListenOptions
    from appliance.values import Ledger

    network = Network("measured", "generated", (url,))
    following = follow(network, ListenOptions(mode, pages=3), allowances={url: own()})
    async with aclosing(following):
        async for entry in following:
            if isinstance(entry, Ledger):
                count(entry.operations)
            elif entry.reason:
                raise RuntimeError(f"The server of the benchmark failed: {entry.reason}")


async def ours_ledgers(url: str, count: Count) -> None:
    """Our listener as it ships: ledgers by SSE, operations in packed pages, exact amounts out of them."""
    await _follow(url, "ledgers", count)


async def ours_operations(url: str, count: Count) -> None:
    """Our listener on a Horizon of one's own: all operations by SSE, exact amounts out of them."""
    await _follow(url, "operations", count)


async def ours_records(url: str, count: Count) -> None:
    """Our client, for its records alone, as the SDK's own is measured."""
    from appliance.ledger.reader.budget import own
    from appliance.ledger.reader.client import StreamClient
    from appliance.ledger.reader.session import Timeouts

    client = StreamClient(Timeouts(), own())
    try:
        async for _ in client.stream(f"{url}/operations", {"cursor": str(START), "limit": str(PAGE)}):
            count(1)
    finally:
        await client.close()


async def sdk_async(url: str, count: Count) -> None:
    """The SDK's ServerAsync with its own client."""
    from stellar_sdk.client.aiohttp_client import AiohttpClient
    from stellar_sdk.server_async import ServerAsync

    async with ServerAsync(url, AiohttpClient()) as server:
        async for _ in server.operations().cursor(START).limit(PAGE).stream():
            count(1)


async def sdk_sync(url: str, count: Count) -> None:
    """The SDK's Server, on a thread, because it blocks."""
    from stellar_sdk.server import Server

    stream = Server(url).operations().cursor(START).limit(PAGE).stream()

    def read() -> None:
        for _ in stream:
            count(1)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        with suppress(ValueError):  # "generator already executing": there is no other way to ask
            stream.close()
        thread.join(NEVER)


async def httpx_sse(url: str, count: Count) -> None:
    """httpx-sse on httpx, with the shortest loop that continues where Horizon ends a connection."""
    import httpx
    from httpx_sse import aconnect_sse

    cursor = str(START)
    async with httpx.AsyncClient(timeout=None) as client:  # noqa: S113 - a quiet stream is no fault
        while True:
            asked = {"cursor": cursor, "limit": str(PAGE)}
            async with aconnect_sse(client, "GET", f"{url}/operations", params=asked) as source:
                async for message in source.aiter_sse():
                    if message.event == "message":
                        message.json()
                        cursor = message.id
                        count(1)


CLIENTS: dict[str, Callable[[str, Count], Awaitable[None]]] = {
    "ours, ledgers": ours_ledgers,
    "ours, operations": ours_operations,
    "ours, records alone": ours_records,
    "SDK, async": sdk_async,
    "SDK, sync": sdk_sync,
    "httpx-sse": httpx_sse,
}


async def measure(listen: Callable[[str, Count], Awaitable[None]], url: str) -> dict[str, float]:
    """The cost of receiving everything: CPU seconds without the start, megabytes, and seconds to stop."""
    received, begun = 0, 0.0
    complete = asyncio.Event()

    def count(more: int) -> None:
        nonlocal received, begun
        if not received:
            begun = time.process_time()  # imports and the first connection are not counted
        received += more
        if received >= OPERATIONS:
            loop.call_soon_threadsafe(complete.set)

    loop = asyncio.get_running_loop()
    listening = asyncio.ensure_future(listen(url, count))
    await asyncio.wait(
        {listening, ending := asyncio.ensure_future(complete.wait())}, return_when="FIRST_COMPLETED"
    )
    if not ending.done():
        listening.result()  # this raises what went wrong
    cpu, memory = time.process_time() - begun, resident()
    await asyncio.sleep(0.2)  # now the stream is quiet
    stopping = time.perf_counter()
    listening.cancel()
    await asyncio.wait({listening})
    return {"operations": received, "cpu": cpu, "memory": memory, "stop": time.perf_counter() - stopping}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(CLIENTS[sys.argv[1]], sys.argv[2]))))
