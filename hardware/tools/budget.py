# SPDX-License-Identifier: CERN-OHL-P-2.0
"""What the lamps draw from the Pi's 3.3 V, computed from the parts on the sheet.

It is the worst case, with all lamps lit: the diode with the lowest voltage, the resistor at the low
end of its tolerance, the rail 5 % high. A Pi's pins together may give about 50 mA (BCM2835 and later, 16 mA a pin
at most); the lamps may take half of that.
"""

from __future__ import annotations

from hardware.tools import sheet
from hardware.tools.sheet import Part
from hardware.tools.tables import kinds

LIMIT = 25.0  # mA, all lamps together
RAIL = 3.3  # V
RAIL_HIGH = RAIL * 1.05


def lamps_worst() -> float:
    """All lamps at once, in mA, with the least favourable parts."""
    known = kinds()
    return sum(
        _current(
            RAIL_HIGH,
            known[lamp.number]["forward"][0],
            ohms(series) * (1 - known[series.number]["tolerance"]),
        )
        for lamp, series in _lamps()
    )


def lamps_typical() -> float:
    """All lamps at once, in mA, with usual parts."""
    known = kinds()
    return sum(_current(RAIL, known[lamp.number]["forward"][1], ohms(series)) for lamp, series in _lamps())


def ohms(resistor: Part) -> float:
    """A resistance as a sheet writes it: 680, 1k or 3k9."""
    value = resistor.value
    return 1000 * float(value.replace("k", ".") + "0") if "k" in value else float(value)


def _lamps() -> list[tuple[Part, Part]]:
    """Each lamp with its resistor."""
    parts = sheet.panel().parts
    return [(part, parts[f"R{ref[1:]}"]) for ref, part in parts.items() if ref.startswith("D")]


def _current(rail: float, forward: float, resistance: float) -> float:
    return 1000 * (rail - forward) / resistance
