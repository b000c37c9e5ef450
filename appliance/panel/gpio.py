# SPDX-License-Identifier: Apache-2.0
"""The GPIO pins: the pin factory, and the devices of the panel on it. Only this file and mock.py import gpiozero.

The pin factory is chosen by name and reported; there is no fallback to another one. What is missing is an error of one
sentence with its remedy. The panel's thread polls: no callback of ours runs on a thread of gpiozero, where an exception
would end the event handling of all pins.

    board(name) ─▶ Board ─┬─▶ Converter or Encoders: a number for each knob
                          ├─▶ Buttons: down or not
                          └─▶ Leds: the duty cycle of each lamp
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gpiozero import MCP3008, PWMLED, InputDevice, PinUnknownPi, RotaryEncoder, SPISoftwareFallback
from gpiozero.pins.pi import PiFactory

from appliance.panel.pins import NOWHERE, Wiring
from appliance.values import BoxError, Button

FREQUENCY = 200  # Hz of the lamps' PWM: no visible flicker, and slow enough for a busy Pi
EXTRA = "pip install 'stellar-wind-box[pi]', or apt-get install python3-rpi-lgpio python3-spidev"


class NoPanel(BoxError, OSError):
    """A part of the panel, or all of it, cannot be opened."""


def chosen(factory: str, wiring: Wiring) -> str:
    """The pin factory for a setting.

    rpigpio dims in steps finer than a hundredth. Only lgpio has a time stamp for each edge, which encoders need on a
    busy machine.
    """
    if factory == "auto":
        return "lgpio" if wiring.knobs == "encoders" else "rpigpio"
    return factory


class Board:
    """The opened pins. Each part is opened separately, so that a failure affects only that part."""

    def __init__(self, factory: PiFactory, wiring: Wiring, says: str = "") -> None:
        self._factory, self._wiring = factory, wiring
        self.says = says  # pin factory and board, in words

    def knobs(self) -> Converter | Encoders:
        """Open the knobs. Raises NoPanel."""
        return (Encoders if self._wiring.knobs == "encoders" else Converter)(self._wiring, self._factory)

    def buttons(self) -> Buttons:
        """Open the buttons. Raises NoPanel."""
        return Buttons(self._wiring, self._factory)

    def leds(self) -> Leds:
        """Open the lamps. Raises NoPanel."""
        return Leds(self._wiring, self._factory)

    def close(self) -> None:
        """Release every pin."""
        with _no_collection():
            self._factory.close()


def board(name: str, wiring: Wiring) -> Board:
    """Open the pins of this machine with the pin factory of that name. Raises NoPanel."""
    try:
        with _a_place_to_write():
            factory = FACTORIES[name]()
        model = factory.board_info.model
    except Exception as error:  # each factory raises errors of its own, down to plain RuntimeError
        forget(error)
        raise NoPanel(why(error)) from error
    # RPi.GPIO and rpi-lgpio differ only in what they import.
    over = {"rpigpio": " over " + ("rpi-lgpio" if "lgpio" in sys.modules else "RPi.GPIO")}.get(name, "")
    return Board(factory, wiring, f"{name}{over} on a Raspberry Pi {model}")


def _rpigpio() -> PiFactory:
    from gpiozero.pins.rpigpio import RPiGPIOFactory

    return RPiGPIOFactory()


def _lgpio() -> PiFactory:
    from gpiozero.pins.lgpio import LGPIOFactory

    return LGPIOFactory()


FACTORIES: dict[str, Callable[[], PiFactory]] = {"rpigpio": _rpigpio, "lgpio": _lgpio}


@contextmanager
def _a_place_to_write() -> Iterator[None]:
    """Give lgpio a writable folder for its pipe while it is imported, and restore the working directory afterwards.

    lgpio makes a pipe `.lgd-nfy0` in the working directory, to which a service cannot write, or in LG_WD, and then it
    changes the working directory of the process to that. The folder exists as long as the process.
    """
    if "LG_WD" in os.environ or "lgpio" in sys.modules:
        yield
        return
    here = Path.cwd()
    place = tempfile.TemporaryDirectory(prefix="stellar-wind-", dir=os.environ.get("RUNTIME_DIRECTORY"))
    os.environ["LG_WD"] = place.name
    try:
        yield
    finally:
        del os.environ["LG_WD"]
        os.chdir(here)
        if "lgpio" in sys.modules:
            _PLACES.append(place)
        else:
            place.cleanup()


_PLACES: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def why(error: BaseException) -> str:
    """What is wrong and what to do, from the error of a library."""
    text = str(error) or type(error).__name__
    if isinstance(error, SPISoftwareFallback) and error.__context__:
        return _why_no_spi(error.__context__)
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package that drives the pins is missing ({error.name}): {EXTRA}"
    if isinstance(error, PinUnknownPi) or "only be run on a Raspberry Pi" in text:
        return "this machine is not a Raspberry Pi, or not a known model"
    if "SOC peripheral base address" in text or "Failed to add edge detection" in text:
        return f"RPi.GPIO is too old for this machine: replace it with rpi-lgpio ({EXTRA})"
    if (
        isinstance(error, PermissionError)
        or "can not open gpiochip" in text
        or "No access to /dev/mem" in text
    ):
        return f"no permission to open the pins ({text}): add the user that runs the box to the group gpio"
    if "busy" in text.lower():
        return f"another program uses a pin ({text}): end it, or move the part in [panel.pins]"
    return f"{text} ({type(error).__name__})"


def _why_no_spi(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return f"the Python package spidev is missing: {EXTRA}"
    if isinstance(error, PermissionError):
        return "no permission to open SPI: add the user that runs the box to the group spi"
    if isinstance(error, FileNotFoundError):
        return (
            "SPI is switched off: add dtparam=spi=on, and on Debian dtoverlay=pi4-spidev too, "
            "to /boot/firmware/config.txt and restart"
        )
    return f"SPI cannot be opened ({error}): is dtparam=spi=on in /boot/firmware/config.txt?"


# --- the parts ----------------------------------------------------------------------------------------------


@contextmanager
def _opening() -> Iterator[ExitStack]:
    """Open all devices or none. Raises NoPanel with the reason."""
    with _no_collection(), ExitStack() as devices:
        try:
            yield devices
        except Exception as error:
            reason = why(error)
            forget(error)
            raise NoPanel(reason) from error


def _closing(devices: ExitStack) -> Callable[[], None]:
    def close() -> None:
        """Release the pins."""
        with _no_collection():
            devices.close()

    return close


@contextmanager
def _no_collection() -> Iterator[None]:
    """Disable the garbage collector while in the `with`, to prevent a deadlock in gpiozero.

    gpiozero reserves and releases pins under a lock that is not reentrant. Its shared devices are reference cycles that
    take the same lock when they are collected. A collection while the lock is held would wait for its own thread.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def forget(error: BaseException | None) -> None:
    """Clear the frames of an error: they hold half-made devices, which must be released now."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


class Converter:
    """The MCP3008, on hardware SPI."""

    def __init__(self, wiring: Wiring, factory: PiFactory) -> None:
        """Raises NoPanel, also where gpiozero would fall back to slow SPI in Python."""
        pins = wiring.converter
        warnings.filterwarnings("error", category=SPISoftwareFallback)
        with _opening() as devices:
            self._channels = [
                devices.enter_context(
                    MCP3008(
                        channel,
                        clock_pin=pins.clock,
                        mosi_pin=pins.mosi,
                        miso_pin=pins.miso,
                        select_pin=pins.select,
                        pin_factory=factory,
                    )
                )
                for channel in (pins.volume, pins.tempo)
            ]
            self.close = _closing(devices.pop_all())

    def read(self) -> Sequence[int]:
        """The readings of volume and tempo, 0 to 1023."""
        return [channel.raw_value for channel in self._channels]  # .value never reaches 0


class Encoders:
    """Two rotary encoders."""

    def __init__(self, wiring: Wiring, factory: PiFactory) -> None:
        """Raises NoPanel."""
        with _opening() as devices:
            self._encoders = [
                devices.enter_context(RotaryEncoder(a, b, max_steps=0, pin_factory=factory))
                for a, b in (wiring.volume, wiring.tempo)
            ]
            self.close = _closing(devices.pop_all())

    def read(self) -> Sequence[int]:
        """The detents that each has counted since it was opened; clockwise is positive."""
        return [encoder.steps for encoder in self._encoders]


class Buttons:
    """Buttons that close to ground."""

    def __init__(self, wiring: Wiring, factory: PiFactory) -> None:
        """Raises NoPanel."""
        pins = {Button.NETWORK: wiring.network_button, Button.MUTE: wiring.mute_button}
        with _opening() as devices:
            self._buttons = {
                button: devices.enter_context(InputDevice(pin, pull_up=True, pin_factory=factory))
                for button, pin in pins.items()
                if pin != NOWHERE
            }
            self.close = _closing(devices.pop_all())

    def read(self) -> dict[Button, bool]:
        """Which buttons are down, not debounced."""
        return {button: device.is_active for button, device in self._buttons.items()}


class Leds:
    """The nine lamps; dark at first, and after `close`."""

    def __init__(self, wiring: Wiring, factory: PiFactory) -> None:
        """Raises NoPanel."""
        with _opening() as devices:
            self._leds = [
                devices.enter_context(PWMLED(pin, frequency=FREQUENCY, pin_factory=factory))
                if pin != NOWHERE
                else None
                for pin in wiring.lamps
            ]
            self._lit = [0.0] * len(self._leds)
            self.close = _closing(devices.pop_all())

    def shine(self, duties: Sequence[float]) -> None:
        """Set the duty cycle of each, 0 to 1, from left to right."""
        for place, (led, duty) in enumerate(zip(self._leds, duties, strict=True)):
            duty = round(duty, 2)  # the resolution of lgpio; unchanged values are not written again
            if led and duty != self._lit[place]:
                self._lit[place] = duty
                led.value = duty
