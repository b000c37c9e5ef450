# SPDX-License-Identifier: Apache-2.0
"""A simulated panel: gpiozero's mock pins with an MCP3008, for development and for tests.

It simulates pins and bits, so a laptop runs the same code as a Pi: a knob is turned by the bits that the converter
sends, a button is pressed by its pin, and the brightness of a lamp is the duty cycle of its pin. It can be operated
from any thread; the panel's thread reads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from gpiozero.pins import SPI
from gpiozero.pins.mock import MockFactory, MockPWMPin

from appliance.panel.gpio import Board
from appliance.panel.knobs import END, TOP
from appliance.panel.pins import NOWHERE, Wiring
from appliance.values import Button, Knob

DETENT = 0.02  # of the travel of a potentiometer: 1 dB of volume


class Chip:
    """An MCP3008 as in its data sheet, a clock at a time.

    in    0 0 0 0 0 0 0 1 S C2 C1 C0 x x x  x x x x x x x x x     1: the start bit; S: single; C: the channel
    out   x x x x x x x x x x  x  x  x 0 R9 . . . . . . . . R0     a bit to sample, a null bit, the reading
    """

    def __init__(self) -> None:
        self.readings = [0] * 8  # 0 to TOP

    def select(self) -> None:
        """Begin a transfer (chip select)."""
        self._command: list[int] = []
        self._answer: deque[int] = deque()

    def clock(self, bit: int) -> int:
        """Take a bit and give one."""
        if self._answer:
            return self._answer.popleft()
        if (self._command or bit) and len(self._command) < 5:
            self._command.append(bit)
            if len(self._command) == 5:
                _, _, *channel = self._command
                reading = self.readings[int("".join(map(str, channel)), 2)]
                self._answer.extend(map(int, f"00{reading:010b}"))
        return 0


class _Wires(SPI):
    """Hardware SPI to a simulated chip."""

    def __init__(
        self,
        chip: Chip,
        *,
        clock_pin: int,
        mosi_pin: int,
        miso_pin: int,
        select_pin: int,
        pin_factory: MockFactory,
    ) -> None:
        self._chip = chip
        super().__init__(pin_factory=pin_factory)
        pin_factory.reserve_pins(self, clock_pin, mosi_pin, miso_pin, select_pin)

    def _conflicts_with(self, other: object) -> bool:
        return not isinstance(other, _Wires)  # two channels share them

    def _get_clock_mode(self) -> int:
        return 0

    def transfer(self, data: Sequence[int]) -> list[int]:
        """Exchange words of eight bits."""
        self._chip.select()
        return [int("".join(str(self._chip.clock(int(bit))) for bit in f"{word:08b}"), 2) for word in data]

    def close(self) -> None:
        self.pin_factory.release_all(self)
        super().close()


class _Pin(MockPWMPin):
    """A mock pin without a history, which would grow for ever."""

    def _change_state(self, value: float) -> bool:
        changes, self._state = self._state != value, value
        return changes


class _Factory(MockFactory):
    def __init__(self, chip: Chip) -> None:
        super().__init__(pin_class=_Pin)
        self._chip = chip

    def _get_spi_class(self, shared: bool, hardware: bool) -> partial[_Wires]:
        return partial(_Wires, self._chip)


class Mock:
    """A simulated panel."""

    def __init__(self, wiring: Wiring, positions: Mapping[Knob, float]) -> None:
        """`positions`, 0 to 1, are the initial ones of potentiometers."""
        self._wiring, self._positions = wiring, dict(positions)
        self.chip = Chip()
        self._factory = _Factory(self.chip)
        for knob, position in positions.items():
            self.put(knob, position)

    def board(self) -> Board:
        """Its pins."""
        return Board(self._factory, self._wiring, "mock pins")

    def put(self, knob: Knob, position: float) -> None:
        """Turn a potentiometer to a position, 0 to 1."""
        self._positions[knob] = position = min(1.0, max(0.0, position))
        channel = getattr(self._wiring.converter, knob.value)
        way = round(END + position * (TOP - 2 * END))
        self.chip.readings[channel] = {0.0: 0, 1.0: TOP}.get(position, way)

    def turn(self, knob: Knob, detents: int) -> None:
        """Turn a knob of either kind by some detents; clockwise is positive."""
        if self._wiring.knobs != "encoders":
            self.put(knob, self._positions[knob] + detents * DETENT)
            return
        a, b = (self._factory.pin(pin) for pin in getattr(self._wiring, knob.value))
        first, second = (a, b) if detents > 0 else (b, a)
        for _ in range(abs(detents)):
            first.drive_low()
            second.drive_low()
            first.drive_high()
            second.drive_high()

    def press(self, button: Button, *, down: bool) -> None:
        """Press a button, or release it."""
        number = self._wiring.mute_button if button is Button.MUTE else self._wiring.network_button
        if number != NOWHERE:
            pin = self._factory.pin(number)
            (pin.drive_low if down else pin.drive_high)()

    @property
    def lit(self) -> tuple[float, ...]:
        """The duty cycle of each lamp, 0 to 1, from left to right."""
        return tuple(
            float(self._factory.pin(pin).state) if pin != NOWHERE else 0.0 for pin in self._wiring.lamps
        )
