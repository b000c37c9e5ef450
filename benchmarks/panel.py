# SPDX-License-Identifier: Apache-2.0
"""What the panel costs, how still its knobs are, and how well its lamps agree with the ear.

The one rule: the panel is the real one, with its thread, on mock pins; the music is the real performer's, by the box
itself, into an output that knows when each sample would be heard. `python -m benchmarks.panel`, two minutes.
"""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import median, quantiles

import numpy as np
from numpy.typing import NDArray

from appliance.box import BED, Box
from appliance.ledger.tape import bundled
from appliance.panel.gpio import Board, Leds
from appliance.panel.lamps import LIGHT, NOTE_LAMPS, OPENING, BoxState, Lamps
from appliance.panel.mock import Mock
from appliance.panel.panel import Panel
from appliance.panel.pins import Wiring, wiring
from appliance.settings import load
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.silent import Silent
from appliance.sound.outputs.speaker import OutputStatus
from appliance.values import NoteEvent
from benchmarks.measure import Figure, table
from tests.panel import noise

MINUTES = 60.0  # that a knob is left alone
TURNS = 200
ENGINE = 15.0  # s for each rate
PLAYED = 40.0  # s of music
NEAR = 0.2  # s around a note in which its lamp is looked for


def figures() -> list[Figure]:
    """All of them."""
    return [*_knobs(), *_engine(0), *_engine(10), *_engine(40), *asyncio.run(_agreement())]


def _knobs() -> list[Figure]:
    rng = Random(1)
    idle = max(noise.idle_changes(place, MINUTES, rng) for place in (0.0, 0.013, 0.5, 1.0))
    steps = [noise.step(0.3, 0.7, rng) for _ in range(TURNS)]
    return [
        Figure("knob left alone for an hour, changes a minute, worst of four places", idle, high=1.0),
        Figure("knob turned at once, 90 % of the way, median", 1000 * median(steps), unit="ms"),
        Figure("knob turned at once, 90 % of the way, worst", 1000 * max(steps), high=40.0, unit="ms"),
    ]


class _Watched(Board):
    """A board that notes when its lamps are drawn, and how."""

    def __init__(self, mock: Mock, pins: Wiring, frames: list[tuple[float, tuple[float, ...]]]) -> None:
        super().__init__(mock._factory, pins, "watched mock pins")
        self._pins, self._frames = pins, frames

    def leds(self) -> Leds:
        frames = self._frames

        class Watched(Leds):
            def shine(self, duties: Sequence[float]) -> None:
                super().shine(duties)
                frames.append((time.monotonic(), tuple(duties)))

        return Watched(self._pins, self._factory)


def _engine(rate: int) -> list[Figure]:
    """The panel's thread alone, at so many notes a second."""
    pins = wiring()
    mock, lamps, frames = Mock(pins, {}), Lamps(LIGHT["full"]), list[tuple[float, tuple[float, ...]]]()
    lamps.tell(BoxState.LIVE, 0.0)
    panel = Panel(lambda: _Watched(mock, pins, frames), pins, lamps, lambda _: None)
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
    apart = [1000 * (later - earlier) for (earlier, _), (later, _) in pairwise(frames)]
    name = f"at {rate} notes a second"
    return [
        Figure(f"panel {name}, CPU", 100 * used / spent, high=10.0, unit="% of a core"),
        Figure(f"panel {name}, switches", switched / spent, unit="a second"),
        Figure(f"panel {name}, frames", len(apart) / sum(apart) * 1000, low=55.0, high=65.0, unit="a second"),
        Figure(f"panel {name}, from frame to frame, 99 % within", quantiles(apart, n=100)[-1], unit="ms"),
        Figure(f"panel {name}, from frame to frame, longest", max(apart), unit="ms"),
        Figure(f"panel {name}, threads beside the main one", threads - 1),
    ]


class Ear:
    """A silent output that notes when each note would be heard."""

    status = OutputStatus("an ear", "", 0, 0.0)

    def __init__(self) -> None:
        self._silent = Silent()
        self.heard: list[tuple[float, NoteEvent]] = []

    @property
    def latency(self) -> float:
        """Seconds from `write` to the ear."""
        return self._silent.latency

    def write(self, samples: NDArray[np.float32], begun: Sequence[NoteEvent]) -> None:
        """Take a block in its time, and note what is heard of it when."""
        self._silent.write(samples, begun)
        first = (
            self._silent._played_until - len(samples) / SAMPLE_RATE
        )  # when the block's first sample is heard
        self.heard.extend((first, sounded) for sounded in begun)

    def close(self) -> None:
        """Nothing is left to hear."""
        self._silent.close()


async def _agreement() -> list[Figure]:
    """The box, with everything that it has, beside a tape; then what the eye saw is held against what the ear heard."""
    ear, frames = Ear(), list[tuple[float, tuple[float, ...]]]()

    class Watched(Box):
        def _open(self) -> Ear:  # type: ignore[override] # it is written to and asked for its latency, as a speaker
            return ear

        def _mocked(self, desk: bool) -> Mock | None:
            mock = super()._mocked(desk)
            assert mock  # noqa: S101 - it is asked for in the settings below
            mock.board = lambda: _Watched(mock, mock._wiring, frames)  # type: ignore[method-assign] # to watch it
            return mock

    settings = {"panel.pin_factory": "mock", "panel.lamps": "full"}
    box = Watched(load(settings, {}).settings, bundled(), None)
    asyncio.get_running_loop().call_later(PLAYED, box.stop)
    await box.run(desk=False)

    begun, ended = ear.heard[0][0] + OPENING + 1.0, ear.heard[-1][0] - 1.0
    scale = box._performer.composer.scale
    apart: list[float] = []
    for heard, sounded in ear.heard:
        if sounded.note.voice in BED or not begun < heard < ended:
            continue
        place = scale.degree(sounded.note.pitch) % NOTE_LAMPS
        around = [(at, duties[place]) for at, duties in frames if abs(at - heard) < NEAR]
        lit = [at for (_, old), (at, new) in pairwise(around) if old == 0.0 < new]
        if len(lit) == 1 and around[0][1] == 0.0:  # one that was dark, so that its begin can be seen
            apart.append(1000 * (lit[0] - heard))
    return [
        Figure("notes whose lamp was dark before", len(apart), low=10.0),
        Figure("eye after ear, median", median(apart), unit="ms"),
        Figure("eye and ear apart, 95 % within", quantiles(map(abs, apart), n=20)[-1], high=30.0, unit="ms"),
        Figure("eye and ear apart, at most", max(map(abs, apart)), unit="ms"),
    ]


if __name__ == "__main__":
    print(table("panel", figures()))
