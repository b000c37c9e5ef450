# SPDX-License-Identifier: Apache-2.0
"""Doubles the sample rate of the synth: a half-band filter, block by block.

The synth has nothing to say above 8 kHz, so it computes at half the rate of the output, which halves its cost. Between
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
ROW = 16  # samples that one row of the matrix product gives: fewer cost more calls, more cost more multiplications

Block = NDArray[np.float32]


def taps() -> NDArray[np.float64]:
    """The weights of the TAPS samples around the new one, which lies in the middle. Their sum is 1."""
    distance = np.arange(TAPS) - (TAPS - 1) / 2
    # The window of the whole half-band filter, at the places of its taps that are not zero.
    weights = np.sinc(distance) * np.i0(BETA * np.sqrt(1 - (distance / (TAPS / 2)) ** 2))
    return np.asarray(weights / weights.sum())


class Upsampler:
    """Takes blocks of `block` frames, a multiple of ROW, and returns blocks of twice as many."""

    def __init__(self, block: int) -> None:
        before = TAPS - 1
        self._line: Block = np.zeros((CHANNELS, before + block), dtype=np.float32)
        # Each row gives ROW new samples: row × matrix. Overlapping rows are copied, because BLAS takes no others.
        self._overlapping = sliding_window_view(self._line, before + ROW, axis=1)[:, ::ROW]
        self._rows: Block = np.zeros_like(self._overlapping)
        self._matrix: Block = np.zeros((before + ROW, ROW), dtype=np.float32)
        for column in range(ROW):
            self._matrix[column : column + TAPS, column] = taps()
        self._new: Block = np.zeros((CHANNELS, block // ROW, ROW), dtype=np.float32)
        self._out: Block = np.zeros((2 * block, CHANNELS), dtype=np.float32)

    def process(self, samples: Block) -> Block:
        """Take a block, shape (block, CHANNELS), and return one of twice its length; the next call overwrites it."""
        line, before, middle = self._line, TAPS - 1, TAPS // 2 - 1
        line[:, :before] = line[:, -before:]
        line[:, before:] = samples.T
        np.copyto(self._rows, self._overlapping)
        with np.errstate(invalid="ignore"):  # the master mutes what is not finite
            np.matmul(self._rows, self._matrix, out=self._new)
        self._out[0::2] = line[:, middle : middle + len(samples)].T
        self._out[1::2] = self._new.reshape(CHANNELS, -1).T
        return self._out

    def clear(self) -> None:
        """Forget the last samples, which were not finite."""
        self._line[:] = 0.0
