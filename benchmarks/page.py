# SPDX-License-Identifier: Apache-2.0
"""`make bench-page`: what the page costs the player, and what it costs itself.

The whole box plays on a sound card that counts how often it runs dry, and the page is attached to it as an owner would.
Each row adds viewers and listeners that read; the CPU is that of the player and of the page, in per cent of a core.

    python -m benchmarks.page [--seconds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp

from appliance.control import SOCKET
from benchmarks.live_box import LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Cards

TICKS = os.sysconf("SC_CLK_TCK")
BOUND = 2.0  # per cent of a core that three viewers may cost the player
ROWS = [
    (0, ""),
    (1, ""),
    (3, ""),
    (8, ""),
    (3, "mp3"),
    (3, "flac"),
    (8, "mp3 mp3 mp3 mp3"),
]  # viewers, listeners


@contextmanager
def page(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The page of the box in `folder`, and its address."""
    command = [sys.executable, "-m", "appliance", "page", "--set", f"state_dir={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    try:
        assert process.stdout  # noqa: S101 - asked for
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found  # noqa: S101 - it prints it
        yield process, found[0]
    finally:
        process.terminate()
        process.wait()


def cpu(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def _read(url: str, viewers: int, listeners: str, stop: threading.Event) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:

        async def view() -> None:
            async with http.ws_connect(f"{url}events") as socket:
                async for _ in socket:
                    pass

        async def listen(form: str) -> None:
            async with http.get(f"{url}listen.{form}") as answer:
                async for _ in answer.content.iter_any():
                    pass

        tasks = [asyncio.create_task(view()) for _ in range(viewers)]
        tasks += [asyncio.create_task(listen(form)) for form in listeners.split()]
        while not stop.is_set():
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def row(
    box: LiveBox, process: int, url: str, viewers: int, listeners: str, seconds: float
) -> tuple[float, str]:
    """Attach clients for so many seconds: what the player used, and the row of the table."""
    stop = threading.Event()
    clients = threading.Thread(target=lambda: asyncio.run(_read(url, viewers, listeners, stop)))
    clients.start()
    time.sleep(2)  # s until they are connected
    dry, before, own = box.underruns, time.monotonic(), cpu(process)
    usage = box.usage(seconds)
    own = 100 * (cpu(process) - own) / (time.monotonic() - before)
    stop.set()
    clients.join()
    memory = Path(f"/proc/{process}/status").read_text()
    resident = int(memory.partition("VmRSS:")[2].split()[0]) / 1024
    return (
        usage,
        f"| {viewers} | {listeners or 'none'} | {box.underruns - dry} | {usage:.1f} % | {own:.1f} % | {resident:.0f} |",
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What the page costs the player.")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row")
    asked = parser.parse_args()
    if lacking := fault_cards.lacking():
        print(f"No card to play on: {lacking}.")
        return 1
    with tempfile.TemporaryDirectory() as temporary, suppress(KeyboardInterrupt):
        cards = Cards(Path(temporary))
        card = cards["page"]
        print(
            "| viewers | listeners | ran dry | the player's CPU | the page's CPU | its MB |\n|---|---|---|---|---|---|"
        )
        with playing(cards, card) as box:
            box.until((card.folder / SOCKET).exists)
            box.until_heard()
            alone = box.usage(asked.seconds)
            print(f"| no page | | 0 | {alone:.1f} % | | |", flush=True)
            costs = []
            with page(card.folder) as (process, url):
                for viewers, listeners in ROWS:
                    usage, line = row(box, process.pid, url, viewers, listeners, asked.seconds)
                    costs.append((viewers, listeners, usage - alone))
                    print(line, flush=True)
    three = next(cost for viewers, listeners, cost in costs if (viewers, listeners) == (3, ""))
    print(f"\nThree viewers cost the player {three:.1f} % of a core.")
    return int(three > BOUND)


if __name__ == "__main__":
    sys.exit(main())
