# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The committed netlist: what KiCad says that the drawn schematic joins, without the date and the path of its maker.

It comes from KiCad's reading of the sheet, not from circuit.py; the tests check that the two agree.

    python -m hardware.tools.netlist EXPORTED panel.net
"""

from __future__ import annotations

import sys
from pathlib import Path

from hardware.tools.sexpr import Node, child, children, dump, parse, plain, quoted, value

COMMITTED = Path(__file__).parent.parent / "kicad" / "panel.net"


def reduced(exported: Node) -> Node:
    """Of what KiCad exports: the parts with their footprints, and the nets, those of open pins too."""
    parts: list[Node] = [
        [
            "comp",
            *(child(part, name) for name in ("ref", "value", "footprint")),
            ["label", quoted(_field(part, "Label"))],
            ["tstamps", quoted(value(part, "tstamps"))],
        ]
        for part in children(child(exported, "components"), "comp")
    ]
    nets: list[Node] = [
        ["net", ["name", quoted(value(net, "name").removeprefix("/"))], *map(_node, children(net, "node"))]
        for net in children(child(exported, "nets"), "net")
    ]
    return ["export", ["version", quoted("E")], ["components", *parts], ["nets", *nets]]


def nets(netlist: Node) -> dict[str, set[tuple[str, str]]]:
    """The pins on each net that joins something."""
    return {
        value(net, "name"): {(value(node, "ref"), value(node, "pin")) for node in children(net, "node")}
        for net in children(child(netlist, "nets"), "net")
        if not value(net, "name").startswith("unconnected-")
    }


def footprints(netlist: Node) -> dict[str, str]:
    """The footprint of each part."""
    return {
        value(part, "ref"): value(part, "footprint")
        for part in children(child(netlist, "components"), "comp")
    }


def read(path: Path = COMMITTED) -> Node:
    """A netlist from its file."""
    return parse(path.read_text(encoding="utf-8"))


def _field(part: Node, name: str) -> str:
    return next(
        plain(field[2]) for field in children(child(part, "fields"), "field") if value(field, "name") == name
    )


def _node(node: Node) -> Node:
    return ["node", child(node, "ref"), child(node, "pin")]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(dump(reduced(read(Path(sys.argv[1])))) + "\n", encoding="utf-8")
