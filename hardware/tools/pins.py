# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The sheet against the panel's table of pins: which pins must be joined for the box's program to find its parts.

No pin number of the Pi is written here. `appliance/panel/pins.toml` says which GPIO has which use, and gpiozero says
where a GPIO is on the header. What a maker adds to a net is allowed, unless it is a pin of the header. Pure.

    GPIO ─R─ lamp ─ ground                 9 times       a lamp lights when its pin is high
    GPIO ─R─ button ─ ground               twice         the chip's own pull-up holds the pin high
    3V3 ─ potentiometer ─ ground, wiper ─ converter      as encoders, the converter's four pins are the contacts
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from gpiozero import PiBoardInfo

from hardware.tools.sheet import Sheet

A_PI = 0xC03114  # a Pi 4; tests/panel/test_pins.py holds the others' headers against each other
GND, V3, V5 = "GND", "+3V3", "+5V"
RAILS = {"GND": GND, "3V3": V3, "5V": V5}
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
LINES = ("clock", "mosi", "miso", "select")
# What is on which supply, whatever the table of pins says. The plug J2 has the order of the small PCM5102A boards,
# whose last pin, SCK, wants ground; U2 is a HAT's memory at the address 0x50, as the HAT guide draws it.
SUPPLIED = {
    GND: "U1.9 U1.14 C1.2 C2.2 C3.2 J2.2 J2.6 J3.3 J4.3 J5.2 J5.5 J6.2 J6.5 "
    "U2.1 U2.2 U2.3 U2.4 JP1.2 C4.2 TP2.1",
    V3: "U1.15 U1.16 C1.1 J3.1 J4.1 U2.8 R16.1 R17.1 R18.1 C4.1 TP1.1",
    V5: "J2.1",
}
# What the table calls the pins that are kept for a DAC and for a HAT's memory: their nets, and who is on them.
KEPT = {
    "I2S bit clock": [("I2S_BCK", "J2.5")],
    "I2S word clock": [("I2S_LCK", "J2.3")],
    "I2S data out": [("I2S_DIN", "J2.4")],
    "identifies a HAT": [("ID_DATA", "U2.5 R16.2"), ("ID_CLOCK", "U2.6 R17.2")],
}


def table(pins: Path | None = None) -> dict[str, Any]:
    """The table of pins: the panel's own, or a changed one from a test."""
    source = pins or files("appliance.panel").joinpath("pins.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


@cache
def header() -> dict[int, str]:
    """What each pin of the 40-pin header is: 3V3, 5V, GND or GPIO with its number."""
    return {number: pin.name for number, pin in PiBoardInfo.from_revision(A_PI).headers["J8"].pins.items()}


def hole(bcm: int) -> int:
    """The pin of the header that a GPIO is on."""
    return next(number for number, name in header().items() if name == f"GPIO{bcm}")


def wanted(of: Mapping[str, Any]) -> dict[str, set[str]]:
    """The pins that must be on each net, by its name; "R1.2" is pin 2 of R1."""
    on: dict[str, set[str]] = defaultdict(set)
    lines: dict[int, str] = {}

    def line(bcm: int, *name: str) -> set[str]:
        """The net of a GPIO; the first use names it."""
        net = on[lines.setdefault(bcm, _net(*name))]
        net.add(f"J1.{hole(bcm)}")
        return net

    for number, name in header().items():
        if name in RAILS:
            on[RAILS[name]].add(f"J1.{number}")
    for rail, pins in SUPPLIED.items():
        on[rail].update(pins.split())
    for count, lamp in enumerate(of["lamps"], 1):
        line(lamp["bcm"], "lamp", lamp["name"]).add(f"R{count}.1")
        on[f"LAMP_{count}_ANODE"] = {f"R{count}.2", f"D{count}.2"}
        on[GND].add(f"D{count}.1")
    for count, button in enumerate(of["buttons"], 1):
        line(button["bcm"], "button", button["name"]).add(f"R{9 + count}.1")
        # Pressing an encoder is pressing a button: the volume's is MUTE, the tempo's is NETWORK.
        on[_net("switch", button["name"])] = {f"R{9 + count}.2", f"SW{count}.1", f"J{7 - count}.4"}
        on[GND].add(f"SW{count}.2")
    for name in LINES:
        line(of["adc"][name], "spi", name).add(f"U1.{CONVERTER[name]}")
    # An open input would pick up what its neighbours do; ground beside the wipers also shields them.
    on[GND].update(f"U1.{CONVERTER[f'CH{n}']}" for n in set(range(8)) - {k["channel"] for k in of["knobs"]})
    for count, knob in enumerate(of["knobs"]):
        wiper = CONVERTER[f"CH{knob['channel']}"]
        on[_net("knob", knob["name"])] = {
            f"U1.{wiper}",
            f"J{3 + count}.2",
            f"C{2 + count}.1",
            f"TP{3 + count}.1",
        }
        for resistor, contact, pin in ((12, "a", 1), (13, "b", 3)):
            ref = f"R{resistor + 2 * count}"
            line(knob[contact], "contact", knob["name"], contact).add(f"{ref}.1")
            on[_net("encoder", knob["name"], contact)] = {f"{ref}.2", f"J{5 + count}.{pin}"}
    for why, kept in KEPT.items():
        bcms = [int(bcm) for bcm, reason in of["reserved"].items() if reason == why]
        for bcm, (net, pins) in zip(bcms, kept, strict=True):
            line(bcm, net).update(pins.split())
    on["ID_PROTECT"] = {"U2.7", "R18.2", "JP1.1"}
    return dict(on)


def faults(nets: Mapping[str, set[str]], sheet: Sheet, of: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each pin, name and revision in which the sheet is not what the table asks for."""
    on = {pin: net for net, pins in nets.items() for pin in pins}
    asked = wanted(of)
    for net, pins in asked.items():
        for pin in sorted(pins):
            if on.get(pin) != net:
                yield f"panel.kicad_sch: {pin} must be on the net {net}, and is on {on.get(pin, 'none')}"
    for number, name in header().items():
        pin = f"J1.{number}"
        if pin in on and not any(pin in pins for pins in asked.values()):
            why = of["reserved"].get(name.removeprefix("GPIO"), "unused")
            yield f"panel.kicad_sch: {pin} ({name}: {why}) must stay open, and is on {on[pin]}"
    if sheet.revision != of["revision"]:
        yield f"panel.kicad_sch: the title block has the revision {sheet.revision}, pins.toml {of['revision']}"
    for text in (f"{lamp['name']}: {lamp['label']}" for lamp in of["lamps"]):
        if text not in sheet.texts:
            yield f'panel.kicad_sch: the text "{text}" must stand beside the lamp'
    labels = {f"D{count}": lamp["label"] for count, lamp in enumerate(of["lamps"], 1)}
    labels |= {f"SW{count}": button["name"].upper() for count, button in enumerate(of["buttons"], 1)}
    labels |= {
        f"J{first + n}": knob["name"].upper() for first in (3, 5) for n, knob in enumerate(of["knobs"])
    }
    for ref, label in labels.items():
        if ref not in sheet.parts:
            yield f"panel.kicad_sch: {ref} is missing; pins.toml calls it {label}"
        elif sheet.parts[ref].label != label:
            yield f"panel.kicad_sch: the field Label of {ref} is {sheet.parts[ref].label}, in pins.toml {label}"


def _net(*words: str) -> str:
    return "_".join(words).replace(" ", "_").upper()
