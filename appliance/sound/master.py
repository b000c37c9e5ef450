# SPDX-License-Identifier: Apache-2.0
"""The last stage: guard, limiter, volume and fade, on whole blocks of samples.

Its output is finite and below the ceiling, whatever its input is. It delays each block until it has the next one
(11 ms), so that the limiter is down before a peak comes: between two blocks the gain moves on a straight line, and both
ends of the line are low enough for both blocks. Pure; the performer's thread.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from appliance.sound import CHANNELS, SAMPLE_RATE

CEILING = 0.85  # full scale; -1.4 dBFS, so that the true peak, between the samples, stays under -1 dBTP
RUNAWAY = 6.0  # full scale; 32 voices at full velocity and all pads reach 3.9, so more is a fault
RECOVERY = 0.4  # s, time constant of the limiter's release
KNOB = 0.05  # s, time constant of the volume; a shorter one makes zipper noise, a longer one feels slow
SOFTEST = -48.0  # dB just above the knob's lowest position, at which there is silence

Block = NDArray[np.float32]


def gain(position: float) -> float:
    """The linear gain at a position of the volume knob, 0 to 1: linear in decibels, and 0 at 0."""
    return 0.0 if position <= 0.0 else float(10.0 ** (SOFTEST * (1.0 - position) / 20.0))


class Master:
    """Processes blocks of `block` frames, each one call late."""

    def __init__(self, block: int) -> None:
        self._seconds = block / SAMPLE_RATE
        ramp = np.linspace(0, 1, block, endpoint=False, dtype=np.float32)
        # A column for each channel: to broadcast one of them is ten times slower.
        self._ramp: Block = ramp.reshape(-1, 1).repeat(CHANNELS, axis=1)
        self._held: Block = np.zeros((block, CHANNELS), dtype=np.float32)
        self._free: Block = np.zeros_like(self._held)
        self._allowed = 1.0  # the largest gain at which the held block stays below the ceiling
        self._limit = 1.0  # the limiter's gain where the held block begins
        self._total = 0.0  # all gains together, there
        self._position = self._volume = self._aim = 0.0
        self._fade = self._fade_aim = 0.0
        self._fade_seconds = 1.0

    @property
    def reduction(self) -> float:
        """The limiter's gain reduction in dB, 0 or more."""
        return 20.0 * math.log10(1.0 / self._limit)

    @property
    def silent(self) -> bool:
        """Whether it mutes all that comes, and is to go on so."""
        return self._total == 0.0 == self._aim * self._fade_aim

    def volume(self, position: float) -> None:
        """Move the volume towards a knob's position, 0 to 1."""
        if position != self._position:
            self._position, self._aim = position, gain(position)

    def fade(self, level: float, seconds: float) -> None:
        """Move the fade to `level`, 0 to 1, within `seconds`."""
        self._fade_aim, self._fade_seconds = level, max(seconds, self._seconds)

    def process(self, raw: Block) -> tuple[Block, bool]:
        """Take a block and return the one before it, processed; False if this one was not finite and was muted.

        The array that is returned is overwritten by the next call.
        """
        flat = raw.reshape(-1)  # argmax and argmin find a NaN first
        peak = max(flat.item(flat.argmax()), -flat.item(flat.argmin()))
        valid = peak <= RUNAWAY  # also False for NaN
        allowed = min(1.0, CEILING / peak) if valid and peak > 0.0 else 1.0
        limit = min(
            self._allowed, allowed, self._limit + (1.0 - self._limit) * min(1.0, self._seconds / RECOVERY)
        )
        total = limit * self._next_volume() * self._next_fade()
        out, self._held, self._free = self._held, self._free, self._held
        if not self._total == total == 1.0:
            np.multiply(out, self._total + (total - self._total) * self._ramp, out=out)
        self._allowed, self._limit, self._total = allowed, limit, total
        if valid:
            np.copyto(self._held, raw)
        else:
            self._held[:] = 0.0
        return out, valid

    def rest(self) -> Block:
        """A block of silence, for one that was not computed. Only while it is silent."""
        self._next_volume()
        self._next_fade()
        self._held[:] = 0.0
        return self._held

    def _next_volume(self) -> float:
        self._volume += (self._aim - self._volume) * min(1.0, self._seconds / KNOB)
        if abs(self._aim - self._volume) < 1e-6:
            self._volume = self._aim
        return self._volume

    def _next_fade(self) -> float:
        step = self._seconds / self._fade_seconds
        self._fade += max(-step, min(step, self._fade_aim - self._fade))
        return self._fade
