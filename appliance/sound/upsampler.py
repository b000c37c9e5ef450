# SPDX-License-Identifier: Apache-2.0
"""Doubles the sample rate of the synth: a half-band filter, block by block.

The synth has little energy above 8 kHz, so it computes at half the rate of the output, which halves its cost. Between
two of its samples this filter puts one more: the windowed sinc of the 16 samples around it. The samples of the synth
themselves stay as they are. Pure; the performer's thread.

    synth, 24 kHz:   x0          x1          x2
    output, 48 kHz:  x0    y0    x1    y1    x2        8 samples of the synth (0.3 ms) late
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from appliance.sound import CHANNELS

TAPS = 16  # images are 70 dB down for all that lies below 8 kHz
BETA = 7.0  # of the Kaiser window: less suppresses images of 6 to 8 kHz less, more those above

Block = NDArray[np.float32]


def taps() -> NDArray[np.float64]:
    """The weights of the TAPS samples around the new one, which lies in the middle. Their sum is 1."""
    distance = np.arange(TAPS) - (TAPS - 1) / 2
    # The window of the whole half-band filter, at the places of its taps that are not zero.
    weights = np.sinc(distance) * np.i0(BETA * np.sqrt(1 - (distance / (TAPS / 2)) ** 2))
    return np.asarray(weights / weights.sum())


class Upsampler:
    """Takes blocks of `block` frames, at least TAPS, and returns blocks of twice as many."""

    def __init__(self, block: int) -> None:
        before, middle = TAPS - 1, TAPS // 2 - 1
        self._weights = taps().astype(np.float32)
        self._line: Block = np.zeros((before + block, CHANNELS), dtype=np.float32)
        self._new: Block = np.zeros(block * CHANNELS, dtype=np.float32)
        self._out: Block = np.zeros((2 * block, CHANNELS), dtype=np.float32)
        # Views, because making one in each block costs as much as a copy.
        self._kept, self._last, self._next = self._line[:before], self._line[-before:], self._line[before:]
        # Row t is the block as it is for tap t: shifted by t frames.
        self._shifted = sliding_window_view(self._line.reshape(-1), block * CHANNELS)[::CHANNELS]
        # A frame as one number: numpy copies 256 single numbers faster than 256 pairs.
        line, new, out = (of_all.reshape(-1).view(np.int64) for of_all in (self._line, self._new, self._out))
        self._copies = ((out[0::2], line[middle : middle + block]), (out[1::2], new))

    def process(self, samples: Block) -> Block:
        """Take a block, shape (block, CHANNELS), and return one of twice its length; the next call overwrites it."""
        np.copyto(self._kept, self._last)
        np.copyto(self._next, samples)
        # einsum adds whole rows, tap by tap; a matrix product costs four times as much in Debian's reference BLAS.
        np.einsum("tn,t->n", self._shifted, self._weights, out=self._new)
        for to, from_ in self._copies:
            np.copyto(to, from_)
        return self._out

    def clear(self) -> None:
        """Forget the last samples, which were not finite."""
        self._line[:] = 0.0
