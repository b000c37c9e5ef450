# SPDX-License-Identifier: Apache-2.0
"""Levels that move: numpy reckons where each will be at the end of a block, and pyo draws the line that leads there.

The one rule: every level moves on one straight line a block, from exactly where the block before left it; there is no
step, so nothing zips or clicks, and no sum of roundings. All curves are reckoned in one go, and a line costs pyo a
multiplication: a tenth of a generator of its own, and what stands still is not even told. The performer's thread.

    curve:  level ─▶ keep × level + add, no further than its goal     (straight: keep is 1; bent, as what rings: below)
    line:   ramp × (end - begin) + begin                              (the ramp rises from 0 to 1 within each block)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyo import Phasor, PyoObject, Sig

from appliance.sound import SAMPLE_RATE

BEND = (
    3.0  # e-foldings of a fall: 26 dB for a pad, 52 dB for a lead, whose amplitude is the envelope's square
)
ONE = 0  # the curve that is always at 1


class Envelopes:
    """Curves, all at 0 at first, and the lines that are drawn of them in blocks of `block` frames."""

    def __init__(self, block: int) -> None:
        self._seconds = block / SAMPLE_RATE
        # A block is a power of two, so the ramp meets its beginning without a rounding error, for ever.
        self._ramp = Phasor(freq=SAMPLE_RATE / block)
        self._level = self._keep = self._low = self._high = np.ones(1)  # of the curve ONE
        self._add = np.zeros(1)
        self._curves: NDArray[np.intp] = np.zeros((2, 0), dtype=np.intp)  # the two that each line multiplies
        self._drawn, self._steps = (
            np.zeros(0),
            list[float](),
        )  # of each line: where it is, how far it moved last
        self._lines: list[PyoObject] = []
        self._told: list[tuple[Callable[[float], None], Callable[[float], None]]] = []

    def curve(self) -> int:
        """One more curve: its number. Only while the graph is made."""
        self._level, self._add, self._low, self._high = (
            np.append(of_each, 0.0) for of_each in (self._level, self._add, self._low, self._high)
        )
        self._keep = np.append(self._keep, 1.0)
        return len(self._level) - 1

    def line(self, curve: int, other: int = ONE) -> PyoObject:
        """A line that is the product of two curves. Only while the graph is made."""
        self._curves = np.append(self._curves, [[curve], [other]], axis=1)
        self._drawn, self._steps = np.append(self._drawn, 0.0), [*self._steps, 0.0]
        line = Sig(self._ramp, mul=0.0, add=0.0)
        self._lines.append(line)
        # Told without pyo's checks of types, which cost more than the line.
        told = line.getBaseObjects()[0]
        self._told.append((told.setAdd, told.setMul))
        return line

    def ramp_to(self, curve: int, level: float, lasts: float, *, bent: bool) -> None:
        """Move to a level within so many seconds from the next block on; straight, or bent as what rings does."""
        begins, blocks = float(self._level[curve]), max(1.0, lasts / self._seconds)
        if bent:
            keep = math.exp(-BEND / blocks)
            # It heads for a point beyond its goal, and so arrives there in time.
            beyond = level - (begins - level) / math.expm1(BEND)
            self._keep[curve], self._add[curve] = keep, beyond * (1.0 - keep)
        else:
            self._keep[curve], self._add[curve] = 1.0, (level - begins) / blocks
        self._low[curve], self._high[curve] = min(begins, level), max(begins, level)

    def stop(self) -> None:
        """Stop computing, for good."""
        for part in (self._ramp, *self._lines):
            part.stop()

    def advance(self) -> None:
        """Once a block, before it is computed: move every curve on, and draw the lines."""
        level = self._level
        level *= self._keep
        level += self._add
        np.maximum(level, self._low, out=level)
        np.minimum(level, self._high, out=level)
        ends = level.take(self._curves[0]) * level.take(self._curves[1])
        begins, steps = self._drawn.tolist(), (ends - self._drawn).tolist()
        for (add, mul), begin, step, before in zip(self._told, begins, steps, self._steps, strict=True):
            if step or before:
                add(begin)
                mul(step)
        self._drawn, self._steps = ends, steps
