# SPDX-License-Identifier: Apache-2.0
"""Levels that move: a curve says where each is at the end of a block, and pyo draws the line that leads there.

Every level moves on one straight line a block, from exactly where the last block ended; there is no step, so nothing
clicks, and no sum of rounding errors. A line costs pyo one multiplication, a tenth of a generator of its own; a level
that does not move costs nothing. In Python, because few levels move at once: ten calls of numpy cost as much as
thirty curves. The performer's thread.

    curve:  level ─▶ keep × level + add, no further than its target   (linear: keep is 1; exponential: below 1)
    line:   ramp × (end - begin) + begin                              (the ramp rises from 0 to 1 within each block)
"""

from __future__ import annotations

import math

from pyo import Phasor, PyoObject, Sig

from appliance.sound import SYNTH_RATE

# e-foldings of an exponential ramp: 26 dB for a pad, 52 dB for a lead, whose amplitude is the envelope's square.
E_FOLDINGS = 3.0
GATE = 0.1  # s in which all lines together are closed or opened


class Curve:
    """A level, and how it moves from block to block."""

    __slots__ = ("_add", "_keep", "_rises", "_target", "level", "lines", "moving")

    def __init__(self, level: float = 0.0) -> None:
        self.level = self._target = level
        self._keep, self._add, self._rises = 1.0, 0.0, False
        self.moving = False
        self.lines: list[Line] = []  # that follow it

    def ramp_to(self, level: float, blocks: float, *, exponential: bool) -> None:
        """Move to a level within so many blocks, at least one."""
        begins = self.level
        if exponential:
            self._keep = math.exp(-E_FOLDINGS / blocks)
            # It approaches a point beyond its target, and so reaches the target in time.
            beyond = level - (begins - level) / math.expm1(E_FOLDINGS)
            self._add = beyond * (1.0 - self._keep)
        else:
            self._keep, self._add = 1.0, (level - begins) / blocks
        self._target, self._rises, self.moving = level, level > begins, level != begins

    def advance(self) -> bool:
        """Move on by a block, and return whether it will move on."""
        level = self.level * self._keep + self._add
        if level >= self._target if self._rises else level <= self._target:
            self.level, self.moving = self._target, False
        else:
            self.level = level
        return self.moving


class Line:
    """What pyo draws: the product of two curves, in a straight line from block to block."""

    __slots__ = ("_drawn", "_one", "_other", "_set_add", "_set_mul", "out")

    def __init__(self, ramp: PyoObject, one: Curve, other: Curve) -> None:
        self._one, self._other = one, other
        self._drawn = one.level * other.level
        self.out = Sig(ramp, mul=0.0, add=self._drawn)
        # The base object's setters skip pyo's type checks, which cost more than the line.
        base = self.out.getBaseObjects()[0]
        self._set_add, self._set_mul = base.setAdd, base.setMul

    def draw(self, gate: float) -> bool:
        """Set the next block, and return whether the one after has to be set too. `gate` is a factor."""
        begin, end = self._drawn, self._one.level * self._other.level * gate
        self._set_add(begin)
        self._set_mul(end - begin)
        self._drawn = end
        return end != begin or self._one.moving or self._other.moving


class Envelopes:
    """Curves, all at 0 at first, and the lines that follow them, in blocks of `block` frames."""

    def __init__(self, block: int) -> None:
        self._seconds = block / SYNTH_RATE
        # A block is a power of two, so the ramp never accumulates a rounding error.
        self._ramp = Phasor(freq=SYNTH_RATE / block)
        self._unity = Curve(1.0)
        self._lines: list[Line] = []
        self._moving, self._drawing = set[Curve](), set[Line]()
        self._gate = 1.0  # factor on every line

    def curve(self) -> Curve:
        """A new curve."""
        return Curve()

    def line(self, curve: Curve, other: Curve | None = None) -> PyoObject:
        """Add a line that is the product of two curves. Only while the graph is built."""
        pair = (curve, self._unity if other is None else other)
        line = Line(self._ramp, *pair)
        self._lines.append(line)
        for one in pair:
            one.lines.append(line)
        return line.out

    def ramp_to(self, curve: Curve, level: float, lasts: float, *, exponential: bool) -> None:
        """Move a curve to a level within `lasts` seconds from the next block on."""
        curve.ramp_to(level, max(1.0, lasts / self._seconds), exponential=exponential)
        self._moving.add(curve)
        self._drawing.update(curve.lines)

    def stop(self) -> None:
        """Stop computing for good."""
        self._ramp.stop()
        for line in self._lines:
            line.out.stop()

    def advance(self, *, closed: bool = False) -> None:
        """Move every curve on by a block, and set the lines. Call it before each block is computed.

        `closed` moves every line to 0 within GATE seconds, and back afterwards, while the curves go on.
        """
        if closed or self._gate < 1.0:
            step = self._seconds / GATE
            self._gate = max(0.0, self._gate - step) if closed else min(1.0, self._gate + step)
            self._drawing.update(self._lines)
        self._move()
        self._drawing = {line for line in self._drawing if line.draw(self._gate)}

    def rest(self) -> None:
        """Move every curve on by a block that is not computed. Only while every line is at 0."""
        self._gate = 0.0
        self._move()

    def _move(self) -> None:
        self._moving = {curve for curve in self._moving if curve.advance()}
