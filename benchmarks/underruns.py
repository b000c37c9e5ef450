# SPDX-License-Identifier: Apache-2.0
"""Does the sound ever stop because the machine is late? With the busiest ledgers that there can be.

    python -m benchmarks.underruns [--virtual SECONDS] [--speed M ...] [--real SECONDS] [--urgency COMMAND]

`--virtual` simulates the buffer of a card for so many seconds: a block fills it, and it empties while the next one is
computed. The time of a block is its aarch64 instructions, counted in a guest (engines/guest.py), on a machine of M
million instructions a second, so no load of this computer counts. ZERO is about a Zero 2 W; SLOW is a twentieth of the
computer on which this was written. `--real` runs the whole box, its listener and a Horizon in real time on a card that
counts its underruns, while all cores but one are kept busy. `--urgency` starts the box: by default `nice -n -10`, as
its unit does; with `chrt -r 1` other programs of a shared machine do not disturb it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import BURST
from appliance.sound.polyphony import PolyphonyLimiter
from benchmarks.engines import guest
from benchmarks.engines.busy import CLOSE, OPERATIONS
from benchmarks.live_box import URGENCY, LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Cards
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

ZERO, SLOW = 700.0, 210.0  # million instructions a second
MINUTE = 60.0  # s


def virtual(seconds: float, speed: float) -> Iterator[str]:
    """Play `seconds` of music on a machine of `speed` million instructions a second: a row for each burst.

    A burst of one block is how it would be if the performer woke for each block.
    """
    sound = load({}, {}).settings.sound
    block, buffer = sound.block_size / SAMPLE_RATE, sound.latency / 1000
    counts = guest.spans("benchmarks.engines.busy", speed, seconds)[::2]  # without what is between two blocks
    spent = [count / (speed * 1e6) for count in counts]
    limiter = PolyphonyLimiter(sound.polyphony)
    leads = [limiter.after(one, block) for one in spent]
    halved = sum(after < before for before, after in pairwise(leads))
    busy, worst = 100 * sum(spent) / (len(spent) * block), 1000 * max(spent)
    for burst in (sound.block_size, BURST):
        dry, least = _buffered(spent, block, buffer, burst / SAMPLE_RATE)
        yield (
            f"| {speed:g} | {seconds / MINUTE:.0f} | {burst} | {dry} | {least * 1000:.0f} ms | {busy:.0f} % "
            f"| {worst:.0f} ms | {halved} | {min(leads)} | {leads[-1]} |"
        )


def _buffered(spent: Sequence[float], block: float, buffer: float, burst: float) -> tuple[int, float]:
    """How often the card runs dry, and the least that it holds, in seconds, when each block takes so long."""
    held = least = buffer
    dry = 0
    for one in spent:
        held -= one
        least = min(least, held)
        dry += held < 0
        held = max(0.0, held) + block
        if held > buffer - block:  # full: the performer goes on when there is room for a burst
            held = buffer - burst
    return dry, least


@contextmanager
def burning() -> Iterator[int]:
    """Processes that compute all the time, one for each core but one."""
    count = max(1, (os.cpu_count() or 2) - 1)
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield count
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


async def real(seconds: float, folder: Path, urgency: Sequence[str]) -> None:
    """Run the box for so long, and print a line a minute."""
    cards = Cards(folder)
    chain = generated([OPERATIONS] * (round(seconds / CLOSE) + 20), network="busy")
    async with HorizonServer(chain, tip=1001, poll=0.1) as server:
        config = folder / "box.toml"
        config.write_text(
            f'network = "mine"\n[networks.mine]\nendpoints = ["{server.url}"]\npassphrase = "busy"\n'
            "[listener]\npages = 5\n"
        )
        with (
            burning(),
            playing(cards, cards["real"], words=("--config", str(config)), urgency=urgency) as box,
        ):
            closing = asyncio.create_task(close(server))
            try:
                while not any("Live" in line for line in box.lines):
                    await asyncio.sleep(0.1)
                await minutes(box, seconds)
            finally:
                closing.cancel()
            print("\n".join(box.lines))


async def close(server: HorizonServer) -> None:
    """Close a ledger every CLOSE seconds."""
    while True:
        await asyncio.sleep(CLOSE)
        server.tip += 1


async def minutes(box: LiveBox, seconds: float) -> None:
    """Print each minute how often the card has run dry."""
    begun = time.monotonic()
    while (left := begun + seconds - time.monotonic()) > 0:
        before, cpu = box.underruns, box.cpu
        took = time.monotonic()
        await asyncio.sleep(min(MINUTE, left))
        usage = 100 * (box.cpu - cpu) / (time.monotonic() - took)
        minute = (time.monotonic() - begun) / MINUTE
        print(
            f"| {minute:.1f} | {box.underruns - before} | {usage:.0f} % | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Does the sound ever stop because the machine is late?")
    parser.add_argument("--virtual", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--speed", type=float, nargs="*", default=[ZERO, SLOW], metavar="M")
    parser.add_argument("--real", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--urgency", default=shlex.join(URGENCY), metavar="COMMAND")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if asked.virtual and (missing := guest.missing()):
        print(f"Skipped the simulated machines: install {missing}.")
    elif asked.virtual:
        print("| M/s | min | burst | ran dry | least held | busy | longest block | halved | fewest | leads |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for speed in asked.speed:
            print(*virtual(asked.virtual, speed), sep="\n", flush=True)
    if asked.real:
        if lacking := fault_cards.lacking():
            print(f"No card to play on: {lacking}.")
            return 1
        print("\n| minute | ran dry | the player's CPU | load of the machine |\n|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(real(asked.real, Path(folder), shlex.split(asked.urgency)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
