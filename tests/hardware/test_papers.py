# SPDX-License-Identifier: Apache-2.0
"""The papers: what is made from the sources is what is committed, and what they say of current and places is so."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.tools import assembly, board, budget, papers, sheet
from hardware.tools.pins import hole, table
from hardware.tools.sexpr import HARDWARE
from hardware.tools.sheet import Part
from hardware.tools.tables import geometry, kinds


def test_what_is_made_is_what_is_committed() -> None:
    for path, text in papers.made():
        assert (HARDWARE / path).read_text(encoding="utf-8") == text, f"{path} is stale: run make hardware"


def test_the_drawings_of_the_steps_show_the_board_as_it_is() -> None:
    for path, text in assembly.drawings([refs.split() for _, refs, _ in papers.STEPS]):
        assert (HARDWARE / path).read_text(encoding="utf-8") == text, f"{path} is stale: run make hardware"


def test_each_part_is_ordered_and_soldered() -> None:
    assert [*papers.faults(sheet.panel().parts)] == []


@pytest.mark.parametrize(
    ("ref", "change", "named"),
    [
        ("R3", {"number": "MFR-25FBF52-68R"}, "MFR-25FBF52-68R"),
        ("R3", {"stuffing": ""}, "Stuffing"),
        ("TP1", {"stuffing": "all", "number": "WP7113SYD"}, "STEPS"),
    ],
)
def test_a_part_that_cannot_be_ordered_or_soldered_is_named(
    ref: str, change: dict[str, str], named: str
) -> None:
    parts = dict(sheet.panel().parts) | {ref: replace(sheet.panel().parts[ref], **change)}
    assert any(ref in fault and named in fault for fault in papers.faults(parts))


def test_a_part_that_is_gone_from_the_sheet_is_named() -> None:
    parts = {ref: part for ref, part in sheet.panel().parts.items() if ref != "C4"}
    (fault,) = papers.faults(parts)
    assert "C4" in fault


def test_a_pin_that_moves_in_the_table_makes_the_papers_stale(tmp_path: Path) -> None:
    source = (HARDWARE.parent / "appliance/panel/pins.toml").read_text(encoding="utf-8")
    changed = tmp_path / "pins.toml"
    changed.write_text(source.replace("bcm = 13", "bcm = 22"), encoding="utf-8")
    assert papers.pin_table(table(changed)) not in (HARDWARE / "README.md").read_text(encoding="utf-8")
    assert papers.wiring(table(changed)) != (HARDWARE / "wiring/panel.yml").read_text(encoding="utf-8")


def test_the_wiring_drawing_names_every_lamp_and_where_it_goes() -> None:
    drawn = (HARDWARE / "wiring/panel.svg").read_text(encoding="utf-8")
    for count, lamp in enumerate(table()["lamps"], 1):
        assert f">D{count}<" in drawn
        assert f"GPIO{lamp['bcm']} {lamp['name']}" in drawn.replace("&#160;", " "), hole(lamp["bcm"])


def test_the_parts_list_counts_what_the_sheet_has() -> None:
    rows = list(csv.DictReader(io.StringIO(papers.bill())))
    listed = [ref for row in rows for ref in row["References"].split()]
    bought = [part.ref for part in sheet.panel().parts.values() if part.stuffing != "board"]
    assert sorted(listed) == sorted(bought)
    numbers = {part.number for part in sheet.panel().parts.values()}
    assert [number for number, kind in kinds().items() if (number in numbers) == ("pieces" in kind)] == []
    for row in rows:
        if row["References"]:
            assert int(row["Quantity"]) == len(row["References"].split())
            assert row["Footprint"]
        assert row["Data sheet drawing"]
        assert row["Price class"] in "ABCD"


@pytest.mark.parametrize(("value", "ohms"), [("680", 680), ("1k", 1000), ("3k9", 3900)])
def test_a_resistance_is_read_as_a_sheet_writes_it(value: str, ohms: float) -> None:
    assert budget.ohms(Part("R1", value, "", "", "", "")) == pytest.approx(ohms)


def test_the_lamps_stay_within_their_budget() -> None:
    assert budget.lamps_typical() < budget.lamps_worst() <= budget.LIMIT
    one = (3.3 * 1.05 - 1.7) / (680 * 0.99)
    assert budget.lamps_worst() == pytest.approx(9 * one * 1000)
    assert one < 0.008, "a pin gives 8 mA as it starts"


def test_the_case_holds_what_the_plan_asks() -> None:
    case, (width, depth) = geometry()["case"], board.panel().size()
    (left, _), (right, _) = case["knobs"]
    assert right - left >= 60
    assert case["board"][0] + width / 2 == case["width"] / 2, "the board is in the middle of the face"
    # The Pi's SD end is under the board's right end, its header in front under the board's.
    assert case["pi"][0] + 85 == case["board"][0] + width
    assert case["pi"][1] + 56 == pytest.approx(case["board"][1] + depth)
    for _, y in case["knobs"]:
        assert y - 8.5 > case["pi"][1] + 56, "a potentiometer's body hangs in front of the Pi"
    base_of_lamp = case["face_gap"] + case["face"] + case["lamp_proud"] - case["lamp_height"]
    assert 1 < base_of_lamp < case["face_gap"] - 1, "its flange stays under the face"


def test_a_paper_without_its_marks_is_refused() -> None:
    assert papers.within("a <!-- made: x -->old<!-- end: x --> b", "x", "new") == (
        "a <!-- made: x -->\nnew\n<!-- end: x --> b"
    )
    with pytest.raises(ValueError, match="There is no"):
        papers.within("nothing", "x", "new")
