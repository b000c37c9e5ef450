# SPDX-License-Identifier: CERN-OHL-P-2.0
"""The board against what KiCad does not know: a HAT's drawing, the case around it, and the words printed on it.

Clearances, widths, courtyards, open ends and parity with the sheet are KiCad's to check, with the rules in
`kicad/panel.kicad_pro` and `kicad/panel.kicad_dru`. Each fault is a sentence with the part in it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from hardware.tools.board import Board, Point
from hardware.tools.kicad import natural
from hardware.tools.sexpr import child, children, numbers, plain, value
from hardware.tools.sheet import Part

# Raspberry Pi's drawing of a HAT, turned by half, as the board lies in the box: the header is in front, its pin 1 at
# the right. x runs right and y to the front, from the back left corner of the board.
WIDTH, DEPTH, CORNER = 65.0, 56.5, 3.0
HOLES = [(3.5, 4.0), (61.5, 4.0), (3.5, 53.0), (61.5, 53.0)]
HOLE = 2.7  # the drawing's 2.75 is given with a tolerance of 0.05
PIN_1, PITCH = (56.63, 51.73), 2.54
# The corner of the wipers, which no lamp, button, DAC or encoder line may enter; nor come nearer to a wiper than APART.
ANALOGUE = ((45.2, 33.2), (65.0, 43.2))
SWITCHED = ("LAMP", "ENCODER", "SWITCH", "BUTTON", "I2S")
APART = 1.0
BESIDE = (("C1", "U1", "16", 4.0), ("C2", "U1", "1", 5.0), ("C3", "U1", "2", 6.0), ("C4", "U2", "8", 4.0))
NEAR = 0.011  # KiCad's grid in a file
BETWEEN_HOLES = 2.0  # of the face that is left between two of its holes
AROUND_KNOB = 5.0  # for fingers
TIE = 0.05  # a word between two parts is as near to the one as to the other


def faults(
    board: Board, parts: Mapping[str, Part], pins: Mapping[str, Any], case: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each fault."""
    lamps = [f"D{count}" for count, _ in enumerate(pins["lamps"], 1)]
    buttons = [f"SW{count}" for count, _ in enumerate(pins["buttons"], 1)]
    needed = {
        "J1",
        *parts,
        *lamps,
        *buttons,
        *(ref for capacitor, chip, *_ in BESIDE for ref in (capacitor, chip)),
    }
    if missing := sorted(needed - board.footprints.keys(), key=natural):
        yield f"panel.kicad_pcb: {', '.join(missing)} must be on the board: update it from the sheet"
        return
    for fault in (
        *_hat(board),
        *_copper(board),
        *_print(board, parts, pins["revision"]),
        *_face(board, lamps, buttons, pins["knobs"], case),
    ):
        yield f"panel.kicad_pcb: {fault}"


def _hat(board: Board) -> Iterator[str]:
    for piece in _outline():
        if not any(_same(piece, other) or _same(piece, other[::-1]) for other in board.edge()):
            yield f"the outline has no piece from {piece[0]} to {piece[-1]}, as a HAT's has"
    if len(board.edge()) != 8:
        yield f"the outline has {len(board.edge())} pieces; a HAT's has 4 sides and 4 corners"
    for count, place in enumerate(HOLES, 1):
        footprint = board.footprints.get(f"H{count}")
        if footprint is None:
            yield f"the hole H{count} is missing, at {place}"
        elif not _same([place], [numbers(footprint, "at")[:2]]):
            yield f"the hole H{count} is not at {place}, as a HAT's is"
        elif value(child(footprint, "pad"), "drill") != f"{HOLE}":
            yield f"the hole H{count} must be {HOLE} mm wide"
    if not board.below("J1"):
        yield "J1 must be on the underside, where the Pi is"
    for pin in range(1, 41):
        column, row = divmod(pin - 1, 2)
        place = (PIN_1[0] - PITCH * column, PIN_1[1] + PITCH * row)
        pad = board.pad("J1", f"{pin}")
        if not _same([place], [(pad.x, pad.y)]):
            yield f"pin {pin} of J1 is at ({pad.x:.2f}, {pad.y:.2f}), a Pi's at ({place[0]:.2f}, {place[1]:.2f})"


def _outline() -> Iterator[list[Point]]:
    """Four sides and, between them, four quarters of a circle."""
    ends: list[Point] = [
        *((CORNER, 0), (WIDTH - CORNER, 0), (WIDTH, CORNER), (WIDTH, DEPTH - CORNER)),
        *((WIDTH - CORNER, DEPTH), (CORNER, DEPTH), (0, DEPTH - CORNER), (0, CORNER)),
    ]
    away = CORNER * math.sqrt(0.5)
    for count, (begin, end) in enumerate(pairwise([*ends, ends[0]])):
        if count % 2 == 0:
            yield [begin, end]
            continue
        x, y = (
            CORNER if min(begin[axis], end[axis]) == 0 else size - CORNER
            for axis, size in enumerate((WIDTH, DEPTH))
        )
        yield [begin, (x + math.copysign(away, x - WIDTH / 2), y + math.copysign(away, y - DEPTH / 2)), end]


def _copper(board: Board) -> Iterator[str]:
    wipers = [track for track in board.tracks if track.net.startswith("KNOB")]
    switched = [track for track in board.tracks if track.net.startswith(SWITCHED)]
    (left, top), (right, bottom) = ANALOGUE
    for track in switched:
        for x, y in (track.begin, track.end):
            if left < x < right and top < y < bottom:
                yield f"{track.net} enters the corner of the wipers at ({x}, {y})"
        for wiper in wipers:
            if wiper.gap(track) < APART:
                yield f"{track.net} is {wiper.gap(track):.2f} mm from {wiper.net} at {wiper.begin}; at least {APART}"
    for capacitor, chip, pin, most in BESIDE:
        near, served = board.pad(capacitor, "1"), board.pad(chip, pin)
        far = math.hypot(near.x - served.x, near.y - served.y)
        if far > most:
            yield f"{capacitor} is {far:.1f} mm from pin {pin} of {chip}; at most {most}"
    pours = [zone for zone in children(board.source, "zone") if not any(children(zone, "keepout"))]
    for layer in ("F.Cu", "B.Cu"):
        mine = [zone for zone in pours if value(zone, "layer") == layer and value(zone, "net_name") == "GND"]
        if not mine or not all(any(children(zone, "filled_polygon")) for zone in mine):
            yield f"{layer} has no filled pour of GND: draw one, or press B in KiCad to fill it"
        if any("yes" in child(zone, "connect_pads") for zone in mine):
            yield f"the pads in the pour of {layer} need spokes (thermal relief): without them they cannot be soldered"


def _print(board: Board, parts: Mapping[str, Part], revision: str) -> Iterator[str]:
    front, back = board.words("F.SilkS"), board.words("B.SilkS")
    for side, words in (("front", front), ("back", back)):
        if not any(f"panel {revision} " in text for text, _ in words):
            yield f'the {side} must print "panel {revision}", the revision in pins.toml'
        x, y = PIN_1
        if not any(text == "1" and math.dist((x, y), place) < PITCH for text, place in words):
            yield f'the {side} must print "1" beside pin 1 of J1'
        for text, left in (("USB SIDE", True), ("SD SIDE", False)):
            if not any(text == word and (x < WIDTH / 2) == left for word, (x, _) in words):
                yield f'the {side} must print "{text}" at the {"left" if left else "right"}, seen from the front'
    if board.revision != revision:
        yield f"the title block has the revision {board.revision}, pins.toml {revision}"
    labelled = {
        ref: part.label for ref, part in parts.items() if part.label != "-" and ref not in ("J1", "U1")
    }
    for ref, label in labelled.items():
        if not any(
            _far(board, ref, at) <= min(_far(board, other, at) for other in labelled) + TIE
            for text, at in front
            if text == label
        ):
            yield f'"{label}" must be printed beside {ref}, no nearer to another part that has a label'
    for ref, part in parts.items():
        if part.stuffing != "board" and not board.below(ref) and _hidden(board, ref):
            yield f"the reference of {ref} must be visible: it is soldered by it"


def _far(board: Board, ref: str, at: Sequence[float]) -> float:
    return math.dist(board.middles[ref], at)


def _hidden(board: Board, ref: str) -> bool:
    fields = children(board.footprints[ref], "property")
    return any(any(children(field, "hide")) for field in fields if plain(field[1]) == "Reference")


def _face(
    board: Board, lamps: list[str], buttons: list[str], of_knobs: list[Any], case: Mapping[str, Any]
) -> Iterator[str]:
    """What looks through the face: the holes of the case are made from the places of the board's parts."""
    for ref in (*lamps, *buttons):
        if board.below(ref):
            yield f"{ref} must be on the front, under the face"
    for ref in lamps:
        if board.pad(ref, "1").x >= board.pad(ref, "2").x:
            yield f"{ref} must have its cathode at the left, as the others have"
    for row in (lamps[:6], lamps[6:]):
        for one, other in pairwise(row):
            (x0, y0), (x1, y1) = board.middles[one], board.middles[other]
            if not _same([(x1 - x0, y1 - y0)], [(case["lamp_pitch"], 0)]):
                yield f"{other} must be {case['lamp_pitch']} mm right of {one}, as the holes of the printed comb are"
    left, back = case["board"]
    holes = [(ref, board.middles[ref], case["lamp_hole"]) for ref in lamps]
    holes += [(ref, board.middles[ref], case["button_hole"]) for ref in buttons]
    knobs = [
        (f"the knob {knob['name']}", (x - left, y - back), case["knob_width"])
        for knob, (x, y) in zip(of_knobs, case["knobs"], strict=True)
    ]
    for (one, here, wide), (other, there, width) in combinations((*holes, *knobs), 2):
        free = math.dist(here, there) - (wide + width) / 2
        least = AROUND_KNOB if other.startswith("the knob") else BETWEEN_HOLES
        if free < least:
            yield f"{one} and {other} leave {free:.1f} mm of the face between them; at least {least}"


def _same(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    return len(some) == len(others) and all(
        math.dist(one, other) <= NEAR * math.sqrt(2) for one, other in zip(some, others, strict=True)
    )
