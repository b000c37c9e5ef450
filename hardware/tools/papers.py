# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Everything that is written from the KiCad files and the tables: the parts list, the wiring drawing's source, the
case's numbers, and the tables inside README.md and ASSEMBLY.md.

This program writes what is between two marks in a document, and each file that is named here; do not edit them by hand.
A test writes them again and compares. Pure, except for `main`, which writes.

    python -m hardware.tools.papers
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from hardware.tools import board, sheet
from hardware.tools.budget import LIMIT, lamps_typical, lamps_worst
from hardware.tools.kicad import natural
from hardware.tools.pins import CONVERTER, LINES, header, hole, table
from hardware.tools.sexpr import HARDWARE
from hardware.tools.sheet import Part
from hardware.tools.tables import geometry, kinds

COLUMNS = (
    *("References", "Quantity", "Value", "Description", "Manufacturer", "Part number", "Alternates"),
    *("Footprint", "Data sheet drawing", "Price class", "Stuffing", "Checked with a distributor"),
)
STUFFINGS = ("all", "potentiometers", "encoders", "optional", "board")


def ordered() -> list[list[Part]]:
    """The parts on the board that are ordered, in groups of the same number and stuffing."""
    known = list(kinds())
    parts = [part for part in sheet.panel().parts.values() if part.stuffing != "board"]
    parts.sort(key=lambda part: (known.index(part.number), natural(part.ref)))
    return [list(group) for _, group in groupby(parts, key=lambda part: (part.number, part.stuffing))]


def faults(parts: Mapping[str, Part]) -> Iterator[str]:
    """A sentence for each part of a sheet that cannot be ordered, or that the assembly instructions do not solder."""
    soldered = " ".join(refs for _, refs, _ in STEPS).split()
    for ref, part in parts.items():
        if part.stuffing not in STUFFINGS:
            yield f'panel.kicad_sch: the field Stuffing of {ref} is "{part.stuffing}"; use {", ".join(STUFFINGS)}'
        if part.stuffing == "board":
            continue
        if part.number not in kinds():
            yield f'panel.kicad_sch: the field MPN of {ref} is "{part.number}", which parts.toml does not have'
        if soldered.count(ref) != 1:
            yield f"tools/papers.py: {ref} must be in just one of the STEPS of the assembly"
    for ref in soldered:
        if ref not in parts:
            yield f"tools/papers.py: {ref} is in the STEPS of the assembly, but not on the sheet"


def value_of(group: list[Part]) -> str:
    """What a group of parts is called: the value that they share, or their number."""
    return group[0].value if len({part.value for part in group}) == 1 else group[0].number


def bill() -> str:
    """BOM.csv: what to order, a kind of part a line."""
    groups = ordered()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, kind in kinds().items():
        number = "-" if kind["maker"] == "any" else name
        rows = [
            (
                " ".join(part.ref for part in group),
                len(group),
                value_of(group),
                group[0].footprint,
                group[0].stuffing,
            )
            for group in groups
            if group[0].number == name
        ]
        if "pieces" in kind:
            rows.append(("", kind["pieces"], kind["value"], "", kind["stuffing"]))
        for refs, pieces, value, footprint, stuffing in rows:
            what = (kind["says"], kind["maker"], number, kind["alternates"], footprint)
            writer.writerow([refs, pieces, value, *what, kind["drawing"], kind["price"], stuffing, "no"])
    return out.getvalue()


def pin_table(of: Mapping[str, Any] | None = None) -> str:
    """Which GPIO and which pin of the header each part is on."""
    of = of or table()
    rows = [(f"lamp, {lamp['name']}", lamp["label"], lamp["bcm"]) for lamp in of["lamps"]]
    rows += [(f"button {button['name'].upper()}", "to ground", button["bcm"]) for button in of["buttons"]]
    rows += [(f"MCP3008 {line}", f"its pin {CONVERTER[line]}", of["adc"][line]) for line in LINES]
    for knob in of["knobs"]:
        rows += [(f"encoder {knob['name']}", contact.upper(), knob[contact]) for contact in ("a", "b")]
    lines = ["| part | | GPIO | pin of the header |", "|---|---|---|---|"]
    lines += [f"| {part} | {detail} | {bcm} | {hole(bcm)} |" for part, detail, bcm in rows]
    return "\n".join(lines)


def budget_table() -> str:
    """What the lamps draw, all of them lit."""
    return "\n".join(
        [
            "| all nine lamps lit | mA |",
            "|---|---|",
            f"| usual diode, 3.30 V | {lamps_typical():.1f} |",
            f"| lowest diode and resistor, rail 5 % high | {lamps_worst():.1f} |",
            f"| limit | {LIMIT:.0f} |",
        ]
    )


# The order of soldering: what is low first, so that the board lies flat; what a step is for; who leaves it out.
STEPS: tuple[tuple[str, str, str], ...] = (
    ("The memory (optional)", "U2 R16 R17 R18 C4",
     "On the underside. The box works without it; leave it off unless you know that you want it."),
    ("Resistors of the lamps", "R1 R2 R3 R4 R5 R6 R7 R8 R9",
     "680 ohm: blue, grey, black, black, brown. Either way round."),
    ("Resistors of the buttons", "R10 R11", "1 kilohm: brown, black, black, brown, brown."),
    ("Resistors of the encoders (encoders only)", "R12 R13 R14 R15",
     "1 kilohm. With potentiometers they stay off, or do no harm."),
    ("Socket of the converter (potentiometers only)", "U1",
     "The notch to the right, as printed. The chip goes in at the very end."),
    ("Capacitors (potentiometers only)", "C2 C3 C1",
     "C1 is the 1 uF one (105), C2 and C3 are 100 nF (104). Either way round."),
    ("Buttons", "SW1 SW2", "They fit in two ways, both right. Press them flat before you solder."),
    ("Plugs of the knobs (potentiometers)", "J3 J4", "Or solder the wires of the knobs in here."),
    ("Plugs of the knobs (encoders)", "J5 J6", "Or solder the wires of the knobs in here."),
    ("Plug of a DAC (optional)", "J2", "Only if a DAC board hangs in the bay."),
    ("Socket of the Pi", "J1",
     "On the underside, soldered from above. Put it on the Pi with its spacers first, then it stands straight."),
    ("Lamps", "D1 D2 D3 D4 D5 D6 D7 D8 D9",
     "Long leg to the right, flat side to the left, through the printed combs, which give them their height."),
)  # fmt: skip


def steps() -> str:
    """The steps of ASSEMBLY.md, each with the drawing that shows it."""
    parts = sheet.panel().parts
    out = []
    for number, (title, refs, words) in enumerate(STEPS, 1):
        mine = groupby((parts[ref] for ref in refs.split()), key=lambda part: part.number)
        groups = [list(group) for _, group in mine]
        what = "; ".join(f"{', '.join(part.ref for part in group)}: {value_of(group)}" for group in groups)
        out.append(
            f"### {number}. {title}\n\n{what}. {words}\n\n![step {number}](pictures/step-{number:02}.svg)\n"
        )
    return "\n".join(out)


def scad() -> str:
    """The case's numbers, from the plan, the board and the table of pins."""
    plan, of, made = geometry(), table(), board.panel()
    case, (width, depth), screws = plan["case"], made.size(), made.holes()
    zero = [(x, screws[2][1] - 23) for x in (screws[0][0], screws[1][0])]
    holes = [[round(case["board"][0] + x, 3), round(case["board"][1] + y, 3)] for x, y in (*screws, *zero)]
    values: dict[str, object] = {
        **{("floor_" if key == "floor" else key): value for key, value in case.items()},
        "board_width": width,
        "board_depth": depth,
        "board_thickness": made.thickness,
        "pi_holes": holes,
        "lamps": [list(made.middles[f"D{n}"]) for n in range(1, len(of["lamps"]) + 1)],
        "lamp_names": [lamp["label"] for lamp in of["lamps"]],
        "buttons": [list(made.middles[f"SW{n}"]) for n in range(1, len(of["buttons"]) + 1)],
        "button_names": [button["name"].upper() for button in of["buttons"]],
        "knob_names": [knob["name"].upper() for knob in of["knobs"]],
    }
    lines = [
        "// SPDX-License-Identifier: CERN-OHL-P-2.0",
        "// Made by tools/papers.py from geometry.toml, kicad/panel.kicad_pcb and appliance/panel/pins.toml.",
        *(f"{name} = {_scad(value)};" for name, value in values.items()),
    ]
    for side in ("back", "left"):
        lines.append(f"function {side}_of(model) =")
        lines += [f'    model == "{name}" ? {_scad(pi[side])} :' for name, pi in plan["pi"].items()]
        lines.append('    assert(false, "model is pi3, pi4, pi5 or zero2w");')
    return "\n".join(lines) + "\n"


def _scad(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_scad, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"


WIRES = ("OG", "GY", "BU", "YE", "GN", "VT", "BN", "WH", "TQ")


def wiring(of: Mapping[str, Any] | None = None) -> str:
    """The hand-wired build as WireViz reads it: the Pi's header, each part, and a bundle of wires to each."""
    of = of or table()
    drawn, names = sheet.panel().parts, header()
    power = next(pin for pin, name in names.items() if name == "3V3" and pin > 1)
    grounds = [pin for pin, name in names.items() if name == "GND"]
    used: dict[int, str] = {power: "3V3"}
    lines = [
        "# SPDX-License-Identifier: CERN-OHL-P-2.0",
        "# Made from appliance/panel/pins.toml by tools/papers.py: change that, not this. WireViz 0.4 draws it.",
        "metadata:",
        "  title: Stellar Wind Box, wired by hand",
    ]
    parts: list[str] = []
    cables: list[str] = []
    joins: list[str] = []

    def cable(number: int, colours: list[str], length: float) -> str:
        look = f"category: bundle, gauge: 0.14 mm2, length: {length}, colors: [{', '.join(colours)}]"
        cables.append(f"  W{number}: {{{look}}}")
        return f"W{number}: [1-{len(colours)}]" if len(colours) > 1 else f"W{number}: [1]"

    adc = {line: hole(of["adc"][line]) for line in LINES}
    used |= {pin: f"GPIO{of['adc'][line]} {line}" for line, pin in adc.items()}
    chip = {"select": "CS", "mosi": "DIN", "miso": "DOUT", "clock": "CLK"}
    chip_pins = [1 + knob["channel"] for knob in of["knobs"]] + [9, 10, 11, 12, 13, 14, 15, 16]
    chip_names = [f"CH{knob['channel']}" for knob in of["knobs"]] + [
        "DGND",
        *chip.values(),
        "AGND",
        "VREF",
        "VDD",
    ]
    ground = iter(grounds * 4)
    here = next(ground)
    used[here] = "GND"
    parts.append(
        f"  U1: {{type: {drawn['U1'].number}, subtype: DIP-16, pins: {chip_pins},"
        f" pinlabels: [{', '.join(chip_names)}],"
        " notes: join VREF to VDD and DGND to AGND; 1 uF from VDD to AGND}"
    )
    colours = ["RD", "BK", *WIRES[:4]]
    wires = cable(1, colours, 0.2)
    joins.append(
        f"  - [J1: [{power}, {here}, {', '.join(str(adc[line]) for line in LINES)}], {wires},"
        f" U1: [16, 14, {', '.join(CONVERTER[line] for line in LINES)}]]"
    )
    number = 1
    for count, knob in enumerate(of["knobs"], 1):
        number += 1
        parts.append(
            f"  RV{count}: {{type: potentiometer 10k, pinlabels: [left, wiper, right],"
            f" notes: '{knob['name'].upper()}; 100 nF from wiper to left'}}"
        )
        wires = cable(number, ["BK", WIRES[3 + count], "RD"], 0.15)
        joins.append(f"  - [U1: [14, {1 + knob['channel']}, 15], {wires}, RV{count}: [1, 2, 3]]")
    for count, button in enumerate(of["buttons"], 1):
        number += 1
        here, pin = next(ground), hole(button["bcm"])
        used |= {here: "GND", pin: f"GPIO{button['bcm']} {button['name']}"}
        parts.append(
            f"  SW{count}: {{type: push button, pinlabels: [a, b], notes: {button['name'].upper()}}}"
        )
        joins.append(
            f"  - [J1: [{pin}, {here}], {cable(number, [WIRES[5 + count], 'BK'], 0.15)}, SW{count}: [1, 2]]"
        )
    for count, lamp in enumerate(of["lamps"], 1):
        number += 1
        here, pin = next(ground), hole(lamp["bcm"])
        used |= {here: "GND", pin: f"GPIO{lamp['bcm']} {lamp['name']}"}
        parts.append(
            f"  D{count}: {{type: lamp with {drawn[f'R{count}'].value} ohm, pinlabels: [long leg, short leg],"
            f" notes: '{lamp['name']}: {lamp['label']}'}}"
        )
        joins.append(
            f"  - [J1: [{pin}, {here}], {cable(number, [WIRES[count - 1], 'BK'], 0.15)}, D{count}: [1, 2]]"
        )
    pins = sorted(used)
    lines += [
        "connectors:",
        "  J1:",
        "    type: Raspberry Pi, 40-pin header",
        "    subtype: pins",
        f"    pins: {pins}",
        f"    pinlabels: [{', '.join(used[pin] for pin in pins)}]",
        *parts,
        "cables:",
        *cables,
        "connections:",
        *joins,
    ]
    return "\n".join(lines) + "\n"


def within(paper: str, mark: str, text: str) -> str:
    """The document with the text between two marks replaced."""
    begin, end = f"<!-- made: {mark} -->", f"<!-- end: {mark} -->"
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(paper):
        raise ValueError(f"There is no {begin} ... {end}.")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", paper)


def made() -> Iterator[tuple[str, str]]:
    """Every file that this program makes, by its path below hardware/, as it should be."""
    yield "BOM.csv", bill()
    yield "enclosure/geometry.scad", scad()
    yield "wiring/panel.yml", wiring()
    readme = (HARDWARE / "README.md").read_text(encoding="utf-8")
    readme = within(readme, "pins", pin_table())
    yield "README.md", within(readme, "budget", budget_table())
    assembly = (HARDWARE / "ASSEMBLY.md").read_text(encoding="utf-8")
    yield "ASSEMBLY.md", within(assembly, "steps", steps())


def main() -> None:
    """Write what is made."""
    from hardware.tools.assembly import drawings

    for path, text in (*made(), *drawings([refs.split() for _, refs, _ in STEPS])):
        target = HARDWARE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
