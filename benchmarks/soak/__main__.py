# SPDX-License-Identifier: Apache-2.0
"""The soak: the whole box through a day of virtual time with faults of every kind, and the bounds that it must keep.

It is the box that ships. Simulated are only its sound card, which is also its clock (virtual.py), and the network, the
user and the clients (faults.py); watch.py checks the sound.

    python -m benchmarks.soak --hours 24 --seed 7     exit code 1 if a bound is broken

A soak must be able to fail: `--plant` adds a fault that it must find, after a minute: leak=BYTES keeps so much of every
note, silence mutes the sound, hang stops the performer's thread, deaf the main thread.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import faulthandler
import gc
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from appliance.box import Box, Start
from appliance.control import SOCKET
from appliance.ledger.tape import bundled
from appliance.saved.state import AT_ONCE
from appliance.settings import load
from benchmarks.measure import Figure, table
from benchmarks.processes import children
from benchmarks.soak.faults import Faults
from benchmarks.soak.virtual import Card, VirtualLoop
from benchmarks.soak.watch import GAP, PEAK, Ear, Log, Writes
from tests.support.slope import MOST, WARM_UP, WAVER, Sample, complaints, look, trend
from tests.support.traces import found

SAMPLES = 120  # of memory, in a soak of any length
SCENES = ("wind", "night")
FULL, YOUNG = 4096, 1024.0  # notes until the box's buffers are full, and the KiB that they take
PLANTED_AT = 60.0  # s


class Soak:
    """A soak of `hours` of virtual time. `patience` is in seconds of the real clock."""

    def __init__(
        self, hours: float, seed: int, folder: Path, plant: str = "", patience: float = 300.0
    ) -> None:
        self.seconds, self._folder, self._patience = hours * 3600, folder, patience
        self._plant, _, leak = plant.partition("=")
        self._leak = int(leak or 0)  # bytes a note
        self._rng = Random(seed)
        self._planted: list[object] = []
        self.ear = Ear()
        self.state = folder / "state"
        self.state.mkdir()
        self.writes = Writes(self.state / "state.json")

    def run(self) -> list[Figure]:
        """Play, and return the figures. A box that hangs ends the process, with a traceback of every thread."""
        card = Card(self._check)
        with (
            (self._folder / "log").open("w", buffering=1) as log,
            (self._folder / "samples").open("w", buffering=1) as samples,
        ):
            self.log = Log(log)
            logging.basicConfig(level=logging.INFO, handlers=[self.log], force=True)
            with asyncio.Runner(loop_factory=lambda: VirtualLoop(card)) as runner:
                runner.run(self._play(card, samples))
        faulthandler.cancel_dump_traceback_later()
        lines = (self._folder / "samples").read_text().splitlines()
        self.samples = [Sample(**json.loads(line)) for line in lines]
        return self._figures()

    async def _play(self, card: Card, samples: TextIO) -> None:
        rng = self._rng
        self.faults = Faults(self._folder, Random(rng.random()))
        self.box = Box(
            load({"volume": 1.0, "keep.format": "score"}, {}).settings,
            Start(
                bundled(),
                listener=self.faults.listener.command,
                state_dir=self.state,
                runtime_dir=self._folder / "run",
            ),
            reread=lambda: load({"scene": rng.choice(SCENES)}, {}).settings,
            clock=lambda: card.seconds,
            output=lambda _: card,
        )
        playing = asyncio.create_task(self.box.run())
        others = [
            asyncio.create_task(work)
            for work in (self.faults.run(self.box), self._watch(samples), self._count_notes(card))
        ]
        done, _ = await asyncio.wait({playing, *others}, return_when=asyncio.FIRST_COMPLETED)
        self.seconds = card.seconds  # a signal ends it sooner
        self.box.stop()
        await playing
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done:
            task.result()

    def _check(self, samples: NDArray[np.float32], seconds: float) -> None:
        self.log.seconds = seconds
        if seconds > PLANTED_AT:
            if self._plant == "silence":
                samples[:] = 0.0
            while self._plant == "hang":
                time.sleep(1.0)
        self.ear.check(samples, seconds, self.box.console.controls)

    async def _count_notes(self, card: Card) -> None:
        """Count the notes as a client of the control socket, which is told when each is heard."""
        socket = self._folder / "run" / SOCKET
        while not socket.exists():
            await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(b'{"do":"watch"}\n')
        while line := await reader.readline():
            if note := json.loads(line).get("note"):
                self.ear.note(note["voice"], card.seconds)
                if self._plant == "leak":
                    self._planted.append(b"x" * self._leak)
        await asyncio.Event().wait()  # the box has ended

    async def _watch(self, samples: TextIO) -> None:
        """Look at the files once a second, and SAMPLES times at the memory and at everything that must not grow."""
        from pyo import PyoObject  # the box has imported it by now, without its greeting

        now = asyncio.get_running_loop().time
        due = every = self.seconds / SAMPLES
        while now() < self.seconds:
            await asyncio.sleep(1.0)
            self.writes.look()
            faulthandler.dump_traceback_later(self._patience, exit=True)
            if self._plant == "deaf" and now() > PLANTED_AT:
                while True:
                    pass
            # Only while there is a listener, so that its task and files are counted each time.
            if now() >= due and self.faults.listener.connected and children():
                due += every
                gc.collect()
                # The box freezes what exists at its start, so these were made later.
                objects = sum(isinstance(it, PyoObject) for it in gc.get_objects())
                tasks = len(asyncio.all_tasks())
                sample = look(self.ear.notes, tasks=tasks, pyo_objects=objects)
                # Samples that it kept would be memory in use.
                print(json.dumps(dataclasses.asdict(sample)), file=samples)

    def grown(self) -> list[str]:
        """A sentence for each thing that grows."""
        first = self.samples[int(len(self.samples) * WARM_UP)].done
        return complaints(self.samples, waver=WAVER if first > FULL else WAVER + YOUNG)

    def _figures(self) -> list[Figure]:
        ear, days = self.ear, self.seconds / 86400
        line = trend(self.samples)
        return [
            Figure("longest time below -55 dBFS, not muted", ear.gap, None, GAP, "s"),
            Figure("blocks with samples that are not finite", ear.broken, None, 0),
            Figure("peak", 20 * float(np.log10(ear.peak + 1e-12)), None, PEAK, "dBFS"),
            Figure("longest time without a note", ear.rest, None, None, "s"),
            Figure("notes", ear.notes, self.seconds / 6),
            Figure("anonymous memory, at the end", self.samples[-1].resident / 1024, None, None, "MiB"),
            Figure("    its growth in the second half", line.resident, None, MOST, "KiB"),
            Figure("memory in use, at the end", self.samples[-1].memory / 1024, None, None, "MiB"),
            Figure("    its slope, KiB in a million notes", line.slope),
            Figure("    straightness of that line, r²", line.straight),
            *(
                Figure(f"{name}, at the end", count, None, None)
                for name, count in self.samples[-1].counts.items()
            ),
            Figure("log", self.log.bytes / 1000, None, 1000 * days, "kB"),
            Figure("times the state was written", self.writes.count, None, 300 * days + AT_ONCE),
            Figure("accounts, hashes and memos in its files", len(found(self._folder)), None, 0),
            Figure("processes left behind", len(children()), None, 0),
        ]


def main() -> int:
    """Soak, print the figures, and return 1 if a bound was broken."""
    parser = argparse.ArgumentParser(
        prog="soak", description="A day of virtual time with faults of every kind."
    )
    parser.add_argument("--hours", type=float, default=24.0, help="of virtual time")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the faults; another one each time without it"
    )
    parser.add_argument(
        "--plant", default="", help="a fault to find: leak=BYTES (a note), silence, hang or deaf"
    )
    parser.add_argument(
        "--patience", type=float, default=300.0, help="s of the real clock after which it hangs"
    )
    parser.add_argument("--folder", type=Path, help="keep the log and the state there")
    arguments = parser.parse_args()
    seed = int.from_bytes(os.urandom(2)) if arguments.seed is None else arguments.seed
    print(f"Soaking for {arguments.hours:g} h of virtual time; the seed is {seed}.", flush=True)
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        soak = Soak(arguments.hours, seed, folder, arguments.plant, arguments.patience)
        figures = soak.run()
    spent = time.process_time() - begun
    title = f"{soak.seconds / 3600:.2f} h in {spent:.0f} s of CPU, {soak.seconds / spent:.0f} times real time"
    print(table(title, figures))
    print("\n".join(f"    {count:>5} x {name}" for name, count in soak.faults.injected.most_common()))
    grown = soak.grown()
    print("\n".join(f"  ! {sentence}" for sentence in grown))
    return 0 if all(figure.kept for figure in figures) and not grown else 1


if __name__ == "__main__":
    sys.exit(main())
