# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The parts on the sheet, with the fields that their makers and the papers need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hardware.tools.sexpr import Node, children, fields, read

FIELDS = ("Value", "Footprint", "MPN", "Stuffing")


@dataclass(frozen=True, slots=True)
class Part:
    """A symbol's fields. `number` is the maker's, MPN; a part that is only copper has none."""

    ref: str
    value: str
    footprint: str
    number: str
    stuffing: str  # all, potentiometers, encoders, optional, or board for what is only copper
    label: str  # what is printed beside it on the board and on the case, or "-"


def parts(sheet: Node) -> dict[str, Part]:
    """Every part by its reference, in the order of the sheet's file; no power symbols."""
    found = {}
    for symbol in children(sheet, "symbol"):
        has = fields(symbol)
        if not has["Reference"].startswith("#"):
            value, footprint, number, stuffing = (has.get(name, "") for name in FIELDS)
            label = has.get("Label") or "-"
            found[has["Reference"]] = Part(has["Reference"], value, footprint, number, stuffing, label)
    return found


@cache
def panel() -> dict[str, Part]:
    """The parts on the project's sheet."""
    return parts(read("panel.kicad_sch"))
