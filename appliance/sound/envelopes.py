# SPDX-License-Identifier: Apache-2.0
"""Levels that move: numpy computes where each is at the end of a block, and pyo draws the line that leads there.

Every level moves on one straight line a block, from exactly where the last block ended; there is no step, so nothing
clicks, and no sum of rounding errors. All curves are computed at once, and a line costs pyo one multiplication, a tenth
of a generator of its own; a level that does not move costs nothing. The performer's thread.

    curve:  level ─▶ keep × level + add, no further than its target   (linear: keep is 1; exponential: below 1)
    line:   ramp × (end - begin) + begin                              (the ramp rises from 0 to 1 within each block)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyo import Phasor, PyoObject, Sig

from appliance.sound import SYNTH_RATE

# e-foldings of an exponential ramp: 26 dB for a pad, 52 dB for a lead, whose amplitude is the envelope's square.
E_FOLDINGS = 3.0
UNITY = 0  # the curve that is always at 1


class Envelopes:
    """Curves, all at 0 at first, and the lines that follow them, in blocks of `block` frames."""

    def __init__(self, block: int) -> None:
        self._seconds = block / SYNTH_RATE
        # A block is a power of two, so the ramp never accumulates a rounding error.
        self._ramp = Phasor(freq=SYNTH_RATE / block)
        self._level = self._keep = self._low = self._high = np.ones(1)  # of the curve UNITY
        self._add = np.zeros(1)
        self._curves: NDArray[np.intp] = np.zeros((2, 0), dtype=np.intp)  # the two that each line multiplies
        self._drawn, self._steps = np.zeros(0), list[float]()  # of each line: its level, and its last step
        self._lines: list[PyoObject] = []
        self._setters: list[tuple[Callable[[float], None], Callable[[float], None]]] = []

    def curve(self) -> int:
        """Add a curve, and return its number. Only while the graph is built."""
        self._level, self._add, self._low, self._high = (
            np.append(of_each, 0.0) for of_each in (self._level, self._add, self._low, self._high)
        )
        self._keep = np.append(self._keep, 1.0)
        return len(self._level) - 1

    def line(self, curve: int, other: int = UNITY) -> PyoObject:
        """Add a line that is the product of two curves. Only while the graph is built."""
        self._curves = np.append(self._curves, [[curve], [other]], axis=1)
        self._drawn, self._steps = np.append(self._drawn, 0.0), [*self._steps, 0.0]
        line = Sig(self._ramp, mul=0.0, add=0.0)
        self._lines.append(line)
        # The base object's setters skip pyo's type checks, which cost more than the line.
        base = line.getBaseObjects()[0]
        self._setters.append((base.setAdd, base.setMul))
        return line

    def ramp_to(self, curve: int, level: float, lasts: float, *, exponential: bool) -> None:
        """Move a curve to a level within `lasts` seconds from the next block on."""
        begins, blocks = float(self._level[curve]), max(1.0, lasts / self._seconds)
        if exponential:
            keep = math.exp(-E_FOLDINGS / blocks)
            # It approaches a point beyond its target, and so reaches the target in time.
            beyond = level - (begins - level) / math.expm1(E_FOLDINGS)
            self._keep[curve], self._add[curve] = keep, beyond * (1.0 - keep)
        else:
            self._keep[curve], self._add[curve] = 1.0, (level - begins) / blocks
        self._low[curve], self._high[curve] = min(begins, level), max(begins, level)

    def stop(self) -> None:
        """Stop computing for good."""
        for part in (self._ramp, *self._lines):
            part.stop()

    def advance(self) -> None:
        """Move every curve on by a block, and set the lines. Call it before each block is computed."""
        level = self._level
        level *= self._keep
        level += self._add
        np.maximum(level, self._low, out=level)
        np.minimum(level, self._high, out=level)
        ends = level.take(self._curves[0]) * level.take(self._curves[1])
        begins, steps = self._drawn.tolist(), (ends - self._drawn).tolist()
        for (add, mul), begin, step, before in zip(self._setters, begins, steps, self._steps, strict=True):
            if step or before:
                add(begin)
                mul(step)
        self._drawn, self._steps = ends, steps
