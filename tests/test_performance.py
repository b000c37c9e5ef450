# SPDX-License-Identifier: Apache-2.0
"""The one loop, between a part that a test writes and an output that writes down what it gets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.performance import TAIL, Block, Observer, Performance
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import FADE_OUT, NullInstrument, Performer
from appliance.values import Context, Controls, Note, NoteEvent, Passage, Voice
from tests.support.written import Written

BLOCK = 512
SECONDS = BLOCK / SAMPLE_RATE  # of a block
CONTROLS = Controls(0.7, 60.0, "public")


class Counter(NullInstrument):
    """Fills each block with its number, from 1, and notes at which second a fade to silence begins."""

    def __init__(self, block: int = BLOCK) -> None:
        super().__init__(block)
        self.computed = 0
        self.faded: list[float] = []

    def fade(self, level: float, seconds: float) -> None:
        if not level:
            self.faded.append(self.computed * self.block / SAMPLE_RATE)

    def compute(self, seconds: float) -> NDArray[np.float32]:
        self.computed += 1
        return np.full((self.block, 2), self.computed, dtype=np.float32)


class Output:
    """Keeps the first sample of each block, and calls `then` with its number. Its latency grows with each block."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        self.written: list[float] = []
        self._then = then

    @property
    def latency(self) -> float:
        return float(len(self.written))

    def write(self, samples: NDArray[np.float32]) -> None:
        self.written.append(float(samples[0, 0]))
        self._then(len(self.written))

    def close(self) -> None:
        pass


def performance(
    output: Output,
    *observers: Observer,
    part: Written | None = None,
    instrument: Counter | None = None,
    controls: Callable[[], Controls] = lambda: CONTROLS,
) -> Performance:
    performer = Performer(part or Written(), instrument or Counter())
    return Performance(performer, output, controls, observers)


@pytest.mark.parametrize("block", [256, 512, 1024])
@pytest.mark.parametrize("seconds", [0.0, 0.003, 1.0, 2.5])
def test_its_length_is_rounded_to_whole_blocks(block: int, seconds: float) -> None:
    output = Output()
    one = performance(output, instrument=Counter(block))
    one.play(seconds)
    assert len(output.written) == pytest.approx(seconds * SAMPLE_RATE / block, abs=0.5)
    assert one.seconds == pytest.approx(len(output.written) * block / SAMPLE_RATE)


def test_every_block_is_written_once_and_in_order() -> None:
    output = Output()
    performance(output).play(1.0)
    assert output.written == list(range(1, 95))


def test_it_fades_out_before_its_end() -> None:
    instrument = Counter()
    performance(Output(), instrument=instrument).play(3.0)
    assert instrument.faded == pytest.approx([3.0 - FADE_OUT - TAIL], abs=SECONDS)


def test_it_can_be_played_on() -> None:
    output = Output()
    one = performance(output)
    one.play(1.0)
    one.play(4.0)
    assert output.written == list(range(1, 376))


def test_leave_fades_out_once_and_ends() -> None:
    instrument = Counter()
    output = Output(lambda written: one.leave() if written in (100, 110, 120) else None)
    one = performance(output, instrument=instrument)
    one.play()
    assert instrument.faded == pytest.approx([100 * SECONDS], abs=SECONDS)
    assert one.seconds == pytest.approx(100 * SECONDS + FADE_OUT + TAIL, abs=SECONDS)


def test_leave_does_not_make_a_performance_longer() -> None:
    one = performance(Output(lambda written: one.leave() if written == 180 else None))
    one.play(2.0)
    assert one.seconds == pytest.approx(2.0, abs=SECONDS)


def test_leave_before_the_start_leaves_a_fade() -> None:
    one = performance(Output())
    one.leave()
    one.play(math.inf)
    assert one.seconds == pytest.approx(FADE_OUT + TAIL, abs=SECONDS)


def test_observers_get_each_block_in_turn_before_the_output_does() -> None:
    events: list[tuple[str, int]] = []
    output = Output(lambda number: events.append(("output", number)))
    one = performance(
        output,
        lambda block: events.append(("first", int(block.samples[0, 0]))),
        lambda block: events.append(("second", int(block.samples[0, 0]))),
    )
    one.play(3 * SECONDS)
    assert events == [(name, number) for number in (1, 2, 3) for name in ("first", "second", "output")]


def test_a_block_says_what_was_played_with_what_and_when_it_is_heard() -> None:
    note = NoteEvent(Note(60, 0.5, 1.0, Voice.BELL), SECONDS, 0.0, 1.0)
    passage = Passage(SECONDS, Context("public", "wind", "wind", "C", 60.0), (note,))
    part, turned = Written({1: passage}), [CONTROLS, replace(CONTROLS, volume=0.1), CONTROLS]
    blocks: list[Block] = []
    performance(Output(), blocks.append, part=part, controls=iter(turned).__next__).play(3 * SECONDS)
    assert [block.controls for block in blocks] == turned == [controls for _, controls in part.asked]
    assert [len(block.passage.notes) for block in blocks] == [0, 1, 0]
    assert blocks[1].passage is passage
    assert [block.heard_in for block in blocks] == [0.0, 1.0, 2.0]  # the latency of the output at that moment
    assert all(0.0 < block.spent < 60.0 for block in blocks)


def test_an_error_of_the_output_ends_it() -> None:
    def fail(number: int) -> None:
        if number == 3:
            raise OSError("the disk is full")

    one = performance(Output(fail))
    with pytest.raises(OSError, match="disk is full"):
        one.play()
    assert one.seconds == pytest.approx(3 * SECONDS)
