# SPDX-License-Identifier: Apache-2.0
"""The drawings against the code: one table of pins, and no drawing that says otherwise. Needs no KiCad.

The committed netlist is what KiCad read from the drawn sheet, so it is held against the circuit that the table
gives; and every file that is made from the table is made again and compared.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.panel.pins import PULLED_UP, RESERVED, wiring
from hardware.tools import netlist, schematic
from hardware.tools.circuit import CONVERTER, GND, HARDWARE, V3, V5, circuit, header, hole, kinds, nets, table
from hardware.tools.geometry import geometry
from hardware.tools.sexpr import parse

DRAWN = netlist.nets(netlist.read())
KICAD = HARDWARE / "kicad"


def test_the_drawn_netlist_is_the_circuit_pin_by_pin() -> None:
    assert nets(circuit()) == DRAWN


def test_a_pin_that_moves_in_the_table_is_seen(tmp_path: Path) -> None:
    source = (HARDWARE.parent / "appliance/panel/pins.toml").read_text(encoding="utf-8")
    changed = tmp_path / "pins.toml"
    changed.write_text(source.replace("bcm = 17", "bcm = 22"), encoding="utf-8")
    of = table(changed)
    assert nets(circuit(of)) != DRAWN
    sheet = dict(schematic.project_files(of, geometry()["date"]))["panel.kicad_sch"]
    assert sheet != (KICAD / "panel.kicad_sch").read_text(encoding="utf-8")


def test_what_is_drawn_from_the_table_is_what_is_committed() -> None:
    for name, text in schematic.project_files(date=geometry()["date"]):
        assert (KICAD / name).read_text(encoding="utf-8") == text, f"{name} is stale: run make hardware"


# The circuit against the panel's code: said once more, by hand, so that a slip in circuit.py does not pass for the
# truth.


def on(net: str) -> set[tuple[str, str]]:
    return DRAWN[net]


def test_each_lamp_lights_by_its_pin_through_its_resistor_to_ground() -> None:
    for count, bcm in enumerate(wiring().lamps, 1):
        (line,) = (net for net, pins in DRAWN.items() if ("J1", str(hole(bcm))) in pins)
        assert on(line) == {("J1", str(hole(bcm))), (f"R{count}", "1")}
        assert on(f"LAMP_{count}_ANODE") == {(f"R{count}", "2"), (f"D{count}", "2")}
        assert (f"D{count}", "1") in on(GND), "pin 1 of the footprint is the cathode"


def test_each_button_closes_its_pin_to_ground_through_a_kilohm() -> None:
    for count, bcm in enumerate((wiring().network_button, wiring().mute_button), 1):
        (line,) = (net for net, pins in DRAWN.items() if ("J1", str(hole(bcm))) in pins)
        assert on(line) == {("J1", str(hole(bcm))), (f"R{9 + count}", "1")}
        (switch,) = (net for net, pins in DRAWN.items() if (f"R{9 + count}", "2") in pins)
        assert (f"SW{count}", "1") in on(switch)
        assert (f"SW{count}", "2") in on(GND)


def test_the_converter_is_on_spi_and_hears_the_two_wipers_only() -> None:
    box = wiring().converter
    for line in ("clock", "mosi", "miso", "select"):
        bcm = getattr(box, line)
        assert {("J1", str(hole(bcm))), ("U1", CONVERTER[line])} <= on(f"SPI_{line.upper()}")
    wipers = {box.volume: "KNOB_VOLUME", box.tempo: "KNOB_TEMPO"}
    for channel in range(8):
        assert ("U1", CONVERTER[f"CH{channel}"]) in on(wipers.get(channel, GND))


def test_what_needs_power_has_it() -> None:
    # A sheet whose VDD is marked "not connected" passes KiCad's check: it must be asked here.
    names = header()
    for rail, name in ((V3, "3V3"), (V5, "5V"), (GND, "GND")):
        assert {("J1", str(pin)) for pin in names if names[pin] == name} <= on(rail)
    assert {("U1", "15"), ("U1", "16"), ("U2", "8"), ("C1", "1"), ("J3", "1"), ("J4", "1")} <= on(V3)
    assert {("U1", "9"), ("U1", "14"), ("U2", "4"), ("C1", "2"), ("J3", "3"), ("J4", "3")} <= on(GND)
    assert on(V5) == {("J1", "2"), ("J1", "4"), ("J2", "1")}, "5 V goes to the DAC and nowhere near a GPIO"


def test_the_other_stuffing_uses_the_same_four_pins() -> None:
    for plug, resistors, contacts in (
        ("J5", ("R12", "R13"), wiring().volume),
        ("J6", ("R14", "R15"), wiring().tempo),
    ):
        for resistor, bcm, pin in zip(resistors, contacts, ("1", "3"), strict=True):
            (line,) = (net for net, pins in DRAWN.items() if ("J1", str(hole(bcm))) in pins)
            assert (resistor, "1") in on(line)
            (contact,) = (net for net, pins in DRAWN.items() if (resistor, "2") in pins)
            assert on(contact) == {(resistor, "2"), (plug, pin)}
    assert {("J5", "4"), ("SW2", "1")} <= on("SWITCH_MUTE"), "pressing the volume knob is MUTE"
    assert {("J6", "4"), ("SW1", "1")} <= on("SWITCH_NETWORK")


def test_what_is_reserved_stays_free_or_goes_to_whom_it_is_reserved_for() -> None:
    for bcm in RESERVED:
        nets_there = [pins for pins in DRAWN.values() if ("J1", str(hole(bcm))) in pins]
        others = {ref for pins in nets_there for ref, _ in pins} - {"J1"}
        assert others <= {"J2", "U2", "R16", "R17"}, f"GPIO {bcm}"


def test_no_lamp_is_on_a_pin_that_is_high_while_the_pi_starts() -> None:
    for bcm in PULLED_UP:
        assert not any(
            ref.startswith("D")
            for pins in DRAWN.values()
            if ("J1", str(hole(bcm))) in pins
            for ref, _ in pins
        )


def test_every_part_has_a_footprint_and_it_is_the_one_in_the_parts_list() -> None:
    known = kinds()
    drawn = netlist.footprints(netlist.read())
    assert drawn == {part.ref: known[part.kind]["footprint"] for part in circuit()}


def test_references_are_unique_and_counted_without_a_gap() -> None:
    refs = [part.ref for part in circuit()]
    assert len(refs) == len(set(refs))
    for letters in ("R", "D", "C", "U", "J", "SW", "TP"):
        mine = sorted(int(ref[len(letters) :]) for ref in refs if re.fullmatch(letters + r"\d+", ref))
        assert mine == list(range(1, len(mine) + 1)), letters


@pytest.mark.parametrize("source", ["(a", "a)", "(a) (b)", "a", ""])
def test_a_file_that_is_not_one_list_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"open|opened"):
        parse(source)
