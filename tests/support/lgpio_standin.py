# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the C module lgpio: one GPIO chip in memory, with an MCP3008 on its SPI.

gpiozero's own lgpio factory and the real rpi-lgpio run over it unchanged, on a machine without pins. It behaves like
lgpio where it matters: errors are raised, a line has one owner, an edge carries its level and its time, and waits in a
pipe until `deliver` reads it. PWM keeps the values that were set last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.panel.mock import Chip

SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
GPIO_BUSY = -77
_OUT, _INPUT, _OUTPUT, _ALERT = 2, 256, 512, 1024


class error(Exception):  # noqa: N801 - its name there
    """What lgpio raises."""


def error_text(number: int) -> str:
    return {GPIO_BUSY: "GPIO busy"}.get(number, f"error {number}")


class Kernel:
    """The chip's lines, and who holds them."""

    def __init__(self) -> None:
        self.opened: list[int] = []  # chip numbers, as asked for
        self.mode: dict[int, int] = {}
        self.level: dict[int, int] = {}
        self.pwm: dict[int, tuple[float, float]] = {}  # Hz and per cent
        self.callbacks: list[callback] = []
        self.pipe: list[tuple[int, int, int]] = []  # edges that are not read yet
        self.busy: set[int] = set()  # lines of another program
        self.refuses: Exception | None = None  # to open the chip
        self.chip = Chip()
        self.ticks = 0  # ns

    def edge(self, gpio: int, level: int) -> None:
        """A line changes; callbacks are called by `deliver`."""
        self.level[gpio] = level
        self.ticks += 2_000_000
        self.pipe.append((gpio, level, self.ticks))

    def deliver(self) -> None:
        """Read the pipe, as a thread of lgpio does."""
        while self.pipe:
            gpio, level, ticks = self.pipe.pop(0)
            for listener in tuple(self.callbacks):
                if listener.gpio == gpio:
                    listener.func(0, gpio, level, ticks)

    def duty(self, gpio: int) -> float:
        """How much of the time a line is high."""
        frequency, percent = self.pwm.get(gpio, (0, 0))
        return percent / 100 if frequency else float(self.level.get(gpio, 0))


kernel = Kernel()


def _claim(gpio: int, mode: int) -> int:
    if gpio in kernel.busy:
        raise error("GPIO busy")
    kernel.mode[gpio] = mode
    return 0


def gpiochip_open(number: int) -> int:
    if kernel.refuses:
        raise kernel.refuses
    kernel.opened.append(number)
    return 0


def gpiochip_close(handle: int) -> int:
    kernel.mode.clear()
    return 0


def gpio_get_chip_info(handle: int) -> tuple[int, int, str, str]:
    return 0, 54, "gpiochip0", "stand-in"


def gpio_claim_input(handle: int, gpio: int, flags: int = 0) -> int:
    if flags & SET_PULL_UP:
        kernel.level[gpio] = 1
    kernel.pwm.pop(gpio, None)
    return _claim(gpio, _INPUT | flags)


def gpio_claim_output(handle: int, gpio: int, level: int = 0, flags: int = 0) -> int:
    kernel.level[gpio] = int(level)
    return _claim(gpio, _OUTPUT | _OUT)


def gpio_claim_alert(handle: int, gpio: int, edges: int, flags: int = 0, notify: int = -1) -> int:
    return _claim(gpio, _ALERT | flags)


def gpio_free(handle: int, gpio: int) -> int:
    if kernel.mode.pop(gpio, None) is None:
        raise error("GPIO not allocated")
    return 0


def gpio_get_mode(handle: int, gpio: int) -> int:
    return kernel.mode.get(gpio, 0)


def gpio_read(handle: int, gpio: int) -> int:
    return kernel.level.get(gpio, 0)


def gpio_write(handle: int, gpio: int, level: int) -> int:
    if not kernel.mode.get(gpio, 0) & _OUTPUT:
        raise error("GPIO not allocated")
    kernel.level[gpio] = int(bool(level))
    return 0


def gpio_set_debounce_micros(handle: int, gpio: int, micros: int) -> int:
    return 0


def tx_pwm(handle: int, gpio: int, frequency: float, duty: float, offset: int = 0, cycles: int = 0) -> int:
    kernel.pwm[gpio] = (frequency, duty)
    return 0


class callback:  # noqa: N801 - its name there
    def __init__(
        self, handle: int, gpio: int, edge: int = RISING_EDGE, func: Callable[..., Any] | None = None
    ) -> None:
        assert func
        self.gpio, self.func = gpio, func
        kernel.callbacks.append(self)

    def cancel(self) -> None:
        if self in kernel.callbacks:
            kernel.callbacks.remove(self)


def spi_open(device: int, channel: int, baud: int, flags: int = 0) -> int:
    return 0


def spi_close(handle: int) -> int:
    return 0


def spi_xfer(handle: int, data: list[int]) -> tuple[int, bytearray]:
    answer = transfer(data)
    return len(answer), bytearray(answer)


def transfer(data: list[int]) -> list[int]:
    kernel.chip.select()
    return [int("".join(str(kernel.chip.clock(int(bit))) for bit in f"{word:08b}"), 2) for word in data]


class SpiDev:
    """The same for the module spidev, which rpigpio reads its SPI by."""

    missing: Exception | None = None
    bits_per_word = 8

    def open(self, port: int, device: int) -> None:
        if self.missing:
            raise self.missing
        self.max_speed_hz = 0

    def xfer2(self, data: list[int]) -> list[int]:
        return transfer(data)

    def close(self) -> None:
        """Nothing was opened."""
