# SPDX-License-Identifier: Apache-2.0
"""The pin of each part of the panel: pins.toml, the changes of the settings, and the pins that a HAT uses.

All pin numbers are in pins.toml. A pin has one user; a second one is an error that names the pin, both users and the
setting to change. Numbers are Broadcom's, as in gpiozero. Pure but for `on_a_pi`; any thread.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Knobs = Literal["potentiometers", "encoders", "none"]

NOWHERE = 0  # in the settings: there is no such part; GPIO 0 itself identifies HATs and is never free
ANY_HAT = "any"  # an unknown HAT: the pins that most of them use are kept free
NO_HAT = "none"
PULLED_UP = range(2, 9)  # high until a program runs: a lamp on one of them glows while the Pi starts


@dataclass(frozen=True, slots=True)
class Converter:
    """The pins of the MCP3008, which are those of SPI0, and the channel of each knob."""

    clock: int
    mosi: int
    miso: int
    select: int
    volume: int  # channel, 0 to 7
    tempo: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """The pins of all parts; NOWHERE for a part that is not there."""

    notes: tuple[int, ...]
    networks: tuple[int, ...]
    network_button: int
    mute_button: int
    knobs: Knobs
    converter: Converter
    volume: tuple[int, int]  # an encoder's two contacts
    tempo: tuple[int, int]

    @property
    def lamps(self) -> tuple[int, ...]:
        """All nine, from left to right."""
        return self.notes + self.networks


def on_a_pi() -> bool:
    """Whether this machine is a Raspberry Pi."""
    with suppress(OSError):
        return b"Raspberry Pi" in Path("/proc/device-tree/model").read_bytes()
    return False


def _read() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("pins.toml").read_text(encoding="utf-8"))


def _numbered(table: Mapping[str, str]) -> dict[int, str]:
    return {int(pin): use for pin, use in table.items()}


_TABLE = _read()
RESERVED = _numbered(_TABLE["reserved"])
HATS: dict[str, dict[int, str]] = {name: _numbered(uses) for name, uses in _TABLE["hats"].items()}

# Every part whose pin can be set, by its name in the settings.
PINS: dict[str, int] = (
    {lamp["name"].replace(" ", "_"): lamp["bcm"] for lamp in _TABLE["lamps"]}
    | {f"{button['name']}_button": button["bcm"] for button in _TABLE["buttons"]}
    | {f"{knob['name']}_{contact}": knob[contact] for knob in _TABLE["knobs"] for contact in ("a", "b")}
)
_CHANNELS: dict[str, int] = {knob["name"]: knob["channel"] for knob in _TABLE["knobs"]}
CONVERTER = Converter(
    **{pin: _TABLE["adc"][pin] for pin in ("clock", "mosi", "miso", "select")},
    volume=_CHANNELS["volume"],
    tempo=_CHANNELS["tempo"],
)


def wiring(knobs: Knobs = "potentiometers", pins: Mapping[str, int] = PINS) -> Wiring:
    """The wiring of a box whose parts are on `pins`."""
    return Wiring(
        notes=tuple(pin for part, pin in pins.items() if part.startswith("note_")),
        networks=tuple(
            pin for part, pin in pins.items() if part[-1].isdigit() and part.startswith("network")
        ),
        network_button=pins["network_button"],
        mute_button=pins["mute_button"],
        knobs=knobs,
        converter=CONVERTER,
        volume=(pins["volume_a"], pins["volume_b"]),
        tempo=(pins["tempo_a"], pins["tempo_b"]),
    )


def clashes(pins: Mapping[str, int], knobs: Knobs, hat: str) -> Iterator[tuple[str, str]]:
    """Each setting that cannot apply, by its key, with a sentence that says why and what to set instead."""
    taken = _taken(hat)
    lines = _lines() if knobs == "potentiometers" else {}
    users = {pin: line for line, pin in lines.items()}
    if (line := next((line for line, pin in lines.items() if pin in taken), None)) is not None:
        yield (
            "panel.knobs",
            f"GPIO {lines[line]} cannot be {line}, because {_whose(lines[line], hat)}; the converter cannot "
            f'move: set panel.knobs to "none", or to "encoders" and give them other pins.',
        )
    used = _used(pins, knobs)
    for part, pin in used.items():
        if pin in taken:
            why = _whose(pin, hat)
        elif pin in users:
            why = f"it is {users[pin]}"
        else:
            users[pin] = part
            continue
        advice = _advice(part, {*used.values(), *lines.values(), *taken})
        yield f"panel.pins.{part}", f"GPIO {pin} cannot be {part}, because {why}; {advice}"


def _lines() -> dict[str, int]:
    """The converter's pins, by their names in a sentence."""
    return {
        f"the converter's {name}": getattr(CONVERTER, name) for name in ("clock", "mosi", "miso", "select")
    }


def _used(pins: Mapping[str, int], knobs: Knobs) -> dict[str, int]:
    contacts = knobs == "encoders"
    return {
        part: pin
        for part, pin in pins.items()
        if pin != NOWHERE and (contacts or part[-2:] not in ("_a", "_b"))
    }


def _taken(hat: str) -> dict[int, str]:
    if hat == ANY_HAT:
        return RESERVED
    return {pin: RESERVED[pin] for pin in (0, 1)} | HATS.get(hat, {})


def _whose(pin: int, hat: str) -> str:
    use = _taken(hat)[pin]
    return f"the HAT {hat} uses it ({use})" if pin in HATS.get(hat, {}) else f"it is kept free ({use})"


def _advice(part: str, used: Set[int]) -> str:
    free = [pin for pin in range(2, 28) if pin not in used]
    if part[-1].isdigit():  # a lamp
        free.sort(key=lambda pin: pin in PULLED_UP)
    if not free:
        return (
            f"no pin is free: set panel.hat to your HAT, or panel.pins.{part} to {NOWHERE} to do without it."
        )
    spelled = ", ".join(map(str, free))
    return f"set panel.pins.{part} to a free one ({spelled}), or to {NOWHERE} to do without it."
