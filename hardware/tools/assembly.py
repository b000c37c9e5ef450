# SPDX-License-Identifier: CERN-OHL-P-2.0
"""A drawing for each step of the assembly: the board as it was made, with what is soldered now in colour.

Places come from the board's own file, so a drawing cannot show a part in the wrong place. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hardware.tools import sheet
from hardware.tools.board import Board, panel
from hardware.tools.layout import CORNER

SCALE = 9  # pixels a millimetre
NOW, DONE, LATER, EDGE = "#d2551e", "#5b6b5b", "#c9d3c4", "#5b6b5b"
MARGIN = 3.0


def drawings(steps: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each step's drawing by its path. A step is the parts that it solders."""
    done: set[str] = set()
    for number, refs in enumerate(steps, 1):
        yield f"pictures/step-{number:02}.svg", _drawing(panel(), set(refs), done)
        done |= set(refs)


def _drawing(board: Board, now: set[str], done: set[str]) -> str:
    width, depth = board.size()
    across, down = width + 2 * MARGIN, depth + 2 * MARGIN
    # The header's socket is put in from below, but soldered, and so drawn, from above.
    below = all(board.below(ref) for ref in now) and "J1" not in now
    turned = f' transform="translate({width} 0) scale(-1 1)"' if below else ""
    parts = [ref for ref in board.footprints if ref in sheet.panel().parts]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across * SCALE:.0f}" height="{down * SCALE:.0f}"'
        f' viewBox="{-MARGIN} {-MARGIN} {across} {down}" font-family="sans-serif">',
        f"<title>{', '.join(sorted(now))}{' (underside)' if below else ''}</title>",
        f'<g{turned}><rect width="{width}" height="{depth}" rx="{CORNER}"'
        f' fill="#eef2ea" stroke="{EDGE}" stroke-width="0.3"/>',
    ]
    for x, y in board.holes():
        lines.append(f'<circle cx="{x}" cy="{y}" r="1.35" fill="white" stroke="{EDGE}" stroke-width="0.2"/>')
    for ref in parts:
        if ref in now or board.below(ref) == below:
            colour = NOW if ref in now else DONE if ref in done else LATER
            lines += _body(board, ref, colour, 0.45 if ref in now else 0.15)
    lines += _pads(board, parts, now)
    lines.append("</g>")
    lines += _names(board, now, width if below else None)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _body(board: Board, ref: str, colour: str, thick: float) -> Iterator[str]:
    for stroke in board.outline(ref):
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in stroke)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'


def _pads(board: Board, parts: Sequence[str], now: set[str]) -> Iterator[str]:
    for pad in board.pads:
        if pad.ref not in parts or not pad.number:
            continue
        fill = NOW if pad.ref in now else LATER
        if pad.number == "1" and pad.ref in now:
            corner = f'x="{pad.x - 0.7:.2f}" y="{pad.y - 0.7:.2f}"'
            yield f'<rect {corner} width="1.4" height="1.4" fill="{fill}"/>'
        else:
            yield f'<circle cx="{pad.x:.2f}" cy="{pad.y:.2f}" r="0.6" fill="{fill}"/>'


def _names(board: Board, now: set[str], mirrored_at: float | None) -> Iterator[str]:
    for ref in sorted(now):
        x, y = board.middles[ref]
        x = x if mirrored_at is None else mirrored_at - x
        yield (
            f'<text x="{x:.2f}" y="{y + 0.7:.2f}" font-size="2" font-weight="bold" text-anchor="middle"'
            f' fill="black" stroke="white" stroke-width="0.5" paint-order="stroke">{ref}</text>'
        )
