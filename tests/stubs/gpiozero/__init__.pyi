# SPDX-License-Identifier: Apache-2.0
# gpiozero 2.0, as far as the box uses it.
from collections.abc import Callable
from typing import Any, Self

class GPIOZeroError(Exception): ...
class BadPinFactory(GPIOZeroError, ImportError): ...

class Device:
    pin_factory: Any
    closed: bool
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class Button(Device):
    is_pressed: bool
    when_pressed: Callable[[], None] | None
    when_released: Callable[[], None] | None
    when_held: Callable[[], None] | None
    def __init__(
        self,
        pin: int | str,
        *,
        pull_up: bool | None = True,
        active_state: bool | None = None,
        bounce_time: float | None = None,
        hold_time: float = 1,
        hold_repeat: bool = False,
        pin_factory: Any = None,
    ) -> None: ...

class PWMLED(Device):
    value: float
    def __init__(
        self,
        pin: int | str,
        *,
        active_high: bool = True,
        initial_value: float = 0,
        frequency: int = 100,
        pin_factory: Any = None,
    ) -> None: ...
    def on(self) -> None: ...
    def off(self) -> None: ...

class MCP3008(Device):
    value: float
    def __init__(
        self, channel: int = 0, *, max_voltage: float = 3.3, pin_factory: Any = None, **spi: Any
    ) -> None: ...
