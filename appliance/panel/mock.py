# SPDX-License-Identifier: Apache-2.0
"""A panel that is not there: gpiozero's mock pins with an MCP3008 beside them, for a desk and for tests.

The one rule: hands and eyes get no short cut. A knob is turned by what the converter answers, bit by bit, a button is
pressed by its pin, and a lamp is as bright as its pin is lit; so a laptop runs the same code as a Pi.
Hands may come from any thread; the panel's thread reads.
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

DETENT = 0.02  # of a potentiometer's way: 1 dB of volume


class Chip:
    """An MCP3008 as its data sheet draws it, a clock at a time.

    in    0 0 0 0 0 0 0 1 S C2 C1 C0 x x x  x x x x x x x x x     1: the start bit; S: single; C: the channel
    out   x x x x x x x x x x  x  x  x 0 R9 . . . . . . . . R0     a bit to sample, a null bit, the reading
    """

    def __init__(self) -> None:
        self.readings = [0] * 8  # 0 to TOP

    def select(self) -> None:
        """Begin to listen."""
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
    """Hardware SPI that ends in a chip, as spidev's ends in the kernel."""

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
        """Words of eight bits, out and in."""
        self._chip.select()
        return [int("".join(str(self._chip.clock(int(bit))) for bit in f"{word:08b}"), 2) for word in data]

    def close(self) -> None:
        self.pin_factory.release_all(self)
        super().close()


class _Pin(MockPWMPin):
    """A pin that forgets: a mock keeps every state that it ever had."""

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
    """The pins of a panel that is not there, and what may be done to them."""

    def __init__(self, wiring: Wiring, positions: Mapping[Knob, float]) -> None:
        """`positions`, 0 to 1, are where potentiometers stand at first."""
        self._wiring, self._positions = wiring, dict(positions)
        self.chip = Chip()
        self._factory = _Factory(self.chip)
        for knob, position in positions.items():
            self.put(knob, position)

    def board(self) -> Board:
        """Its pins, as if they were those of a machine."""
        return Board(self._factory, self._wiring, "mock pins, a panel on the screen")

    def put(self, knob: Knob, position: float) -> None:
        """Turn a potentiometer to a position, 0 to 1."""
        self._positions[knob] = position = min(1.0, max(0.0, position))
        channel = getattr(self._wiring.converter, knob.value)
        way = round(END + position * (TOP - 2 * END))
        self.chip.readings[channel] = {0.0: 0, 1.0: TOP}.get(position, way)

    def turn(self, knob: Knob, detents: int) -> None:
        """Turn a knob of either kind by some detents, right is positive."""
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
        """Press a button, or let it go."""
        number = self._wiring.mute_button if button is Button.MUTE else self._wiring.network_button
        if number != NOWHERE:
            pin = self._factory.pin(number)
            (pin.drive_low if down else pin.drive_high)()

    @property
    def lit(self) -> tuple[float, ...]:
        """How much of the time each lamp is lit, 0 to 1, from left to right."""
        return tuple(
            float(self._factory.pin(pin).state) if pin != NOWHERE else 0.0 for pin in self._wiring.lamps
        )
