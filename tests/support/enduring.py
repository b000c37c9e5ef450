# SPDX-License-Identifier: Apache-2.0
"""An endurance run of the listener in a process of its own, so that nothing else changes its memory.

It runs `follow` as the listener does, with short waits and wide limits, and prints each sample as a line of JSON, as
samples that it kept would be memory in use. With --leak it keeps some bytes of each reconnect or operation and opens a
file at each sample, so that the check of the samples must fail.

    python -m tests.support.enduring reconnects http://127.0.0.1:8000 10000
    python -m tests.support.enduring operations http://127.0.0.1:8000 1000000 --leak
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from contextlib import aclosing
from dataclasses import asdict, replace
from itertools import cycle

from appliance.ledger.networks import Network
from appliance.ledger.reader.follow import follow
from appliance.ledger.reader.session import ListenOptions
from appliance.values import Ledger, Link, LinkState
from tests.support.following import QUICK, endless, soon
from tests.support.horizon_ready import FIRST, Ready, operations
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.slope import Sample, look

SAMPLES = 60
# Bytes that a planted leak keeps of each; of a reconnect more, because broken connections change memory by pages.
KEPT = {"operations": 100, "reconnects": 200_000}
# KiB in a million: what 31 MB a year are of reconnects, of which a healthy stream makes 65 an hour.
STEEP = {"operations": 1000.0, "reconnects": 31 * 1024 / (65 * 24 * 365) * 1e6}

# Each connection ends in one of these ways; the ledger that it began is never read whole, so that the next connection
# begins with it again.
STREAMS = (
    "ok",
    "eof",
    "ok",
    "error",
    "ok",
    "500",
    "endless",
    "ok",
    "html",
    "early",
    "ok",
    "429",
    "nonsense",
)
PAGES = ("rst", "500", "html", "bomb", "204", "redirect")
ROOTS = ("ok", "ok", "ok", "ok", "ok", "rst", "ok", "ok", "503")


def servers(what: str, count: int) -> HorizonServer:
    """The server for so many of `what`."""
    if what == "operations":
        return Ready(operations()[0], count)
    faults = {"stream": cycle(STREAMS), "page": cycle(PAGES), "root": cycle(ROOTS)}
    return HorizonServer(generated([3], first=FIRST), faults=faults)


async def endure(what: str, url: str, count: int, leak: bool) -> None:
    """Follow for `count` operations or reconnects, and print samples of the process."""
    done, samples, kept = 0, 0, list[object]()
    network = Network("worn", "generated", (url,))
    # The server never pauses, so a timeout is a fault.
    timeouts = replace(QUICK, answer=60, page=60, silence=60, ask=60, late=60, stale=120, connect=60)
    options = ListenOptions(pages=3, timeouts=timeouts)
    async with aclosing(follow(network, options, backoff=soon(), allowances={url: endless()})) as entries:
        async for entry in entries:
            if what == "operations":
                more = entry.operations if isinstance(entry, Ledger) else 0
            else:
                more = int(isinstance(entry, Link) and entry.state is LinkState.CONNECTING)
            if leak:
                kept += [b"x" * KEPT[what] for _ in range(more)]
            done += more
            if done >= (samples + 1) * count // SAMPLES:
                if leak:
                    kept.append(os.open(os.devnull, os.O_RDONLY))
                gc.collect()  # garbage is not a leak
                sample = look(done, tasks=len(asyncio.all_tasks()))
                print(json.dumps(asdict(sample)), flush=True)  # noqa: T201 - the result
                samples += 1
            if done >= count:
                return
    raise AssertionError("follow has ended")


async def watched(what: str, count: int, *, leak: bool = False) -> list[Sample]:
    """The samples of a listener in a process of its own, while this one serves it."""
    async with servers(what, count) as server:
        words = ["-m", "tests.support.enduring", what, server.url, str(count), *(["--leak"] if leak else [])]
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
    return [Sample(**json.loads(line)) for line in output.splitlines()]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description="Run a listener for long, and print samples of its process."
    )
    arguments.add_argument("what", choices=sorted(STEEP))
    arguments.add_argument("url")
    arguments.add_argument("count", type=int)
    arguments.add_argument("--leak", action="store_true")
    given = arguments.parse_args()
    asyncio.run(endure(given.what, given.url, given.count, given.leak))
