# SPDX-License-Identifier: Apache-2.0
"""The pins: what drives them, and the parts of the panel that hang on them. gpiozero is met here and in mock.py only.

The one rule: the pin factory is chosen by name and said, never fallen back to; whatever is missing is one sentence with
its cure. Everything is read and written by the panel's thread at its own pace: no callback of ours runs on a thread of
gpiozero's, where an exception would end the hearing of every pin. The panel's thread.

    board(name) ─▶ Board ─┬─▶ Converter or Encoders: a number for each knob
                          ├─▶ Buttons: down or not
                          └─▶ Leds: how much of the time each is lit
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gpiozero import MCP3008, PWMLED, InputDevice, PinUnknownPi, RotaryEncoder, SPISoftwareFallback
from gpiozero.pins.pi import PiFactory

from appliance.panel.pins import NOWHERE, Wiring
from appliance.values import BoxError, Button

FREQUENCY = 200  # Hz of the lamps' PWM: above what an eye sees, below what a busy Pi cannot keep
EXTRA = "pip install 'stellar-wind-box[pi]', or apt-get install python3-rpi-lgpio python3-spidev"


class NoPanel(BoxError, OSError):
    """A part of the panel, or all of it, cannot be reached."""


def on_a_pi() -> bool:
    """Whether this machine has pins of its own."""
    with suppress(OSError):
        return b"Raspberry Pi" in Path("/proc/device-tree/model").read_bytes()
    return False


def chosen(factory: str, wiring: Wiring) -> str:
    """The pin factory that a setting means.

    rpigpio dims in steps finer than a hundredth; lgpio alone knows at which moment an edge came, which encoders on a
    busy machine cannot do without.
    """
    if factory == "auto":
        return "lgpio" if wiring.knobs == "encoders" else "rpigpio"
    return factory


class Board:
    """The pins, opened. Each part is opened by itself, so that one that fails takes no other with it."""

    def __init__(self, factory: PiFactory, wiring: Wiring, says: str = "") -> None:
        self._factory, self._wiring = factory, wiring
        self.says = says  # what drives which pins, in words

    def knobs(self) -> Converter | Encoders:
        """What turns. Raises NoPanel."""
        return (Encoders if self._wiring.knobs == "encoders" else Converter)(self._wiring, self._factory)

    def buttons(self) -> Buttons:
        """What is pressed. Raises NoPanel."""
        return Buttons(self._wiring, self._factory)

    def leds(self) -> Leds:
        """What shines. Raises NoPanel."""
        return Leds(self._wiring, self._factory)

    def close(self) -> None:
        """Let go of every pin."""
        with _no_collection():
            self._factory.close()


def board(name: str, wiring: Wiring) -> Board:
    """The pins of this machine, driven by the pin factory of that name. Raises NoPanel."""
    try:
        with _a_place_to_write():
            factory = FACTORIES[name]()
        model = factory.board_info.model
    except Exception as error:  # each factory has its own kinds, down to plain RuntimeError
        forget(error)
        raise NoPanel(why(error)) from error
    # Both providers of RPi.GPIO look the same but for what they rest on.
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
    """Let lgpio, when it is imported, make its pipe where this user may write, and forget that it went there.

    It makes `.lgd-nfy0` in the working directory, which a service may not write to, or in LG_WD, to which it moves the
    whole process. The directory lasts as long as the process.
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
    """What is wrong and what to do, by what a library said."""
    text = str(error) or type(error).__name__
    if isinstance(error, SPISoftwareFallback) and error.__context__:
        return _why_no_spi(error.__context__)
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package that drives the pins is missing ({error.name}): {EXTRA}"
    if isinstance(error, PinUnknownPi) or "only be run on a Raspberry Pi" in text:
        return "this machine is no Raspberry Pi, or does not say so"
    if "SOC peripheral base address" in text or "Failed to add edge detection" in text:
        return f"RPi.GPIO is too old for this machine: replace it by rpi-lgpio ({EXTRA})"
    if (
        isinstance(error, PermissionError)
        or "can not open gpiochip" in text
        or "No access to /dev/mem" in text
    ):
        return f"the pins may not be opened ({text}): put the user that runs the box into the group gpio"
    if "busy" in text.lower():
        return f"another program holds a pin ({text}): end it, or move the part in [panel.pins]"
    return f"{text} ({type(error).__name__})"


def _why_no_spi(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return f"the Python package spidev is missing: {EXTRA}"
    if isinstance(error, PermissionError):
        return "SPI may not be opened: put the user that runs the box into the group spi"
    if isinstance(error, FileNotFoundError):
        return "SPI is switched off: write dtparam=spi=on into /boot/firmware/config.txt and restart"
    return f"SPI cannot be opened ({error}): is dtparam=spi=on in /boot/firmware/config.txt?"


# --- the parts ----------------------------------------------------------------------------------------------


@contextmanager
def _opening() -> Iterator[ExitStack]:
    """Open devices: all of them, or none, and NoPanel says why."""
    with _no_collection(), ExitStack() as devices:
        try:
            yield devices
        except Exception as error:
            reason = why(error)
            forget(error)
            raise NoPanel(reason) from error


def _closing(devices: ExitStack) -> Callable[[], None]:
    def close() -> None:
        """Let go of the pins."""
        with _no_collection():
            devices.close()

    return close


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage be collected meanwhile.

    gpiozero reserves and releases pins under a lock, and its shared devices, which are rings of references, take the
    same lock when they are collected: a collection just then would wait for its own thread for ever.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def forget(error: BaseException | None) -> None:
    """Let go of all that an error's frames hold: half-made devices among it, which are to end here and now."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


class Converter:
    """The MCP3008, on hardware SPI."""

    def __init__(self, wiring: Wiring, factory: PiFactory) -> None:
        """Raises NoPanel, also where gpiozero would go on slowly, by setting each pin in Python."""
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
        """The volume's wiper and the tempo's, 0 to 1023."""
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
        """The detents that each has counted since it was opened, right is positive."""
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
        """Which are down, bounces and all."""
        return {button: device.is_active for button, device in self._buttons.items()}


class Leds:
    """The nine lamps, dark at first and in the end."""

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
        """Light each for a part of the time, 0 to 1, from left to right."""
        for place, (led, duty) in enumerate(zip(self._leds, duties, strict=True)):
            duty = round(duty, 2)  # lgpio's steps; and what has not changed need not be told
            if led and duty != self._lit[place]:
                self._lit[place] = duty
                led.value = duty
