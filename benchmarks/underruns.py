# SPDX-License-Identifier: Apache-2.0
"""Does the sound ever stop because the machine is late? With the busiest ledgers that there can be.

    python -m benchmarks.underruns [--virtual SECONDS] [--slow N ...] [--real SECONDS] [--urgency COMMAND]

`--virtual` plays so many seconds of music as fast as the machine can, and simulates the buffer of a card: a block
fills it, and it empties while the next one is computed. A block takes its processor time multiplied by N of `--slow`:
20 is about a Zero 2 W. `--real` runs the whole box, its listener and a Horizon in real time on a card that counts its
underruns, while all cores but one are kept busy. `--urgency` starts the box: by default `nice -n -10`, as its unit
does; with `chrt -r 1` other programs of a shared machine do not disturb it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from appliance.parts import composition, synth
from appliance.performance import Block, Performance
from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import BURST
from appliance.sound.outputs.silent import Discard
from appliance.sound.performer import Performer
from appliance.sound.polyphony import PolyphonyLimiter
from appliance.values import Amount, Controls, Kind, Ledger
from benchmarks.live_box import URGENCY, LiveBox, playing
from tests.support import fault_cards
from tests.support.fault_cards import Cards
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

OPERATIONS = 1000  # of a ledger; the public network's limit
CLOSE = 5.0  # s between two ledgers, a little faster than the real ones
MINUTE = 60.0  # s


def busy_ledger(sequence: int, random: Random) -> Ledger:
    """A full ledger, of all kinds."""
    kinds = list(Kind)
    amounts = tuple(
        Amount(
            int(random.lognormvariate(18.0, 3.0)) + 1, random.choice(kinds), random.random() < 0.5, sequence
        )
        for _ in range(OPERATIONS)
    )
    return Ledger(sequence, 1_790_000_000 + sequence * 5, OPERATIONS, OPERATIONS, 0, amounts)


def virtual(seconds: float, slow: float) -> str:
    """Play `seconds` of music on a machine that is `slow` times slower than this one."""
    settings, random = load({}, {}).settings, Random(1)
    sound = settings.sound
    block, buffer, burst = sound.block_size / SAMPLE_RATE, sound.latency / 1000, BURST / SAMPLE_RATE
    limiter, next_ledger = PolyphonyLimiter(sound.polyphony), 0.0
    held, leads, spent = buffer, limiter.leads, [0.0]  # s of the card's buffer, notes, s of each block
    dry, halved, fewest = 0, 0, limiter.leads

    def ledgers(now: float) -> Iterator[Ledger]:
        nonlocal next_ledger
        if now >= next_ledger:
            yield busy_ledger(1000 + int(next_ledger), random)
            next_ledger += CLOSE

    def observe(one: Block) -> None:
        nonlocal held, leads, dry, halved, fewest
        spent.append(one.spent)
        halved += limiter.leads < leads
        leads, fewest = limiter.leads, min(fewest, limiter.leads)
        held -= one.spent
        dry += held < 0
        held = max(0.0, held) + block
        if held > buffer - block:  # full: the performer goes on when there is room for a burst
            held = buffer - burst

    controls = Controls(0.7, 60.0, "public")
    with closing(synth(settings)) as instrument:
        performer = Performer(
            composition(settings, ledgers), instrument, limiter, lambda: time.thread_time() * slow
        )
        gc.collect()
        gc.freeze()  # as the box does
        Performance(performer, Discard(), lambda: controls, [observe]).play(seconds)
    busy, worst = 100 * sum(spent) / seconds, max(spent) * 1000
    return (
        f"| {slow:g} | {seconds / MINUTE:.0f} | {dry} | {busy:.0f} % | {worst:.0f} ms | {halved} | {fewest} "
        f"| {limiter.leads} |"
    )


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
    parser.add_argument("--virtual", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument("--slow", type=float, nargs="*", default=[1.0, 20.0], metavar="N")
    parser.add_argument("--real", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--urgency", default=shlex.join(URGENCY), metavar="COMMAND")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if asked.virtual:
        print(
            "| times slower | minutes | ran dry | busy | longest block | halved | fewest leads | leads at the end |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for slow in asked.slow:
            print(virtual(asked.virtual, slow), flush=True)
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
