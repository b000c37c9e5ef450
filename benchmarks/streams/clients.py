# SPDX-License-Identifier: Apache-2.0
"""Those who listen: each hears all operations of a server, and is then stopped on a quiet stream.

The one rule: a process loads only what its own client needs, for memory is one of the figures.

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
from pathlib import Path
from typing import Literal

from benchmarks.streams import NEVER, OPERATIONS, PAGE, START

Told = Callable[[int], None]  # so many more operations have been heard


async def _follow(url: str, mode: Literal["ledgers", "operations"], told: Told) -> None:
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
                told(entry.operations)
            elif entry.reason:
                raise RuntimeError(f"The benchmark's own server failed: {entry.reason}")


async def ours_ledgers(url: str, told: Told) -> None:
    """Our listener as it ships: ledgers by SSE, operations in packed pages, exact amounts out of them."""
    await _follow(url, "ledgers", told)


async def ours_operations(url: str, told: Told) -> None:
    """Our listener on a Horizon of one's own: all operations by SSE, exact amounts out of them."""
    await _follow(url, "operations", told)


async def ours_records(url: str, told: Told) -> None:
    """Our client under the SDK's server object, for its records alone, as the SDK's own is measured."""
    from appliance.ledger.reader.budget import own
    from appliance.ledger.reader.client import ServerAsync, StreamClient
    from appliance.ledger.reader.session import Timeouts

    async with ServerAsync(url, StreamClient(Timeouts(), own())) as server:
        async for _ in server.operations().cursor(START).limit(PAGE).stream():
            told(1)


async def sdk_async(url: str, told: Told) -> None:
    """The SDK's ServerAsync with its own client."""
    from stellar_sdk.client.aiohttp_client import AiohttpClient
    from stellar_sdk.server_async import ServerAsync

    async with ServerAsync(url, AiohttpClient()) as server:
        async for _ in server.operations().cursor(START).limit(PAGE).stream():
            told(1)


async def sdk_sync(url: str, told: Told) -> None:
    """The SDK's Server, on a thread: it waits for its socket and nothing else."""
    from stellar_sdk.server import Server

    stream = Server(url).operations().cursor(START).limit(PAGE).stream()

    def hear() -> None:
        for _ in stream:
            told(1)

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        with suppress(ValueError):  # "generator already executing": there is no other way to ask
            stream.close()
        thread.join(NEVER)


async def httpx_sse(url: str, told: Told) -> None:
    """httpx-sse on httpx, with the shortest loop that goes on where Horizon ends a connection."""
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
                        told(1)


CLIENTS: dict[str, Callable[[str, Told], Awaitable[None]]] = {
    "ours, ledgers": ours_ledgers,
    "ours, operations": ours_operations,
    "ours, records alone": ours_records,
    "SDK, async": sdk_async,
    "SDK, sync": sdk_sync,
    "httpx-sse": httpx_sse,
}


async def measure(listen: Callable[[str, Told], Awaitable[None]], url: str) -> dict[str, float]:
    """What hearing everything takes: CPU seconds without the start, megabytes, and seconds to stop."""
    heard, begun = 0, 0.0
    all_heard = asyncio.Event()

    def told(more: int) -> None:
        nonlocal heard, begun
        if not heard:
            begun = time.process_time()  # what is loaded, and the first connection, are not counted
        heard += more
        if heard >= OPERATIONS:
            loop.call_soon_threadsafe(all_heard.set)

    loop = asyncio.get_running_loop()
    listening = asyncio.ensure_future(listen(url, told))
    await asyncio.wait(
        {listening, ending := asyncio.ensure_future(all_heard.wait())}, return_when="FIRST_COMPLETED"
    )
    if not ending.done():
        listening.result()  # this raises what went wrong
    cpu, memory = time.process_time() - begun, _resident()
    await asyncio.sleep(0.2)  # now the stream is quiet
    stopping = time.perf_counter()
    listening.cancel()
    await asyncio.wait({listening})
    return {"operations": heard, "cpu": cpu, "memory": memory, "stop": time.perf_counter() - stopping}


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(CLIENTS[sys.argv[1]], sys.argv[2]))))
