# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The parts on the sheet, with the fields that the checks and the papers need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hardware.tools.sexpr import Node, children, fields, plain, read, value

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


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is on the sheet: its parts by their references, without power symbols, its texts and its revision."""

    parts: dict[str, Part]
    texts: frozenset[str]
    revision: str


def drawn(source: Node) -> Sheet:
    """What a sheet's file has."""
    parts = {}
    for symbol in children(source, "symbol"):
        has = fields(symbol)
        ref, label = has["Reference"], has.get("Label") or "-"
        if not ref.startswith("#"):
            worth, footprint, number, stuffing = (has.get(name, "") for name in FIELDS)
            parts[ref] = Part(ref, worth, footprint, number, stuffing, label)
    texts = frozenset(plain(text[1]) for text in children(source, "text"))
    return Sheet(parts, texts, value(source, "title_block", "rev"))


@cache
def panel() -> Sheet:
    """The project's sheet."""
    return drawn(read("panel.kicad_sch"))
