# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The schematic's symbols: drawn here, so that the sheet needs no library of KiCad's and is the same on every machine.

A symbol has the shape and the pins of a kind of part, and nothing of this circuit. Lengths are
millimetres on KiCad's grid of 1.27; y runs up, as in all of KiCad's symbols. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hardware.tools.sexpr import Node, quoted

GRID = 1.27
LIBRARY = "panel"


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a wire is joined, and which way from there the symbol lies (0 right, 90 up, 180 left, 270 down)."""

    number: str
    name: str
    x: float
    y: float
    towards: int
    kind: str = "passive"
    length: float = 2.54


@dataclass(frozen=True, slots=True)
class Symbol:
    """A shape with pins. `half` is its half width and height, for the texts around it."""

    name: str
    letter: str
    half: tuple[float, float]
    pins: Sequence[Pin]
    strokes: Sequence[Node] = field(default_factory=list)
    names_shown: bool = False
    numbers_shown: bool = False
    power: bool = False

    def drawn(self, prefix: str = "") -> Node:
        """The symbol as KiCad stores it; `prefix` is the library's name where a sheet carries its own copy."""
        texts = (("Reference", self.letter), ("Value", self.name), ("Footprint", ""), ("Datasheet", ""))
        properties: list[Node] = [
            ["property", quoted(key), quoted(text), ["at", "0", "0", "0"], effects(hidden=key[0] in "FD")]
            for key, text in texts
        ]
        numbers: Node = ["pin_numbers"] if self.numbers_shown else ["pin_numbers", ["hide", "yes"]]
        names: Node = ["pin_names", ["offset", "0.762"]]
        if not self.names_shown:
            names.append(["hide", "yes"])
        head: Node = ["symbol", quoted(prefix + self.name)]
        if self.power:
            head.append(["power"])
        if not self.numbers_shown:
            head.append(numbers)
        return [
            *head,
            names,
            ["exclude_from_sim", "no"],
            ["in_bom", "no" if self.power else "yes"],
            ["on_board", "no" if self.power else "yes"],
            *properties,
            ["symbol", quoted(f"{self.name}_0_1"), *self.strokes],
            ["symbol", quoted(f"{self.name}_1_1"), *map(_pin, self.pins)],
        ]


def library(symbols: Sequence[Symbol]) -> Node:
    """A symbol library that holds them."""
    return [
        "kicad_symbol_lib",
        ["version", "20241209"],
        ["generator", quoted("stellar_wind_box")],
        ["generator_version", quoted("1")],
        *(symbol.drawn() for symbol in symbols),
    ]


def effects(size: float = GRID, hidden: bool = False, justify: str = "", bold: bool = False) -> Node:
    """How a text is set."""
    font: Node = ["font", ["size", number(size), number(size)]]
    if bold:
        font.append(["bold", "yes"])
    node: Node = ["effects", font]
    if justify:
        node.append(["justify", *justify.split()])
    if hidden:
        node.append(["hide", "yes"])
    return node


def number(value: float) -> str:
    """A length as KiCad writes it."""
    return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"


def _pin(pin: Pin) -> Node:
    return [
        "pin",
        pin.kind,
        "line",
        ["at", number(pin.x), number(pin.y), str(pin.towards)],
        ["length", number(pin.length)],
        ["name", quoted(pin.name), effects()],
        ["number", quoted(pin.number), effects()],
    ]


def _point(x: float, y: float) -> Node:
    return ["xy", number(x), number(y)]


def line(*points: tuple[float, float], filled: bool = False, width: float = 0.254) -> Node:
    """A stroke through points."""
    return [
        "polyline",
        ["pts", *[_point(x, y) for x, y in points]],
        ["stroke", ["width", number(width)], ["type", "default"]],
        ["fill", ["type", "outline" if filled else "none"]],
    ]


def box(half_width: float, half_height: float, fill: str = "background") -> Node:
    """A rectangle about the middle."""
    return [
        "rectangle",
        ["start", number(-half_width), number(half_height)],
        ["end", number(half_width), number(-half_height)],
        ["stroke", ["width", "0.254"], ["type", "default"]],
        ["fill", ["type", fill]],
    ]


def circle(x: float, y: float, radius: float) -> Node:
    """A ring."""
    return [
        "circle",
        ["center", number(x), number(y)],
        ["radius", number(radius)],
        ["stroke", ["width", "0.254"], ["type", "default"]],
        ["fill", ["type", "none"]],
    ]


def block(
    name: str, letter: str, left: Sequence[Pin], right: Sequence[Pin], width: float, step: float = 2.54
) -> Symbol:
    """A box with named pins down its two sides, as integrated circuits and plugs are drawn."""
    rows = max(len(left), len(right))
    half_height = (rows + 1) * step / 2
    top = (rows - 1) * step / 2
    pins = [
        Pin(pin.number, pin.name, side * (width / 2 + 2.54), top - row * step, towards, pin.kind)
        for side, towards, column in ((-1, 0, left), (1, 180, right))
        for row, pin in enumerate(column)
    ]
    half = (width / 2, half_height)
    return Symbol(name, letter, half, pins, [box(*half)], names_shown=True, numbers_shown=True)


def named(*pins: tuple[str, str] | tuple[str, str, str]) -> list[Pin]:
    """Pins of a block by number, name and kind; the block places them."""
    return [Pin(pin[0], pin[1], 0, 0, 0, *pin[2:]) for pin in pins]


def two(name: str, letter: str, half: tuple[float, float], *strokes: Node, names: str = "12") -> Symbol:
    """A part with two pins, lying down: pin 1 at the left, 3.81 from the middle, pin 2 at the right."""
    reach = 3.81 - half[0]
    pins = [
        Pin("1", names[0], -3.81, 0, 0, "passive", reach),
        Pin("2", names[1], 3.81, 0, 180, "passive", reach),
    ]
    return Symbol(name, letter, half, pins, strokes)


RESISTOR = two("R", "R", (2.54, 1.016), box(2.54, 1.016, "none"))
CAPACITOR = two("C", "C", (0.508, 2.032), *(line((x, -2.032), (x, 2.032)) for x in (-0.508, 0.508)))
# Pin 1 is the cathode, as on the footprint.
LAMP = two(
    *("LED", "D", (1.27, 2.0)),
    *(line((-1.27, -1.27), (-1.27, 1.27)), line((1.27, -1.27), (-1.27, 0), (1.27, 1.27), (1.27, -1.27))),
    *(line((x, 1.778), (x - 1.27, 3.048), width=0.15) for x in (0.254, -1.016)),
    *(line((x - 0.762, 3.048), (x - 1.27, 3.048), (x - 1.27, 2.54), width=0.15) for x in (0.254, -1.016)),
    names="KA",
)
BUTTON = two(
    *("SW", "SW", (2.54, 2.54)),
    *(circle(-2.032, 0, 0.508), circle(2.032, 0, 0.508)),
    *(line((-2.54, 1.27), (2.54, 1.27)), line((0, 1.27), (0, 3.048))),
)
JUMPER = two("JP", "JP", (1.27, 1.27), *(circle(x, 0, 0.762) for x in (-1.016, 1.016)))
TEST_POINT = Symbol(
    "TP", "TP", (1.27, 1.27), [Pin("1", "1", -2.54, 0, 0, "passive", 1.778)], [circle(0, 0, 0.762)]
)
GROUND = Symbol(
    *("GND", "#PWR", (1.27, 2.54), [Pin("1", "GND", 0, 0, 270, "power_in", 0)]),
    [line((0, 0), (0, -1.27), (1.27, -1.27), (0, -2.54), (-1.27, -1.27), (0, -1.27))],
    power=True,
)


def _rail(name: str) -> Symbol:
    arrow = line((-0.762, 1.27), (0, 2.54), (0.762, 1.27))
    return Symbol(
        name,
        "#PWR",
        (0.762, 2.54),
        [Pin("1", name, 0, 0, 90, "power_in", 0)],
        [arrow, line((0, 0), (0, 2.54))],
        power=True,
    )


RAILS = (GROUND, _rail("+3V3"), _rail("+5V"))


def plug(pins: Sequence[str]) -> Symbol:
    """A header whose pins say what they are for."""
    return block(
        f"PLUG_{len(pins)}_{pins[0]}", "J", named(*((str(n), p) for n, p in enumerate(pins, 1))), [], 10.16
    )


def header(names: dict[int, str]) -> Symbol:
    """The 40-pin header. One pin of each rail drives it; for the other pins to be the same rail is no conflict."""
    driven: set[str] = set()

    def column(first: int) -> Iterator[tuple[str, str, str]]:
        for pin in range(first, len(names) + 1, 2):
            kind = "bidirectional"
            if not names[pin].startswith("GPIO"):
                kind = "passive" if names[pin] in driven else "power_out"
                driven.add(names[pin])
            yield str(pin), names[pin], kind

    return block("PI", "J", named(*column(1)), named(*column(2)), 22.86)
