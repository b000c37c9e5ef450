# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The circuit: every part on the board and which net each of its pins is on, computed from the panel's table of pins.

No pin number of the Pi is written here. `appliance/panel/pins.toml` says which GPIO has which use,
gpiozero says where a GPIO is on the header, and this file only joins the two. The schematic, the board, the wiring
drawing and the tests all ask it. Pure.

    GPIO ─R─ lamp ─ ground                 9 times       a lamp lights when its pin is high
    GPIO ─R─ button ─ ground               twice         the chip's own pull-up holds the pin high
    3V3 ─ potentiometer ─ ground, wiper ─ converter      as encoders, the converter's four pins are the contacts
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from gpiozero import PiBoardInfo

HARDWARE = Path(__file__).parent.parent
A_PI = 0xC03114  # a Pi 4; tests/panel/test_pins.py holds the others' headers against each other

GND, V3, V5 = "GND", "+3V3", "+5V"
# The MCP3008's pins by their names: its data sheet DS21295, page 1.
CONVERTER = {
    **{f"CH{channel}": str(channel + 1) for channel in range(8)},
    "DGND": "9",
    "select": "10",
    "mosi": "11",
    "miso": "12",
    "clock": "13",
    "AGND": "14",
    "VREF": "15",
    "VDD": "16",
}
CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One part on the board. A pin that is not in `pins` is left open on purpose."""

    ref: str
    kind: str  # its table in parts.toml
    label: str = ""  # what is printed beside it
    pins: Mapping[str, str] = field(default_factory=dict)  # pin → net


def table(pins: Path | None = None) -> dict[str, Any]:
    """The table of pins: the panel's own, or a changed one from a test."""
    source = pins or files("appliance.panel").joinpath("pins.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def kinds() -> dict[str, dict[str, Any]]:
    """What parts.toml says of each kind of part."""
    return tomllib.loads((HARDWARE / "parts.toml").read_text(encoding="utf-8"))


def header() -> dict[int, str]:
    """What each pin of the 40-pin header is: 3V3, 5V, GND or GPIO with its number."""
    return {number: pin.name for number, pin in PiBoardInfo.from_revision(A_PI).headers["J8"].pins.items()}


def hole(bcm: int) -> int:
    """The pin of the header that a GPIO is on."""
    return next(number for number, name in header().items() if name == f"GPIO{bcm}")


def net_name(*words: str) -> str:
    """A net's name, as a schematic writes it."""
    return "_".join(words).replace(" ", "_").upper()


def circuit(of: Mapping[str, Any] | None = None) -> list[Part]:
    """Every part on the board, in the order of the papers."""
    of = of or table()
    return [
        _header(of),
        *_converter(of),
        *_lamps(of),
        *_buttons(of),
        *_knobs(of),
        _dac(),
        *_memory(),
        *_test_points(of),
    ]


def nets(parts: list[Part]) -> dict[str, set[tuple[str, str]]]:
    """The pins on each net."""
    on: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for part in parts:
        for pin, net in part.pins.items():
            on[net].add((part.ref, pin))
    return dict(on)


def use_of_gpio(of: Mapping[str, Any]) -> dict[int, str]:
    """The net of each GPIO that the board uses."""
    uses = {lamp["bcm"]: net_name("lamp", lamp["name"]) for lamp in of["lamps"]}
    uses |= {button["bcm"]: net_name("button", button["name"]) for button in of["buttons"]}
    uses |= {of["adc"][line]: net_name("spi", line) for line in ("clock", "mosi", "miso", "select")}
    for knob in of["knobs"]:
        for contact in ("a", "b"):
            uses.setdefault(knob[contact], net_name("contact", knob["name"], contact))
    reserved: Mapping[str, str] = of["reserved"]
    for bcm, why in reserved.items():
        if why in _I2S:
            uses[int(bcm)] = _I2S[why]
    data, clock = (int(bcm) for bcm, why in reserved.items() if why == "identifies a HAT")
    return uses | {data: "ID_DATA", clock: "ID_CLOCK"}


# What the table of pins calls the lines that a DAC needs; its input and the rest stay open.
_I2S = {"I2S bit clock": "I2S_BCK", "I2S word clock": "I2S_LCK", "I2S data out": "I2S_DIN"}
_POWER = {"3V3": V3, "5V": V5, "GND": GND}


def _header(of: Mapping[str, Any]) -> Part:
    uses = {f"GPIO{bcm}": net for bcm, net in use_of_gpio(of).items()} | _POWER
    return Part(
        "J1",
        "header",
        "PI",
        {str(number): uses[name] for number, name in header().items() if name in uses},
    )


def _converter(of: Mapping[str, Any]) -> Iterator[Part]:
    wipers = {knob["channel"]: net_name("knob", knob["name"]) for knob in of["knobs"]}
    # An open input would pick up what its neighbours do; ground beside the wipers also shields them.
    pins = {CONVERTER[f"CH{channel}"]: wipers.get(channel, GND) for channel in range(CHANNELS)}
    pins |= {CONVERTER[line]: net_name("spi", line) for line in ("clock", "mosi", "miso", "select")}
    pins |= {CONVERTER["AGND"]: GND, CONVERTER["DGND"]: GND, CONVERTER["VREF"]: V3, CONVERTER["VDD"]: V3}
    yield Part("U1", "converter", "MCP3008", pins)
    yield Part("C1", "supply_capacitor", "", {"1": V3, "2": GND})


def _lamps(of: Mapping[str, Any]) -> Iterator[Part]:
    for count, lamp in enumerate(of["lamps"], 1):
        anode = f"LAMP_{count}_ANODE"
        yield Part(f"R{count}", "lamp_resistor", "", {"1": net_name("lamp", lamp["name"]), "2": anode})
        yield Part(f"D{count}", "lamp", lamp["label"], {"1": GND, "2": anode})


def _buttons(of: Mapping[str, Any]) -> Iterator[Part]:
    for count, button in enumerate(of["buttons"], 1):
        switch = net_name("switch", button["name"])
        resistor = {"1": net_name("button", button["name"]), "2": switch}
        yield Part(f"R{9 + count}", "series_resistor", "", resistor)
        yield Part(f"SW{count}", "button", button["name"].upper(), {"1": switch, "2": GND})


def _knobs(of: Mapping[str, Any]) -> Iterator[Part]:
    """Both stuffings: a plug of three for a potentiometer, one of five for an encoder with a push switch."""
    uses = use_of_gpio(of)
    switches = [net_name("switch", button["name"]) for button in of["buttons"]]
    for count, knob in enumerate(of["knobs"]):
        name, wiper = knob["name"], net_name("knob", knob["name"])
        yield Part(f"J{3 + count}", "potentiometer_plug", name.upper(), {"1": V3, "2": wiper, "3": GND})
        yield Part(f"C{2 + count}", "wiper_capacitor", "", {"1": wiper, "2": GND})
        a, b = (net_name("encoder", name, contact) for contact in ("a", "b"))
        # Volume's push is MUTE, tempo's is NETWORK: what is loud is silenced where it is made loud.
        push = switches[::-1][count]
        pins = {"1": a, "2": GND, "3": b, "4": push, "5": GND}
        yield Part(f"J{5 + count}", "encoder_plug", name.upper(), pins)
        yield Part(f"R{12 + 2 * count}", "encoder_resistor", "", {"1": uses[knob["a"]], "2": a})
        yield Part(f"R{13 + 2 * count}", "encoder_resistor", "", {"1": uses[knob["b"]], "2": b})


def _dac() -> Part:
    """In the order of the pins of the small PCM5102A boards, whose last pin, SCK, wants ground."""
    nets = (V5, GND, "I2S_LCK", "I2S_DIN", "I2S_BCK", GND)
    return Part("J2", "dac_plug", "DAC", {str(pin): net for pin, net in enumerate(nets, 1)})


def _memory() -> Iterator[Part]:
    """A HAT's memory as the HAT guide draws it: address 0x50, 3.9 kilohm on both lines, not to be written by
    accident.
    """
    protect = "ID_PROTECT"
    pins = {"1": GND, "2": GND, "3": GND, "4": GND, "5": "ID_DATA", "6": "ID_CLOCK", "7": protect, "8": V3}
    yield Part("U2", "eeprom", "", pins)
    yield Part("R16", "eeprom_resistor", "", {"1": V3, "2": "ID_DATA"})
    yield Part("R17", "eeprom_resistor", "", {"1": V3, "2": "ID_CLOCK"})
    yield Part("R18", "write_resistor", "", {"1": V3, "2": protect})
    yield Part("JP1", "write_jumper", "", {"1": protect, "2": GND})
    yield Part("C4", "eeprom_capacitor", "", {"1": V3, "2": GND})


def _test_points(of: Mapping[str, Any]) -> Iterator[Part]:
    wipers = [(net_name("knob", knob["name"]), knob["name"][:3].upper()) for knob in of["knobs"]]
    for count, (net, label) in enumerate([(V3, "3V3"), (GND, "GND"), *wipers], 1):
        yield Part(f"TP{count}", "test_point", label, {"1": net})
