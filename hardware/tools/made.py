# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The board as it was made, read from its file: where each pad and each printed line is. Needs no KiCad. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from hardware.tools.circuit import HARDWARE
from hardware.tools.sexpr import Node, children, numbers, parse, plain, value


@dataclass(frozen=True, slots=True)
class Pad:
    """A pad where it is on the board."""

    ref: str
    number: str
    net: str
    x: float
    y: float


@cache
def board() -> Node:
    """The board's file."""
    return parse((HARDWARE / "kicad/panel.kicad_pcb").read_text(encoding="utf-8"))


def reference(footprint: Node) -> str:
    """What a footprint is called."""
    return next(plain(text[2]) for text in children(footprint, "property") if plain(text[1]) == "Reference")


def moved(footprint: Node, x: float, y: float) -> tuple[float, float]:
    """A place of a footprint, on the board."""
    left, top, *turn = numbers(footprint, "at")
    angle = math.radians(turn[0] if turn else 0)
    return left + x * math.cos(angle) + y * math.sin(angle), top + y * math.cos(angle) - x * math.sin(angle)


@cache
def pads() -> list[Pad]:
    """Every pad."""
    found = []
    for footprint in children(board(), "footprint"):
        for pad in children(footprint, "pad"):
            dx, dy = numbers(pad, "at")[:2]
            net = next((plain(name[-1]).removeprefix("/") for name in children(pad, "net")), "")
            found.append(Pad(reference(footprint), plain(pad[1]), net, *moved(footprint, dx, dy)))
    return found


def outline(footprint: Node) -> list[list[tuple[float, float]]]:
    """The body of a part, as it is drawn in the assembly instructions: strokes through points; circles as polygons."""
    strokes: list[list[tuple[float, float]]] = []
    for kind in ("fp_line", "fp_rect", "fp_circle"):
        for shape in children(footprint, kind):
            if not value(shape, "layer").endswith(".Fab"):
                continue
            if kind == "fp_circle":
                (x, y), (ex, ey) = numbers(shape, "center"), numbers(shape, "end")
                radius = math.hypot(ex - x, ey - y)
                around = [2 * math.pi * step / 32 for step in range(33)]
                points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in around]
            else:
                (x, y), (ex, ey) = numbers(shape, "start"), numbers(shape, "end")
                points = (
                    [(x, y), (ex, ey)] if kind == "fp_line" else [(x, y), (ex, y), (ex, ey), (x, ey), (x, y)]
                )
            strokes.append([moved(footprint, *point) for point in points])
    return strokes
