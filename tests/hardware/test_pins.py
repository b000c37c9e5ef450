# SPDX-License-Identifier: Apache-2.0
"""The sheet against the panel's table of pins. The nets are those that KiCad last read from the sheet."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.panel.pins import PULLED_UP, wiring
from hardware.tools import kicad, sheet
from hardware.tools.pins import CONVERTER, GND, V3, V5, faults, header, hole, table
from hardware.tools.sexpr import HARDWARE

_, NETS = kicad.recorded()
SHEET = sheet.panel()
TABLE = (HARDWARE.parent / "appliance/panel/pins.toml").read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> list[str]:
    """What is found after a change of the table."""
    assert old in TABLE
    path = tmp_path / "pins.toml"
    path.write_text(TABLE.replace(old, new, 1), encoding="utf-8")
    return [*faults(NETS, SHEET, table(path))]


def test_the_sheet_joins_what_the_table_asks_for() -> None:
    assert [*faults(NETS, SHEET, table())] == []


@pytest.mark.parametrize(
    ("old", "new", "pin"),
    [
        ("bcm = 17", "bcm = 22", "J1.15"),  # a lamp, to a pin that is open
        ("bcm = 5", "bcm = 17", "R10.1"),  # a button, to a lamp's pin
        ("miso = 9", "miso = 7", "J1.26"),
        ("a = 11", "a = 7", "R12.1"),  # an encoder
        ("channel = 1", "channel = 2", "U1.3"),
        (
            '18 = "I2S bit clock"\n19 = "I2S word clock"',
            '18 = "I2S word clock"\n19 = "I2S bit clock"',
            "J1.35",
        ),
    ],
)
def test_a_pin_that_moves_in_the_table_is_seen(tmp_path: Path, old: str, new: str, pin: str) -> None:
    assert any(f"panel.kicad_sch: {pin} " in fault for fault in changed(tmp_path, old, new))


def test_a_name_that_changes_in_the_table_is_seen(tmp_path: Path) -> None:
    text, field = changed(tmp_path, 'label = "Eb"', 'label = "E"')
    assert "note 2: E" in text
    assert "D2" in field
    (revision,) = changed(tmp_path, 'revision = "A"', 'revision = "B"')
    assert "title block" in revision
    assert any("SW2" in fault for fault in changed(tmp_path, 'name = "mute"', 'name = "quiet"'))


def test_a_wire_that_moves_on_the_sheet_is_seen() -> None:
    swapped = dict(NETS) | {"LAMP_NOTE_1": NETS["LAMP_NOTE_2"], "LAMP_NOTE_2": NETS["LAMP_NOTE_1"]}
    found = [*faults(swapped, SHEET, table())]
    assert len(found) == 4
    assert any("J1.11" in fault and "LAMP_NOTE_1" in fault and "LAMP_NOTE_2" in fault for fault in found)


def test_what_is_reserved_stays_open() -> None:
    added = dict(NETS) | {"FAN": {"J1.15", "R19.1"}}
    (fault,) = faults(added, SHEET, table())
    assert "J1.15" in fault
    assert "mutes many DACs" in fault


def test_a_part_that_a_maker_adds_is_no_fault() -> None:
    added = dict(NETS) | {V3: {*NETS[V3], "C5.1"}, GND: {*NETS[GND], "C5.2"}}
    assert [*faults(added, SHEET, table())] == []


# Said once more, by hand and from the panel's own wiring, so that a slip in tools/pins.py does not pass for the truth.


def net(pin: str) -> set[str]:
    (pins,) = (pins for pins in NETS.values() if pin in pins)
    return pins


def test_each_lamp_lights_by_its_pin_through_its_resistor_to_ground() -> None:
    for count, bcm in enumerate(wiring().lamps, 1):
        assert bcm not in PULLED_UP, "it would glow while the Pi starts"
        assert net(f"J1.{hole(bcm)}") == {f"J1.{hole(bcm)}", f"R{count}.1"}
        assert net(f"R{count}.2") == {f"R{count}.2", f"D{count}.2"}
        assert f"D{count}.1" in NETS[GND], "pin 1 of the footprint is the cathode"


def test_each_button_closes_its_pin_to_ground_through_a_kilohm() -> None:
    for count, bcm in enumerate((wiring().network_button, wiring().mute_button), 1):
        assert net(f"J1.{hole(bcm)}") == {f"J1.{hole(bcm)}", f"R{9 + count}.1"}
        assert f"SW{count}.1" in net(f"R{9 + count}.2")
        assert f"SW{count}.2" in NETS[GND]
        assert SHEET.parts[f"R{9 + count}"].value == "1k"


def test_the_converter_is_on_spi_and_hears_the_two_wipers_only() -> None:
    box = wiring().converter
    for line in ("clock", "mosi", "miso", "select"):
        assert f"U1.{CONVERTER[line]}" in net(f"J1.{hole(getattr(box, line))}")
    wipers = {box.volume: net("J3.2"), box.tempo: net("J4.2")}
    for channel in range(8):
        assert f"U1.{CONVERTER[f'CH{channel}']}" in wipers.get(channel, NETS[GND])


def test_what_needs_power_has_it() -> None:
    # A sheet whose VDD is marked "not connected" passes KiCad's check: it must be asked here.
    for rail, name in ((V3, "3V3"), (V5, "5V"), (GND, "GND")):
        assert {f"J1.{pin}" for pin, called in header().items() if called == name} <= NETS[rail]
    assert {"U1.15", "U1.16", "U2.8", "C1.1", "J3.1", "J4.1"} <= NETS[V3]
    assert {"U1.9", "U1.14", "U2.4", "C1.2", "J3.3", "J4.3"} <= NETS[GND]
    assert NETS[V5] == {"J1.2", "J1.4", "J2.1"}, "5 V goes to the DAC and nowhere near a GPIO"


def test_the_other_stuffing_uses_the_same_four_pins() -> None:
    for plug, resistors, contacts in (
        ("J5", ("R12", "R13"), wiring().volume),
        ("J6", ("R14", "R15"), wiring().tempo),
    ):
        for resistor, bcm, pin in zip(resistors, contacts, (1, 3), strict=True):
            assert f"{resistor}.1" in net(f"J1.{hole(bcm)}")
            assert net(f"{resistor}.2") == {f"{resistor}.2", f"{plug}.{pin}"}
    assert "SW2.1" in net("J5.4"), "pressing the volume knob is MUTE"
    assert "SW1.1" in net("J6.4")
