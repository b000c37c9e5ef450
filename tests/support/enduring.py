# SPDX-License-Identifier: Apache-2.0
"""A listener that is worn out and watched from within: a process of its own, so that nothing else moves its memory.

The one rule: what ships is what is worn: `follow` as the listener runs it, with short waits and wide limits. It prints
its samples as JSON. With --leak it keeps a little of each thing done, and opens a file at each sample: the rule that is
to judge the samples must then complain.

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
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.follow import follow
from appliance.ledger.reader.session import ListenOptions
from appliance.values import Ledger, Link, LinkState
from tests.support.following import QUICK, soon
from tests.support.horizon_ready import FIRST, Ready, operations
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.slope import Sample, look

SAMPLES = 60
# Bytes of each thing done that a planted leak keeps; of a reconnect the page, for what breaks moves memory by pages.
KEPT = {"operations": 100, "reconnects": 200_000}
# KiB in a million: what 31 MB a year are of reconnects, of which a healthy stream makes 65 an hour.
STEEP = {"operations": 1000.0, "reconnects": 31 * 1024 / (65 * 24 * 365) * 1e6}

# Each connection comes to one of these ends; the ledger that it began is never heard whole, so that the next begins
# with it again.
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
    """The server that wears a listener out by so many of `what`."""
    if what == "operations":
        return Ready(operations()[0], count)
    faults = {"stream": cycle(STREAMS), "page": cycle(PAGES), "root": cycle(ROOTS)}
    return HorizonServer(generated([3], first=FIRST), faults=faults)


async def endure(what: str, url: str, count: int, leak: bool) -> list[Sample]:
    """Follow until `count` operations or reconnects, and how the process stood all along."""
    done, samples, kept = 0, list[Sample](), list[object]()
    network = Network("worn", "generated", (url,))
    # The server never rests, so nothing is late but what never comes.
    way = ListenOptions(
        pages=3, patience=replace(QUICK, answer=30, page=30, silence=30, ledger=30, connect=30)
    )
    async with aclosing(follow(network, way, backoff=soon(), allowances={url: own()})) as entries:
        async for entry in entries:
            if what == "operations":
                more = entry.operations if isinstance(entry, Ledger) else 0
            else:
                more = int(isinstance(entry, Link) and entry.state is LinkState.CONNECTING)
            if leak:
                kept += [b"x" * KEPT[what] for _ in range(more)]
            done += more
            if done >= (len(samples) + 1) * count // SAMPLES:
                if leak:
                    kept.append(os.open(os.devnull, os.O_RDONLY))
                gc.collect()  # what waits for the collector is no leak
                samples.append(look(done, tasks=len(asyncio.all_tasks())))
            if done >= count:
                return samples
    raise AssertionError("it has ended by itself")


async def watched(what: str, count: int, *, leak: bool = False) -> list[Sample]:
    """The samples of a listener in a process of its own, while this one serves it."""
    async with servers(what, count) as server:
        words = ["-m", "tests.support.enduring", what, server.url, str(count), *(["--leak"] if leak else [])]
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0
    return [Sample(**sample) for sample in json.loads(said)]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Wear a listener out, and print how it stood.")
    arguments.add_argument("what", choices=sorted(STEEP))
    arguments.add_argument("url")
    arguments.add_argument("count", type=int)
    arguments.add_argument("--leak", action="store_true")
    given = arguments.parse_args()
    samples = asyncio.run(endure(given.what, given.url, given.count, given.leak))
    print(json.dumps([asdict(sample) for sample in samples]))  # noqa: T201 - its answer
