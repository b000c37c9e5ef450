# SPDX-License-Identifier: Apache-2.0
"""The performance: the one loop that turns a part into samples, live or into a file.

The output sets the pace: a sound card takes blocks by its clock, a file takes them as fast as they are computed. What
records or shows the music (a score file, the lamps, the history, a benchmark) is an observer and gets every block. One
thread, which in a live box is the performer's.

    controls ─▶ performer.block ─▶ output.write ─▶ observers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import Output
from appliance.sound.performer import FADE_OUT, Performer
from appliance.values import Controls, Passage

TAIL = 0.1  # s of silence after the fade


@dataclass(frozen=True, slots=True)
class Block:
    """One block, as it is handed to the output."""

    passage: Passage
    controls: Controls
    samples: NDArray[np.float32]  # shape (frames, 2); the next block overwrites them
    heard_in: float  # s from now until its first sample is heard
    spent: float  # s that it took to compute


Observer = Callable[[Block], None]


class Performance:
    """Plays `performer` into `output`. `controls` is asked once a block; `observers` see each before the output."""

    def __init__(
        self,
        performer: Performer,
        output: Output,
        controls: Callable[[], Controls],
        observers: Sequence[Observer] = (),
    ) -> None:
        self._performer, self._output, self._controls = performer, output, controls
        self._observers = observers
        self._leaving = False

    @property
    def seconds(self) -> float:
        """How much has been played. Any thread."""
        return self._performer.seconds

    def leave(self) -> None:
        """Fade out and end. Any thread."""
        self._leaving = True

    def play(self, seconds: float = math.inf) -> None:
        """Play `seconds` of music with a fade at the end, or until `leave`."""
        performer = self._performer
        half = performer.instrument.block / SAMPLE_RATE / 2  # so that the length is rounded to whole blocks
        while (now := performer.seconds) + half < seconds:
            if self._leaving:
                seconds, self._leaving = min(seconds, now + FADE_OUT + TAIL), False
            controls = self._controls()
            passage = performer.block(controls, leaving=now >= seconds - FADE_OUT - TAIL)
            block = Block(passage, controls, performer.samples, self._output.latency, performer.spent)
            for observe in self._observers:
                observe(block)
            self._output.write(performer.samples)
