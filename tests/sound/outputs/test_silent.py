# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import BURST
from appliance.sound.outputs.silent import AHEAD, Silent


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


BLOCK = np.zeros((480, 2), dtype=np.float32)  # 10 ms


def test_it_takes_as_long_as_a_card_does_and_wakes_once_a_burst() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    for number in range(1, 1001):
        output.write(BLOCK)
        assert clock.now + output.latency == pytest.approx(100.0 + number * 0.01)
        if number > 10:
            assert AHEAD - BURST / SAMPLE_RATE - 1e-6 < output.latency < AHEAD + 1e-6
    assert len(clock.slept) <= 250  # of 1000 blocks, in 10 s
    output.close()


def test_it_fills_a_card_s_buffer_before_it_waits() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    for _ in range(round(AHEAD / 0.01) - 1):
        output.write(BLOCK)
    assert not clock.slept


def test_after_a_stall_it_goes_on_from_now() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    output.write(BLOCK)
    clock.now += 3600.0
    for _ in range(100):
        output.write(BLOCK)
    assert clock.now + output.latency == pytest.approx(3700.0 + 1.0)
