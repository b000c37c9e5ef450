# SPDX-License-Identifier: Apache-2.0
"""What a box costs at rest: muted, its panel at rest, and how often its threads wake.

    python -m benchmarks.rest [SECONDS]       a minute; 0 seconds leave the instructions out
    python -m benchmarks.rest muted 10        what the guest of engines/guest.py runs; also "panel"

Instructions are counted in an aarch64 guest, second by second. The panel is the real one on mock pins, without its
thread: its turns, and a sleep after each. SPI is faked by a chip that answers at once, with a noise of one LSB.
Wake-ups are a thread's voluntary context switches, as the kernel counts them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.engines import guest

# The guest lacks scipy, and a part is counted without the libraries of the other, so each imports its own.
if TYPE_CHECKING:
    from appliance.live import LiveOutput
    from benchmarks.measure import Figure

COUNTED = 10  # s
RUN_IN, WATCHED = 2.0, 8.0  # s before wake-ups are counted, and while they are


def main(seconds: int) -> None:
    """Measure, and print the table."""
    from benchmarks.measure import table

    print(table("a box at rest", [*_instructions(seconds), *asyncio.run(_wakes())]))


# --- instructions -------------------------------------------------------------------------------------------


def _instructions(seconds: int) -> Iterator[Figure]:
    from benchmarks.measure import Figure

    if seconds and (missing := guest.missing()):
        print(f"Skipped instructions: install {missing}.")
        return
    for what, most in (("muted", 15.0), ("panel", 8.0)) if seconds else ():
        counts = guest.spans("benchmarks.rest", what, seconds)
        yield Figure(f"{what}, aarch64 instructions", sum(counts) / len(counts) / 1e6, high=most, unit="M/s")


def muted(seconds: int) -> None:
    """The bundled recording on a synth that is muted from the start. In the guest."""
    from appliance.performance import Block, Performance
    from appliance.sound.outputs.silent import Discard
    from appliance.sound.performer import Performer
    from appliance.sound.synth import Synth
    from appliance.values import Controls
    from benchmarks.engines.box import BLOCK, recording

    marked = 0

    def mark(block: Block) -> None:
        nonlocal marked
        if block.passage.seconds >= marked < seconds:
            os.getppid()  # count.c writes its count
            marked += 1

    controls = Controls(1.0, 60.0, "public", muted=True)
    performer = Performer(recording(), Synth(block=BLOCK, seed=2))
    Performance(performer, Discard(), lambda: controls, [mark]).play(float(seconds))
    os.getppid()


def panel(seconds: int) -> None:
    """The panel of a box that is live and plays no note. In the guest."""
    from gpiozero.pins import SPI
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    from appliance.panel.gpio import Board
    from appliance.panel.knobs import SAMPLES, TOP
    from appliance.panel.lamps import Lamps
    from appliance.panel.panel import Panel
    from appliance.panel.pins import wiring
    from appliance.values import BoxState

    rng, pins, lamps = Random(1), wiring(), Lamps()
    noise = [rng.choice((-1, 0, 0, 1)) for _ in range(1000)]

    class Chip(SPI):
        def __init__(self, *, pin_factory: MockFactory, **_: int) -> None:
            super().__init__(pin_factory=pin_factory)
            self._asked = 0

        def _conflicts_with(self, other: object) -> bool:
            return False

        def _get_clock_mode(self) -> int:
            return 0

        def transfer(self, data: Sequence[int]) -> list[int]:
            self._asked += 1
            reading = TOP // 2 + noise[self._asked % len(noise)]
            return [0, reading >> 8, reading & 255]

    class Factory(MockFactory):
        def _get_spi_class(self, shared: bool, hardware: bool) -> type[Chip]:
            return Chip

    lamps.tell(BoxState.LIVE, 0.0)
    it = Panel(lambda: Board(Factory(pin_class=MockPWMPin), pins), pins, lamps, lambda _: None)
    turn = 0
    for second in range(-1, seconds):  # the first, in which it is not yet at rest, is not counted
        if second >= 0:
            os.getppid()
        for _ in range(SAMPLES):
            it.turn(turn / SAMPLES)
            time.sleep(1e-6)
            turn += 1
    os.getppid()


# --- wake-ups -----------------------------------------------------------------------------------------------


async def _wakes() -> list[Figure]:
    """Of the performer without a card, and of the performer and the card's thread on one."""
    from appliance.sound.outputs.speaker import Speaker
    from benchmarks.live_box import SilentCard
    from tests.support import fault_cards

    figures = await _woken("no card", SilentCard())
    if lacking := fault_cards.lacking():
        print(f"Wake-ups with a card are not counted: {lacking}.")
        return figures
    with tempfile.TemporaryDirectory() as folder:
        cards = fault_cards.Cards(Path(folder))
        os.environ.update(cards.environ)
        return figures + await _woken("a card", Speaker(cards["real"].device, latency=0.128, block=512))


async def _woken(where: str, output: LiveOutput) -> list[Figure]:
    """Switches a second of each thread of a muted box."""
    from appliance.ledger.tape import TapePlayer, bundled
    from appliance.live import LivePerformance
    from appliance.parts import composition, synth
    from appliance.settings import load
    from appliance.values import Controls
    from benchmarks.measure import Figure

    def failed(error: BaseException) -> None:
        raise error

    settings = load({}, {}).settings
    controls = Controls(0.7, settings.tempo, settings.network, muted=True)
    with closing(synth(settings)) as instrument:
        live = LivePerformance(
            composition(settings, TapePlayer(bundled().__iter__).until),
            instrument,
            settings.sound.polyphony,
            output,
            lambda: controls,
            played=lambda *_: None,
            failed=failed,
        )
        async with live.running():
            await asyncio.sleep(RUN_IN)
            before, begun = _switches(), time.monotonic()
            await asyncio.sleep(WATCHED)
            after, passed = _switches(), time.monotonic() - begun
    return [
        Figure(
            f"{name}'s thread wakes, with {where}",
            (after[name] - before[name]) / passed,
            high=25.0,
            unit="/s",
        )
        for name in ("performer", "card")
        if name in before
    ]


def _switches() -> dict[str, int]:
    """The voluntary context switches of each thread, by its name."""
    found = {}
    for thread in threading.enumerate():
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))
        found[thread.name] = int(line.split()[1])
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["muted"]:
        muted(int(sys.argv[2]))
    elif sys.argv[1:2] == ["panel"]:
        panel(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else COUNTED)
