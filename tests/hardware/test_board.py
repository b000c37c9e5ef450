# SPDX-License-Identifier: Apache-2.0
"""The board against a HAT, the case and the words on it: it has no fault, and each kind of fault is found.

KiCad's own checks are `make hardware-check`; test_kicad.py says whether it has checked the board as it is.
"""

from __future__ import annotations

from functools import cache

import pytest

from hardware.tools import pins, sheet
from hardware.tools.board import Board, Track
from hardware.tools.layout import faults
from hardware.tools.sexpr import KICAD, Node, parse
from hardware.tools.tables import geometry

CASE = geometry()["case"]


@cache
def source() -> list[tuple[str, Node]]:
    """What is on the board, piece by piece, because reading all of it again for each test takes a second."""
    text = (KICAD / "panel.kicad_pcb").read_text(encoding="utf-8")
    pieces = text.removeprefix("(kicad_pcb\n\t").rstrip().removesuffix("\n)").split("\n\t(")
    return [(piece, parse(piece)) for piece in (pieces[0], *(f"({piece}" for piece in pieces[1:]))]


def found(*added: Node, without: str = "", tracks: bool = False) -> list[str]:
    """What is found on the board with other pieces; without its tracks, which take long, unless they are asked for."""
    nodes = [node for piece, node in source() if piece != without and (tracks or node[0] != "segment")]
    return [*faults(Board(["kicad_pcb", *nodes, *added]), sheet.panel().parts, pins.table(), CASE)]


def changed(piece: str, old: str, new: str) -> list[str]:
    """What is found after a change of a piece."""
    assert old in piece
    return found(parse(piece.replace(old, new, 1)), without=piece)


def having(words: str) -> str:
    """The first piece that has these words."""
    return next(piece for piece, _ in source() if words in piece)


def part(ref: str) -> tuple[str, str]:
    """A part, and the line in it that says where it is."""
    piece = having(f'(property "Reference" "{ref}"')
    return piece, next(line for line in piece.splitlines() if line.startswith("\t\t(at "))


def placed(ref: str, x: float, y: float, turn: float = 0) -> list[str]:
    """What is found after a part was moved and turned."""
    piece, at = part(ref)
    left, top, turned = (*map(float, at.strip("\t()").split()[1:]), 0.0)[:3]
    return changed(piece, at, f"\t\t(at {left + x} {top + y} {turned + turn})")


def test_the_board_has_no_fault() -> None:
    assert found(tracks=True) == []


@pytest.mark.parametrize(
    ("ref", "x", "y", "named"),
    [
        ("J1", 0.1, 0.0, "pin 1 of J1"),
        ("H2", 0.0, 0.1, "H2"),
        ("D3", 0.2, 0.0, "D3"),  # no longer over the comb
        ("SW1", 6.0, -6.0, "SW1"),  # its cap and a lamp
        ("SW2", 0.0, 25.0, "the knob tempo"),
        ("C1", 3.0, 0.0, "C1"),
        ("TP2", 0.0, 10.0, "TP2"),  # away from its word
    ],
)
def test_a_part_that_moves_too_far_is_named(ref: str, x: float, y: float, named: str) -> None:
    assert any(fault.startswith("panel.kicad_pcb: ") and named in fault for fault in placed(ref, x, y))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("(start 0 53.5)", "(start 0 53)", "outline"),
        ("(mid 0.8787 0.8787)", "(mid 1 1)", "outline"),
        ("(drill 2.7)", "(drill 2.2)", "the hole H"),
        ('(rev "A")', '(rev "B")', "pins.toml A"),
        ('"panel A  ', '"panel B  ', "pins.toml"),
        ('(gr_text "USB SIDE"', '(gr_text "USB"', "USB SIDE"),
        ('(gr_text "1"', '(gr_text "2"', "pin 1 of J1"),
        ('(gr_text "Eb"', '(gr_text "E"', "D2"),
        ('(net_name "GND")', '(net_name "+3V3")', "GND"),
    ],
)
def test_a_change_that_kicad_allows_is_named(old: str, new: str, named: str) -> None:
    assert any(named in fault for fault in changed(having(old), old, new))


def test_a_part_that_is_not_on_the_board_is_named() -> None:
    (fault,) = found(without=part("C4")[0])
    assert "C4" in fault


def test_a_pour_that_is_not_filled_is_named() -> None:
    piece = having("(filled_polygon")
    assert any(
        "press B" in fault for fault in found(parse(piece.replace("filled_polygon", "x")), without=piece)
    )


def test_a_reference_that_is_hidden_is_named() -> None:
    piece, _ = part("R5")
    old = '(property "Reference" "R5"'
    assert any("R5" in fault for fault in changed(piece, old, f"{old} (hide yes)"))


def test_a_lamp_that_is_turned_is_named() -> None:
    assert any("D4" in fault and "cathode" in fault for fault in placed("D4", 0, 0, 180))


def test_a_line_that_comes_near_a_wiper_is_named() -> None:
    knob, lamp = (having(f'"{name}")').split()[1] for name in ("KNOB_VOLUME", "LAMP_NOTE_1"))
    wiper = next(piece for piece, node in source() if node[0] == "segment" and f"(net {knob})" in piece)
    over = parse(wiper.replace(f"(net {knob})", f"(net {lamp})"))
    assert any("LAMP_NOTE_1" in fault and "KNOB_VOLUME" in fault for fault in found(over, tracks=True))


@pytest.mark.parametrize(
    ("begin", "end", "gap"),
    [((0, 2), (4, 2), 1.5), ((6, 0), (9, 0), 1.5), ((7, 4), (7, 9), 4.5), ((7, 4), (7, 4), 4.5)],
)
def test_the_gap_between_two_tracks(begin: tuple[float, float], end: tuple[float, float], gap: float) -> None:
    one, other = Track("A", (0, 0), (4, 0), 0.25), Track("B", begin, end, 0.25)
    assert one.gap(other) == pytest.approx(gap)
