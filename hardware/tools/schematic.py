# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Draws the circuit as a KiCad sheet.

`python -m hardware.tools.schematic FOLDER` writes it, its library and its tables.

Which pin is on which net comes only from circuit.py; this file chooses places on the sheet. Its output is the same,
byte for byte, on every machine, so that a test can compare it with the committed file.
"""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from hardware.tools import symbols
from hardware.tools.circuit import CONVERTER, GND, Part, circuit, header, kinds, table
from hardware.tools.sexpr import Node, dump, quoted
from hardware.tools.symbols import LIBRARY, Pin, Symbol, effects, number

U = 2.54  # the sheet is laid out in steps of a tenth of an inch
SPACE = uuid.UUID("b8b8b8b8-0000-4000-8000-000000000000")  # of the identifiers that are made from names
RAILS = {symbol.name: symbol for symbol in symbols.RAILS}
ADC = symbols.block(
    *("MCP3008", "U"),
    symbols.named(*((CONVERTER[f"CH{n}"], f"CH{n}", "input") for n in range(8))),
    symbols.named(
        *((CONVERTER["VDD"], "VDD", "power_in"), (CONVERTER["VREF"], "VREF", "input")),
        *((CONVERTER["clock"], "CLK", "input"), (CONVERTER["mosi"], "DIN", "input")),
        *((CONVERTER["miso"], "DOUT", "output"), (CONVERTER["select"], "CS", "input")),
        *((CONVERTER["AGND"], "AGND", "power_in"), (CONVERTER["DGND"], "DGND", "power_in")),
    ),
    15.24,
)
MEMORY = symbols.block(
    *("CAT24C32", "U"),
    symbols.named(("1", "A0", "input"), ("2", "A1", "input"), ("3", "A2", "input"), ("4", "GND", "power_in")),
    symbols.named(
        ("8", "VCC", "power_in"), ("7", "WP", "input"), ("6", "SCL", "input"), ("5", "SDA", "bidirectional")
    ),
    12.7,
)
SHAPES: dict[str, Symbol] = {
    "header": symbols.header(header()),
    "converter": ADC,
    "eeprom": MEMORY,
    "lamp": symbols.LAMP,
    "button": symbols.BUTTON,
    "write_jumper": symbols.JUMPER,
    "test_point": symbols.TEST_POINT,
    "potentiometer_plug": symbols.plug(("3V3", "WIPER", "GND")),
    "encoder_plug": symbols.plug(("A", "GND", "B", "PUSH", "GND")),
    "dac_plug": symbols.plug(("VIN", "GND", "LCK", "DIN", "BCK", "SCK")),
}


def shape(part: Part) -> Symbol:
    """The symbol of a part."""
    if part.kind in SHAPES:
        return SHAPES[part.kind]
    return symbols.RESISTOR if part.kind.endswith("resistor") else symbols.CAPACITOR


class Sheet:
    """A sheet that is being drawn. Places are in steps of 2.54 mm from its upper left corner."""

    def __init__(self, title: str, revision: str, date: str, comment: str) -> None:
        self.root = _identifier("sheet")
        self.items: list[Node] = []
        self.used: dict[str, Symbol] = {}
        self.rails = 0
        self.heading: Node = [
            "title_block",
            ["title", quoted(title)],
            ["date", quoted(date)],
            ["rev", quoted(revision)],
            ["company", quoted("Stellar Wind Box")],
            ["comment", "1", quoted(comment)],
            ["comment", "2", quoted("Licence: CERN-OHL-P-2.0")],
        ]

    def part(
        self, part: Part, kind: Mapping[str, Any], x: float, y: float, turn: int = 0, bare: str = ""
    ) -> None:
        """Place a part and join each of its pins to its net; the pins in `bare` are left to a wire."""
        symbol = shape(part)
        fields = {
            "Footprint": kind["footprint"],
            "Datasheet": "~",
            "MPN": kind.get("number", ""),
            "Stuffing": kind["stuffing"],
            "Label": part.label or "-",
        }
        value = part.label if part.kind == "button" else kind["value"]
        self._symbol(part.ref, value, symbol, x * U, y * U, turn, fields, ordered=kind["stuffing"] != "board")
        for pin in symbol.pins:
            if pin.number in bare:
                continue
            at = _turned(pin, x * U, y * U, turn)
            if pin.number in part.pins:
                self._net(part.pins[pin.number], f"{part.ref}/{pin.number}", *at, symbol.numbers_shown)
            else:
                self._add("no_connect", _at(*at[:2]), key=f"{part.ref}/{pin.number}")

    def wire(self, *points: tuple[float, float]) -> None:
        """A wire through points in millimetres."""
        for begin, end in pairwise(points):
            ends: Node = ["pts", *[_point(x, y) for x, y in (begin, end)]]
            stroke: Node = ["stroke", ["width", "0"], ["type", "default"]]
            self._add("wire", ends, stroke, key=f"{begin}{end}")

    def name(self, net: str, x: float, y: float) -> None:
        """A wire's name where no label leads elsewhere."""
        self._add("label", quoted(net), _at(x, y, 0), effects(0.9, justify="left bottom"), key=net)

    def text(self, text: str, x: float, y: float, size: float = 2.0) -> None:
        """Words on the sheet."""
        place: Node = ["at", number(x * U), number(y * U), "0"]
        look = effects(size, justify="left top", bold=size > 1.5)
        self._add("text", quoted(text), ["exclude_from_sim", "no"], place, look, key=text)

    def frame(self, x: float, y: float, width: float, height: float, title: str) -> None:
        """A box around what belongs together."""
        self._add(
            "rectangle",
            ["start", number(x * U), number(y * U)],
            ["end", number((x + width) * U), number((y + height) * U)],
            ["stroke", ["width", "0.15"], ["type", "dash"], ["color", "120", "120", "120", "1"]],
            ["fill", ["type", "none"]],
            key=title,
        )
        self.text(title, x + 0.6, y + 0.6)

    def drawn(self) -> Node:
        """The sheet as KiCad stores it."""
        return [
            "kicad_sch",
            ["version", "20250114"],
            ["generator", quoted("stellar_wind_box")],
            ["generator_version", quoted("1")],
            ["uuid", quoted(self.root)],
            ["paper", quoted("A3")],
            self.heading,
            ["lib_symbols", *(symbol.drawn(f"{LIBRARY}:") for symbol in self.used.values())],
            *self.items,
            ["sheet_instances", ["path", quoted("/"), ["page", quoted("1")]]],
            ["embedded_fonts", "no"],
        ]

    def _add(self, kind: str, *body: Node | str, key: str) -> None:
        self.items.append([kind, *body, ["uuid", quoted(_identifier(f"{kind}/{key}"))]])

    def _symbol(
        self,
        ref: str,
        value: str,
        symbol: Symbol,
        x: float,
        y: float,
        turn: int,
        fields: Mapping[str, str],
        ordered: bool,
    ) -> None:
        self.used.setdefault(symbol.name, symbol)
        sideways = turn % 180 == 90
        above = -symbol.half[0 if sideways else 1] - 1.5
        # What is to be read lies where nothing else does: beside what stands, above what lies.
        if symbol.power:
            down = symbol is symbols.GROUND
            beside = {0: (0.0, 4.0 if down else -3.4), 90: (-5.0, 0.0), 270: (5.0, 0.0)}[turn]
            places = {"Value": (-beside[0] if down else beside[0], beside[1])}
        elif symbol.numbers_shown:
            places = {"Reference": (0.0, above - 1.7), "Value": (0.0, above + 0.3)}
        elif symbol is symbols.TEST_POINT:
            places = {"Reference": (3.6, 0.0)}
        elif sideways:
            places = {"Reference": (4.2, -1.0), "Value": (4.2, 1.0)}
        elif symbol is symbols.RESISTOR:
            places = {"Reference": (0.0, above + 0.4), "Value": (0.0, -above - 0.2)}
        else:
            places = {"Reference": (0.0, above - 1.9), "Value": (0.0, above)}
        hidden = {"Reference": symbol.power, "Value": symbol is symbols.TEST_POINT}
        properties: list[Node] = [
            [
                "property",
                quoted(key),
                quoted(text),
                [
                    *("at", number(x + places.get(key, (0, 0))[0]), number(y + places.get(key, (0, 0))[1])),
                    "90" if sideways else "0",  # it turns with its symbol: back again
                ],
                effects(hidden=hidden.get(key, True)),
            ]
            for key, text in {"Reference": ref, "Value": value, **fields}.items()
        ]
        pins: list[Node] = [
            ["pin", quoted(pin.number), ["uuid", quoted(_identifier(f"pin/{ref}/{pin.number}"))]]
            for pin in symbol.pins
        ]
        self.items.append(
            [
                "symbol",
                ["lib_id", quoted(f"{LIBRARY}:{symbol.name}")],
                ["at", number(x), number(y), str(turn)],
                ["unit", "1"],
                ["exclude_from_sim", "no"],
                ["in_bom", "yes" if ordered else "no"],
                ["on_board", "no" if symbol.power else "yes"],
                ["dnp", "no"],
                ["uuid", quoted(_identifier(f"part/{ref}"))],
                *properties,
                *pins,
                [
                    "instances",
                    [
                        "project",
                        quoted("panel"),
                        ["path", quoted(f"/{self.root}"), ["reference", quoted(ref)], ["unit", "1"]],
                    ],
                ],
            ]
        )

    def _net(self, net: str, key: str, x: float, y: float, away: int, crowded: bool) -> None:
        """A stub from a pin, and at its end the rail or the label that says where it leads."""
        angle = math.radians(away)
        end = (round(x + U * math.cos(angle), 4), round(y - U * math.sin(angle), 4))
        self.wire((x, y), end)
        if net in RAILS:
            self.rails += 1
            turn = 0
            if crowded:  # neighbours are one step away: lie down
                turn = (away + 90) % 360 if net == GND else (away + 270) % 360
            self._symbol(f"#PWR{self.rails:03}", net, RAILS[net], *end, turn, {}, ordered=False)
            return
        self._add(
            "global_label",
            quoted(net),
            ["shape", "passive"],
            _at(*end, away),
            effects(justify="right" if away in (180, 270) else "left"),
            key=key,
        )


def _point(x: float, y: float) -> Node:
    return ["xy", number(x), number(y)]


def _at(x: float, y: float, turn: int | None = None) -> Node:
    return ["at", number(x), number(y), *([] if turn is None else [str(turn)])]


def _turned(pin: Pin, x: float, y: float, turn: int) -> tuple[float, float, int]:
    """Where a pin of a symbol that stands at x, y ends, and which way leads away from the symbol."""
    angle = math.radians(turn)
    right = pin.x * math.cos(angle) - pin.y * math.sin(angle)
    up = pin.x * math.sin(angle) + pin.y * math.cos(angle)
    return round(x + right, 4), round(y - up, 4), (pin.towards + turn + 180) % 360


def _identifier(name: str) -> str:
    return str(uuid.uuid5(SPACE, name))


def sheet(of: Mapping[str, Any] | None = None, date: str = "") -> Sheet:
    """The whole drawing."""
    of = of or table()
    parts = {part.ref: part for part in circuit(of)}
    drawing = Sheet(
        "Panel", of["revision"], date, "Generated from appliance/panel/pins.toml; change that, not this"
    )
    kind = kinds()

    def put(ref: str, x: float, y: float, turn: int = 0, bare: str = "") -> None:
        drawing.part(parts[ref], kind[parts[ref].kind], x, y, turn, bare)

    drawing.frame(5, 5, 39, 37, "Raspberry Pi")
    put("J1", 24, 25)
    drawing.frame(46, 5, 47, 37, "Knobs as potentiometers: MCP3008 on SPI")
    put("U1", 70, 17)
    put("C1", 86, 17, 270)
    for knob, x in ((0, 54), (1, 78)):
        put(f"J{3 + knob}", x + 4, 32)
        put(f"C{2 + knob}", x + 11, 33, 270)
    drawing.text("U1, C1 to C3, J3, J4: stuffed for potentiometers only.", 47, 39.8, 1.4)
    drawing.frame(95, 5, 62, 64, "Lamps: lit when the pin is high")
    for row in range(1, 10):
        y = 10.5 + (row - 1) * 6.3
        y = round(y * 2) / 2
        put(f"R{row}", 119, y, 0, "2")
        put(f"D{row}", 130, y, 180, "2")
        drawing.wire((119 * U + 3.81, y * U), (130 * U - 3.81, y * U))
        drawing.name(parts[f"D{row}"].pins["2"], 121.5 * U, y * U)
        lamp = of["lamps"][row - 1]
        drawing.text(f"{lamp['name']}: {lamp['label']}", 138, y - 0.5, 1.6)
    drawing.frame(5, 44, 39, 25, "Buttons: pressed is ground")
    for row, y in ((1, 51), (2, 59)):
        put(f"R{9 + row}", 18, y)
        put(f"SW{row}", 37, y)
    drawing.text("The chip's own pull-up holds the pin high.", 6, 66.5, 1.4)
    drawing.frame(46, 44, 47, 25, "Knobs as encoders: the same four pins, no SPI")
    for knob, x in ((0, 0), (1, 23)):
        put(f"J{5 + knob}", 62.5 + x, 63)
        put(f"R{12 + 2 * knob}", 58 + x, 50)
        put(f"R{13 + 2 * knob}", 58 + x, 55)
    drawing.frame(5, 71, 26, 22, "DAC: I2S is left free")
    put("J2", 19, 83)
    drawing.frame(33, 71, 60, 22, "Memory of a HAT: optional")
    put("U2", 51, 81)
    put("R16", 69, 77)
    put("R17", 69, 82)
    put("R18", 69, 87)
    put("JP1", 87, 87)
    put("C4", 86, 78, 270)
    drawing.frame(95, 71, 32, 22, "Test points")
    for row in range(4):
        put(f"TP{row + 1}", 112, 76 + row * 4.5)
    return drawing


def project_files(of: Mapping[str, Any] | None = None, date: str = "") -> Iterator[tuple[str, str]]:
    """The sheet and what lies beside it, by file name."""
    drawing = sheet(of, date)
    yield "panel.kicad_sch", dump(drawing.drawn()) + "\n"
    yield "panel.kicad_sym", dump(symbols.library(list(drawing.used.values()))) + "\n"
    row: Node = ["lib", ["name", quoted(LIBRARY)], ["type", quoted("KiCad")]]
    uri: Node = ["uri", quoted("${KIPRJMOD}/panel.kicad_sym")]
    yield "sym-lib-table", dump(["sym_lib_table", ["version", "7"], [*row, uri, *_rest()]]) + "\n"
    libraries = sorted(
        {kind["footprint"].partition(":")[0] for kind in kinds().values() if "footprint" in kind}
    )
    rows: list[Node] = [
        [
            "lib",
            ["name", quoted(name)],
            ["type", quoted("KiCad")],
            ["uri", quoted(f"${{KICAD9_FOOTPRINT_DIR}}/{name}.pretty")],
            *_rest(),
        ]
        for name in [*libraries, "MountingHole"]
    ]
    yield "fp-lib-table", dump(["fp_lib_table", ["version", "7"], *rows]) + "\n"


def _rest() -> list[Node]:
    return [["options", quoted("")], ["descr", quoted("")]]


def main(folder: str) -> None:
    """Write every file of the sheet into a folder."""
    from hardware.tools.geometry import geometry

    for name, text in project_files(date=geometry()["date"]):
        Path(folder, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
