# SPDX-License-Identifier: Apache-2.0
"""The cost of the panel, the noise of its knobs, and how far its lamps and the sound are apart.

The panel is the real one, with its thread, on mock pins; the music is a live performance into an output that knows when
each sample would be heard. `python -m benchmarks.panel`, two minutes.
"""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from itertools import pairwise
from random import Random
from statistics import median, quantiles

import numpy as np
from numpy.typing import NDArray

from appliance.ledger.tape import TapePlayer, bundled
from appliance.live import LivePerformance
from appliance.music.scales import ROOTS, Scale
from appliance.panel.lamps import NOTE_LAMPS, OPENING, Lamps, duty
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.panel.pins import wiring
from appliance.parts import composition, synth
from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.speaker import OutputStatus
from appliance.status import BED
from appliance.values import BoxState, Controls, Knob, Passage
from benchmarks.measure import Figure, table
from tests.support import noise

MINUTES = 60.0  # for which a knob is not touched
TURNS = 200
ENGINE = 15.0  # s for each rate
PLAYED = 40.0  # s of music
NEAR = 0.2  # s around a note in which its lamp must light
BUFFER = 0.1  # s that the output holds, as a card does


def figures() -> list[Figure]:
    """All of them."""
    return [*_knobs(), *_engine(0), *_engine(10), *_engine(40), *asyncio.run(_agreement())]


def _knobs() -> list[Figure]:
    rng = Random(1)
    idle = max(noise.idle_changes(place, MINUTES, rng) for place in (0.0, 0.013, 0.5, 1.0))
    steps = [noise.step(0.3, 0.7, rng) for _ in range(TURNS)]
    return [
        Figure("knob not touched for an hour, changes a minute, worst of four places", idle, high=1.0),
        Figure("knob turned at once, 90 % of the way, median", 1000 * median(steps), unit="ms"),
        Figure("knob turned at once, 90 % of the way, worst", 1000 * max(steps), high=40.0, unit="ms"),
    ]


class WatchedLamps(Lamps):
    """Lamps that keep each frame: its moment, and the duty cycles of the lamps."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[tuple[float, tuple[float, ...]]] = []

    def levels(self, seconds: float) -> tuple[float, ...]:
        """The levels of a frame. The panel's thread."""
        levels = super().levels(seconds)
        self.frames.append((time.monotonic(), tuple(map(duty, levels))))
        return levels


def _panel(lamps: Lamps) -> Panel:
    pins = wiring()
    positions = dict.fromkeys(Knob, 0.5)
    return Panel(Mock(pins, positions).board, pins, lamps, lambda _: None)


def _engine(rate: int) -> list[Figure]:
    """The panel's thread alone, at so many notes a second."""
    lamps = WatchedLamps()
    lamps.tell(BoxState.LIVE, 0.0)
    panel = _panel(lamps)
    rng = Random(1)
    panel.start()
    panel.looked(10.0)
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    while time.monotonic() - begun < ENGINE:
        for _ in range(rate // 2):
            lamps.hit(rng.randrange(NOTE_LAMPS), rng.random(), time.monotonic() + rng.random() / 2)
        time.sleep(0.5)
    spent = time.monotonic() - begun
    after, threads = resource.getrusage(resource.RUSAGE_SELF), threading.active_count()
    panel.close()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    switched = after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw
    apart = [1000 * (later - earlier) for (earlier, _), (later, _) in pairwise(lamps.frames)]
    name = f"at {rate} notes a second"
    frames = (35.0, 65.0) if rate else (13.0, 17.0)  # a second: 60 while a lamp changes, 15 at rest
    return [
        Figure(f"panel {name}, CPU", 100 * used / spent, high=10.0, unit="% of a core"),
        Figure(f"panel {name}, switches", switched / spent, unit="a second"),
        Figure(
            f"panel {name}, frames",
            len(apart) / sum(apart) * 1000,
            low=frames[0],
            high=frames[1],
            unit="a second",
        ),
        Figure(f"panel {name}, from frame to frame, 99 % within", quantiles(apart, n=100)[-1], unit="ms"),
        Figure(f"panel {name}, from frame to frame, longest", max(apart), unit="ms"),
        Figure(f"panel {name}, threads beside the main one", threads - 1),
    ]


class Ear:
    """An output at the pace of a card, which keeps the moment at which each block begins to be heard."""

    latency = BUFFER
    status = OutputStatus("an ear", "", 0, BUFFER)

    def __init__(self) -> None:
        self.heard: list[float] = []  # s of the monotonic clock, by the number of the block
        self._ends = 0.0  # s at which the last block has been heard

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take a block when there is room for it."""
        now = time.monotonic()
        begins = max(self._ends, now)
        self.heard.append(begins)
        self._ends = begins + len(samples) / SAMPLE_RATE
        time.sleep(max(0.0, self._ends - BUFFER - now))

    def close(self) -> None:
        """Do nothing."""


async def _agreement() -> list[Figure]:
    """A live performance of a tape with a panel, whose frames are then compared with the moments of the notes."""
    settings, ear, lamps = load({}, {}).settings, Ear(), WatchedLamps()
    notes: list[tuple[float, int]] = []  # s of the audio clock, and the place of its lamp

    def played(passage: Passage, heard: float, ends: float) -> None:
        scale = Scale(passage.context.scale, ROOTS[passage.context.root])
        for event in passage.notes:
            if event.note.voice not in BED:
                tone = scale.degree(event.note.pitch)
                lamps.hit(tone, event.note.velocity, heard + event.seconds - passage.seconds)
                notes.append((event.seconds, tone % NOTE_LAMPS))

    def failed(error: BaseException) -> None:
        raise error

    controls = Controls(0.7, settings.tempo, settings.network)
    live = LivePerformance(
        composition(settings, TapePlayer(bundled().__iter__).until),
        synth(settings),
        settings.sound.polyphony,
        ear,
        lambda: controls,
        played=played,
        failed=failed,
    )
    panel = _panel(lamps)
    lamps.tell(BoxState.LIVE, 0.0)
    lamps.begin(asyncio.get_running_loop().time() + BUFFER)
    async with panel.running(), live.running():
        await asyncio.sleep(PLAYED)

    apart: list[float] = []
    for seconds, place in notes:
        block = int(seconds / live.block)
        heard = ear.heard[block] + seconds - block * live.block
        if not OPENING + 1.0 < seconds < PLAYED - 1.0:
            continue
        around = [(at, duties[place]) for at, duties in lamps.frames if abs(at - heard) < NEAR]
        lit = [at for (_, old), (at, new) in pairwise(around) if old == 0.0 < new]
        if len(lit) == 1 and around[0][1] == 0.0:  # it was dark, so its beginning can be seen
            apart.append(1000 * (lit[0] - heard))
    return [
        Figure("notes whose lamp was dark before", len(apart), low=10.0),
        Figure("light after sound, median", median(apart), unit="ms"),
        Figure(
            "light and sound apart, 95 % within", quantiles(map(abs, apart), n=20)[-1], high=30.0, unit="ms"
        ),
        Figure("light and sound apart, at most", max(map(abs, apart)), unit="ms"),
    ]


if __name__ == "__main__":
    print(table("panel", figures()))
