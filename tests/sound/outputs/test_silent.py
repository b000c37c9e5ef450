# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

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


def test_it_takes_as_long_as_a_card_does() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    for _ in range(1000):
        output.write(BLOCK)
    assert clock.now == pytest.approx(110.0 - AHEAD)
    assert output.latency == AHEAD
    output.close()


def test_it_fills_a_card_s_buffer_before_it_waits() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    for _ in range(round(AHEAD / 0.01)):
        output.write(BLOCK)
    assert sum(clock.slept) == pytest.approx(0.0)


def test_after_a_stall_it_goes_on_from_now() -> None:
    clock = Clock()
    output = Silent(clock, clock.sleep)
    output.write(BLOCK)
    clock.now += 3600.0
    for _ in range(100):
        output.write(BLOCK)
    assert clock.now == pytest.approx(3700.0 + 1.0 - AHEAD)
