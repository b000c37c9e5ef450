# SPDX-License-Identifier: Apache-2.0
"""The soak: the whole box through a day of its own time, in bad weather, held to what it promises.

The one rule: it is the box that ships, from its main thread to its last sample. Only the card is ours, and with it the
clock (`virtual`), the network and the hands (`weather`), and those who judge (`watch`).

    python -m benchmarks.soak --hours 24 --seed 7     exit code 1 if a bound is broken

A soak that cannot fail proves nothing: `--plant` puts a fault beside the box that it must find, after a minute:
leak=BYTES keeps so much of every note, silence takes the sound away, hang stops the performer, deaf the main thread.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import faulthandler
import gc
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from appliance.box import Box
from appliance.ledger.tape import bundled
from appliance.saved.state import AT_ONCE
from appliance.settings import load
from appliance.sound.outputs.speaker import Speaker
from appliance.sound.synth import Synth
from appliance.values import NoteEvent
from benchmarks.measure import Figure, table
from benchmarks.soak.virtual import Card, VirtualLoop
from benchmarks.soak.watch import GAP, PEAK, Ear, Log, Writes
from benchmarks.soak.weather import Weather, children
from tests.support.slope import STEEP, WARM_UP, Sample, complaints, look, trend
from tests.support.traces import found

SAMPLES = 120  # of memory, in a soak of any length
SCENES = ("wind", "night")
FULL, YOUNG = 4096, 1024.0  # notes until the box remembers all it may, and the KiB that this takes
WAVER = 96.0  # KiB by which memory may move without growing: two of its steps. In an hour only more than that shows
PLANTED_AT = 60.0  # s


class SoakedBox(Box):
    """The box that ships, on a card of ours."""

    card: Card

    def _open(self) -> Speaker:
        return cast(Speaker, self.card)  # it has all of one's that the box asks for


class Soak:
    """A soak of `hours` of the box's time. `patience` is in seconds of the real clock."""

    def __init__(
        self, hours: float, seed: int, folder: Path, plant: str = "", patience: float = 300.0
    ) -> None:
        self.seconds, self._folder, self._patience = hours * 3600, folder, patience
        self._plant, _, leak = plant.partition("=")
        self._leak = int(leak or 0)  # bytes a note
        self._rng = Random(seed)
        self._planted: list[object] = []
        self.ear, self.samples = Ear(), list[Sample]()
        self.state = folder / "state"
        self.state.mkdir()
        self.writes = Writes(self.state / "state.json")
        self.starts = 0

    def run(self) -> list[Figure]:
        """Play, and say how it was. What hangs ends the process, with a traceback of every thread."""
        card = Card(self._hear)
        self.table = (self._folder / "samples").open("w", buffering=1)
        with (
            (self._folder / "log").open("w", buffering=1) as log,
            (self._folder / "samples").open("w", buffering=1) as samples,
        ):
            self.log = Log(log)
            logging.basicConfig(level=logging.INFO, handlers=[self.log], force=True)
            with asyncio.Runner(loop_factory=lambda: VirtualLoop(card)) as runner:
                runner.run(self._play(card, samples))
        faulthandler.cancel_dump_traceback_later()
        return self._figures()

    async def _play(self, card: Card, samples: TextIO) -> None:
        rng = self._rng
        weather = Weather(self._folder, Random(rng.random()))
        self.box = SoakedBox(
            load({"volume": 1.0, "keep.format": "tape"}, {}).settings,
            bundled(),
            weather.listener.command,
            lambda: load({"scene": rng.choice(SCENES)}, {}).settings,
            self.state,
            clock=lambda: card.seconds,
        )
        self.box.card, self.weather = card, weather
        playing = asyncio.create_task(self.box.run(desk=False))
        blowing = asyncio.create_task(weather.blow(self.box))
        watching = asyncio.create_task(self._watch(samples))
        done, _ = await asyncio.wait({playing, blowing, watching}, return_when=asyncio.FIRST_COMPLETED)
        self.seconds = card.seconds  # a signal ends it sooner
        self.box.stop()
        await playing
        for task in (blowing, watching):
            task.cancel()
        await asyncio.gather(blowing, watching, return_exceptions=True)
        for task in done:
            task.result()

    def _hear(self, samples: NDArray[np.float32], begun: Sequence[NoteEvent], seconds: float) -> None:
        self.log.seconds = seconds
        if self._plant and seconds > PLANTED_AT:
            self._spoil(samples, begun)
        self.ear.hear(samples, begun, seconds, self.box.controls)

    def _spoil(self, samples: NDArray[np.float32], begun: Sequence[NoteEvent]) -> None:
        match self._plant:
            case "leak":
                self._planted += [b"x" * self._leak for _ in begun]
            case "silence":
                samples[:] = 0.0
            case "hang":
                while True:
                    time.sleep(1.0)

    async def _watch(self, samples: TextIO) -> None:
        """Look at the box once a second, and SAMPLES times at its memory and all that must not grow."""
        now = asyncio.get_running_loop().time
        due = every = self.seconds / SAMPLES
        while now() < self.seconds:
            await asyncio.sleep(1.0)
            self.writes.look()
            faulthandler.dump_traceback_later(self._patience, exit=True)
            if self._plant == "deaf" and now() > PLANTED_AT:
                while True:
                    pass
            # Only while there is a listener, so that the same things are counted each time.
            if now() >= due and self.weather.listener.heard and children():
                due += every
                gc.collect()
                synth = cast(Synth, self.box._performer.synth)
                tasks, streams = len(asyncio.all_tasks()), synth.streams
                self.samples.append(look(self.ear.notes, tasks=tasks, streams=streams))
                print(*dataclasses.astuple(self.samples[-1]), file=samples)

    def grown(self) -> list[str]:
        """What grows, a sentence each."""
        first = self.samples[int(len(self.samples) * WARM_UP)].done
        waver = WAVER if first > FULL else WAVER + YOUNG
        return complaints(self.samples, max(STEEP, waver / (self.samples[-1].done - first) * 1e6))

    def _figures(self) -> list[Figure]:
        ear, days = self.ear, self.seconds / 86400
        line = trend(self.samples)
        return [
            Figure("longest time below -55 dBFS, not muted", ear.gap, None, GAP, "s"),
            Figure("blocks with samples that are no numbers", ear.broken, None, 0),
            Figure("peak", 20 * float(np.log10(ear.peak + 1e-12)), None, PEAK, "dBFS"),
            Figure("longest time without a note", ear.rest, None, None, "s"),
            Figure("notes", ear.notes, self.seconds / 6),
            Figure("memory that is its own, at the end", self.samples[-1].memory / 1024, None, None, "MiB"),
            Figure("memory, KiB in a million notes", line.slope),
            Figure("    straightness of that line, r²", line.straight),
            *(
                Figure(f"{name}, at the end", count, None, None)
                for name, count in self.samples[-1].counts.items()
            ),
            Figure("log", self.log.bytes / 1000, None, 1000 * days, "kB"),
            Figure("times the state was written", self.writes.count, None, 300 * days + AT_ONCE),
            Figure("accounts, hashes and memos in all of it", len(found(self._folder)), None, 0),
            Figure("processes left behind", len(children()), None, 0),
        ]


def main() -> int:
    """Soak, print what came of it, and say whether every bound was kept."""
    parser = argparse.ArgumentParser(prog="soak", description="A day of the box's own time, in bad weather.")
    parser.add_argument("--hours", type=float, default=24.0, help="of the box's own time")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the weather; without it some other each time"
    )
    parser.add_argument(
        "--plant", default="", help="a fault to find: leak=BYTES (a note), silence, hang or deaf"
    )
    parser.add_argument("--patience", type=float, default=300.0, help="s of the real clock until it is hung")
    parser.add_argument("--folder", type=Path, help="keep the log and the state there")
    arguments = parser.parse_args()
    seed = int.from_bytes(os.urandom(2)) if arguments.seed is None else arguments.seed
    print(
        f"Soaking for {arguments.hours:g} h of the box's own time; the weather's seed is {seed}.", flush=True
    )
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        soak = Soak(arguments.hours, seed, folder, arguments.plant, arguments.patience)
        figures = soak.run()
    spent = time.process_time() - begun
    title = f"{soak.seconds / 3600:.2f} h in {spent:.0f} s of CPU, {soak.seconds / spent:.0f} times real time"
    print(table(title, figures))
    print("\n".join(f"    {count:>5} x {name}" for name, count in soak.weather.happened.most_common()))
    grown = soak.grown()
    print("\n".join(f"  ! {sentence}" for sentence in grown))
    return 0 if all(figure.kept for figure in figures) and not grown else 1


if __name__ == "__main__":
    sys.exit(main())
