# SPDX-License-Identifier: Apache-2.0
# gpiozero 2.0, as far as the box uses it.
from typing import Self

from gpiozero.pins.pi import PiBoardInfo as PiBoardInfo
from gpiozero.pins.pi import PiFactory, PiPin

class GPIOZeroError(Exception): ...
class GPIOZeroWarning(Warning): ...
class PinUnknownPi(GPIOZeroError, RuntimeError): ...
class SPISoftwareFallback(GPIOZeroWarning): ...

class Device:
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class InputDevice(Device):
    is_active: bool
    pin: PiPin
    def __init__(self, pin: int, *, pull_up: bool = False, pin_factory: PiFactory | None = None) -> None: ...

class PWMLED(Device):
    value: float
    pin: PiPin
    def __init__(
        self,
        pin: int,
        *,
        initial_value: float = 0,
        frequency: int = 100,
        pin_factory: PiFactory | None = None,
    ) -> None: ...

class RotaryEncoder(Device):
    steps: int
    def __init__(
        self, a: int, b: int, *, max_steps: int = 16, pin_factory: PiFactory | None = None
    ) -> None: ...

class MCP3008(Device):
    raw_value: int
    def __init__(
        self,
        channel: int = 0,
        *,
        clock_pin: int = 11,
        mosi_pin: int = 10,
        miso_pin: int = 9,
        select_pin: int = 8,
        pin_factory: PiFactory | None = None,
    ) -> None: ...
