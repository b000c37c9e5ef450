# SPDX-License-Identifier: CERN-OHL-P-2.0
"""A drawing for each step of the assembly: the board as it was made, with what is soldered now in colour.

Places come from the board's own file, so a drawing cannot show a part in the wrong place. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hardware.tools.circuit import circuit
from hardware.tools.geometry import geometry
from hardware.tools.made import board, outline, pads, reference
from hardware.tools.sexpr import Node, children, value

SCALE = 9  # pixels a millimetre
NOW, DONE, LATER, EDGE = "#d2551e", "#5b6b5b", "#c9d3c4", "#5b6b5b"
MARGIN = 3.0


def drawings(steps: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each step's drawing by its path. A step is the kinds of parts that it solders."""
    kind_of = {part.ref: part.kind for part in circuit()}
    footprints = {reference(f): f for f in children(board(), "footprint") if reference(f) in kind_of}
    done: set[str] = set()
    for number, kinds in enumerate(steps, 1):
        now = {ref for ref, kind in kind_of.items() if kind in kinds}
        yield f"pictures/step-{number:02}.svg", _drawing(footprints, now, done)
        done |= now


def _drawing(footprints: dict[str, Node], now: set[str], done: set[str]) -> str:
    size = geometry()["board"]
    across, down = size["width"] + 2 * MARGIN, size["depth"] + 2 * MARGIN
    # The header's socket is put in from below, but soldered, and so drawn, from above.
    below = all(_is_below(footprints[ref]) for ref in now) and "J1" not in now
    turned = f' transform="translate({size["width"]} 0) scale(-1 1)"' if below else ""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across * SCALE:.0f}" height="{down * SCALE:.0f}"'
        f' viewBox="{-MARGIN} {-MARGIN} {across} {down}" font-family="sans-serif">',
        f"<title>{', '.join(sorted(now))}{' (underside)' if below else ''}</title>",
        f'<g{turned}><rect width="{size["width"]}" height="{size["depth"]}" rx="{size["corner"]}"'
        f' fill="#eef2ea" stroke="{EDGE}" stroke-width="0.3"/>',
    ]
    for x, y in size["holes"]:
        lines.append(f'<circle cx="{x}" cy="{y}" r="1.35" fill="white" stroke="{EDGE}" stroke-width="0.2"/>')
    for ref, footprint in footprints.items():
        if ref in now or _is_below(footprint) == below:
            colour = NOW if ref in now else DONE if ref in done else LATER
            lines += _body(footprint, colour, 0.45 if ref in now else 0.15)
    lines += _pads(footprints, now)
    lines.append("</g>")
    lines += _names(now, size["width"] if below else None)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _is_below(footprint: Node) -> bool:
    return value(footprint, "layer") == "B.Cu"


def _body(footprint: Node, colour: str, thick: float) -> Iterator[str]:
    for stroke in outline(footprint):
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in stroke)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'


def _pads(footprints: dict[str, Node], now: set[str]) -> Iterator[str]:
    for pad in pads():
        if pad.ref not in footprints or not pad.number:
            continue
        fill = NOW if pad.ref in now else LATER
        if pad.number == "1" and pad.ref in now:
            corner = f'x="{pad.x - 0.7:.2f}" y="{pad.y - 0.7:.2f}"'
            yield f'<rect {corner} width="1.4" height="1.4" fill="{fill}"/>'
        else:
            yield f'<circle cx="{pad.x:.2f}" cy="{pad.y:.2f}" r="0.6" fill="{fill}"/>'


def _names(now: set[str], mirrored_at: float | None) -> Iterator[str]:
    for ref in sorted(now):
        mine = [pad for pad in pads() if pad.ref == ref and pad.number]
        x = (min(pad.x for pad in mine) + max(pad.x for pad in mine)) / 2
        y = (min(pad.y for pad in mine) + max(pad.y for pad in mine)) / 2
        x = x if mirrored_at is None else mirrored_at - x
        yield (
            f'<text x="{x:.2f}" y="{y + 0.7:.2f}" font-size="2" font-weight="bold" text-anchor="middle"'
            f' fill="black" stroke="white" stroke-width="0.5" paint-order="stroke">{ref}</text>'
        )
