# SPDX-License-Identifier: Apache-2.0
"""Curves and their lines, drawn by the real pyo, a block at a time."""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyo import Server

from appliance.sound import SYNTH_RATE
from appliance.sound.envelopes import E_FOLDINGS, Envelopes

SECONDS = 512 / SYNTH_RATE  # a block


class Drawing:
    """Two curves and their product, on a server that does nothing else."""

    def __init__(self, block: int) -> None:
        self.server = Server(sr=SYNTH_RATE, nchnls=1, buffersize=block, duplex=0, audio="manual")
        self.server.deactivateMidi()
        self.server.setVerbosity(1)
        self.server.boot()
        self.envelopes = Envelopes(block)
        self.curve, self.other = self.envelopes.curve(), self.envelopes.curve()
        self.line = self.envelopes.line(self.curve)
        self.product = self.envelopes.line(self.curve, self.other)
        self.line.out()
        self.server.start()
        address = int(self.server.getOutputAddr(), 16)
        self.out = np.ctypeslib.as_array((ctypes.c_float * block).from_address(address))
        self.advance(8)  # pyo opens its server's volume within 5 ms

    def advance(self, blocks: int) -> NDArray[np.float32]:
        drawn = [np.zeros(0, dtype=np.float32)]
        for _ in range(blocks):
            self.envelopes.advance()
            self.server.process()
            drawn.append(self.out.copy())
        return np.concatenate(drawn)


@contextmanager
def drawing(block: int = 512) -> Iterator[Drawing]:
    it = Drawing(block)
    try:
        yield it
    finally:
        del it.out
        it.server.stop()
        it.server.shutdown()


@pytest.mark.parametrize("block", [256, 512, 1024])
def test_a_straight_line_is_straight_and_stays_where_it_arrives(block: int) -> None:
    with drawing(block) as it:
        it.envelopes.ramp_to(it.curve, 0.5, 8 * block / SYNTH_RATE, exponential=False)
        drawn = it.advance(20)
        assert drawn[0] == 0.0
        assert np.abs(np.diff(drawn[: 8 * block]) - 0.5 / (8 * block)).max() < 1e-7
        assert drawn[8 * block :] == pytest.approx(0.5, abs=1e-6)
        assert np.ptp(drawn[8 * block :]) == 0.0


def test_an_exponential_ramp_falls_by_equal_parts_in_equal_times_and_ends() -> None:
    with drawing() as it:
        it.envelopes.ramp_to(it.curve, 1.0, SECONDS, exponential=False)
        it.advance(1)
        it.envelopes.ramp_to(it.curve, 0.0, 100 * SECONDS, exponential=True)
        drawn = it.advance(102)[::512]
        # Above the point that it approaches: a 20th below zero.
        falls = [(after + 0.0524) / (before + 0.0524) for before, after in pairwise(drawn[:101])]
        assert falls == pytest.approx([math.exp(-E_FOLDINGS / 100)] * 100, rel=1e-3)
        assert drawn[99] > 0.001
        assert (drawn[101:] == 0.0).all()


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 2), st.booleans(), st.integers(0, 40)), min_size=1, max_size=8
    )
)
def test_no_ramp_jumps_and_every_target_is_reached(moves: list[tuple[float, float, bool, int]]) -> None:
    with drawing() as it:
        drawn = [np.zeros(1, dtype=np.float32)]
        for level, lasts, bent, blocks in moves:
            it.envelopes.ramp_to(it.curve, level, lasts, exponential=bent)
            drawn.append(it.advance(blocks))
        level = moves[-1][0]
        drawn.append(it.advance(190))  # as long as any of them lasts
        line = np.concatenate(drawn)
        # At most the whole range within one block.
        assert np.abs(np.diff(line)).max() <= 1 / 512 + 1e-6
        assert line[-1] == pytest.approx(level, abs=1e-6)
        assert line.min() >= -1e-6
        assert line.max() <= 1 + 1e-6


def test_a_line_of_two_curves_is_their_product_at_every_block() -> None:
    with drawing() as it:
        it.line.stop()
        it.product.out()
        it.envelopes.ramp_to(it.curve, 0.8, 10 * SECONDS, exponential=False)
        it.envelopes.ramp_to(it.other, 0.5, 5 * SECONDS, exponential=False)
        ends = it.advance(11)[::512]
        assert ends == pytest.approx(
            [0.8 * min(1, n / 10) * 0.5 * min(1, n / 5) for n in range(11)], abs=1e-6
        )
