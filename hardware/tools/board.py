# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The board as its file has it: where each part, pad, track and printed word is, in millimetres. Needs no KiCad."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby, pairwise

from hardware.tools.sexpr import Node, children, fields, numbers, plain, read, value

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pad:
    """A pad where it is on the board."""

    ref: str
    number: str
    net: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Track:
    """A straight piece of copper with round ends."""

    net: str
    begin: Point
    end: Point
    radius: float

    def gap(self, other: Track) -> float:
        """The distance to another track that it does not cross, seen from above: from an end of one to the other."""
        between = [
            *(_to_line(point, other.begin, other.end) for point in (self.begin, self.end)),
            *(_to_line(point, self.begin, self.end) for point in (other.begin, other.end)),
        ]
        return min(between) - self.radius - other.radius


class Board:
    """What is on a board, from its file."""

    def __init__(self, source: Node) -> None:
        self.source = source
        self.revision = value(source, "title_block", "rev")
        self.thickness = float(value(source, "general", "thickness"))

    @cached_property
    def footprints(self) -> dict[str, Node]:
        """Each part by its reference."""
        return {fields(footprint)["Reference"]: footprint for footprint in children(self.source, "footprint")}

    @cached_property
    def pads(self) -> list[Pad]:
        """Every pad."""
        found = []
        for ref, footprint in self.footprints.items():
            for pad in children(footprint, "pad"):
                net = next((plain(name[-1]).removeprefix("/") for name in children(pad, "net")), "")
                dx, dy = numbers(pad, "at")[:2]
                found.append(Pad(ref, plain(pad[1]), net, *_moved(footprint, dx, dy)))
        return found

    @cached_property
    def tracks(self) -> list[Track]:
        """Every piece of a track; an arc as two of them, a via as one without a length."""
        names = {plain(net[1]): plain(net[2]).removeprefix("/") for net in children(self.source, "net")}
        kinds = (("segment", ("start", "end"), "width"), ("arc", ("start", "mid", "end"), "width"))
        found = []
        for kind, ends, width in (*kinds, ("via", ("at", "at"), "size")):
            for track in children(self.source, kind):
                net, radius = names[value(track, "net")], numbers(track, width)[0] / 2
                points = [(x, y) for x, y in (numbers(track, end) for end in ends)]
                found += [Track(net, begin, end, radius) for begin, end in pairwise(points)]
        return found

    def pad(self, ref: str, number: str) -> Pad:
        """One pad of a part: the first with this number."""
        for pad in self.pads:
            if (pad.ref, pad.number) == (ref, number):
                return pad
        raise KeyError(f"panel.kicad_pcb: {ref} has no pin {number}")

    @cached_property
    def middles(self) -> dict[str, Point]:
        """The middle of each part's pins."""
        found = {}
        for ref, pads in groupby((pad for pad in self.pads if pad.number), key=lambda pad: pad.ref):
            xs, ys = zip(*((pad.x, pad.y) for pad in pads), strict=True)
            found[ref] = round((min(xs) + max(xs)) / 2, 3), round((min(ys) + max(ys)) / 2, 3)
        return found

    def below(self, ref: str) -> bool:
        """Whether a part is on the underside."""
        return value(self.footprints[ref], "layer") == "B.Cu"

    def holes(self) -> list[Point]:
        """The middles of the holes for screws, H1 and so on."""
        refs = sorted(ref for ref in self.footprints if ref.startswith("H"))
        return [(x, y) for x, y, *_ in (numbers(self.footprints[ref], "at") for ref in refs)]

    def edge(self) -> list[tuple[Point, ...]]:
        """The pieces of the outline: the ends of each, and the middle of an arc."""
        return [
            tuple((x, y) for x, y in (numbers(shape, name) for name in names))
            for kind, names in (("gr_line", ("start", "end")), ("gr_arc", ("start", "mid", "end")))
            for shape in children(self.source, kind)
            if value(shape, "layer") == "Edge.Cuts"
        ]

    def size(self) -> Point:
        """Width and depth."""
        points = [point for piece in self.edge() for point in piece]
        return max(x for x, _ in points), max(y for _, y in points)

    def words(self, layer: str) -> list[tuple[str, Point]]:
        """What is printed on a layer beside the parts' own texts, and where."""
        return [
            (plain(text[1]), (numbers(text, "at")[0], numbers(text, "at")[1]))
            for text in children(self.source, "gr_text")
            if value(text, "layer") == layer
        ]

    def outline(self, ref: str) -> Iterator[list[Point]]:
        """The body of a part, as it is drawn in the assembly instructions: strokes; circles as polygons."""
        footprint = self.footprints[ref]
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
                    box = [(x, y), (ex, y), (ex, ey), (x, ey), (x, y)]
                    points = [(x, y), (ex, ey)] if kind == "fp_line" else box
                yield [_moved(footprint, *point) for point in points]


@cache
def panel() -> Board:
    """The project's board."""
    return Board(read("panel.kicad_pcb"))


def _moved(footprint: Node, x: float, y: float) -> Point:
    """A place of a footprint, on the board."""
    left, top, *turn = numbers(footprint, "at")
    angle = math.radians(turn[0] if turn else 0)
    return left + x * math.cos(angle) + y * math.sin(angle), top + y * math.cos(angle) - x * math.sin(angle)


def _to_line(point: Point, begin: Point, end: Point) -> float:
    """From a point to the nearest one between two others."""
    (x, y), (x0, y0), (x1, y1) = point, begin, end
    along = (x1 - x0) ** 2 + (y1 - y0) ** 2
    at = 0 if along == 0 else min(1, max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / along))
    return math.hypot(x - x0 - at * (x1 - x0), y - y0 - at * (y1 - y0))
