# SPDX-License-Identifier: CERN-OHL-P-2.0
"""What the lamps draw from the Pi's 3.3 V, computed from the parts that the list names.

It is the worst case, with all lamps lit: the diode with the lowest voltage, the resistor at the low
end of its tolerance, the rail 5 % high. A Pi's pins together may give about 50 mA (BCM2835 and later, 16 mA a pin
at most); the lamps may take half of that.
"""

from __future__ import annotations

from hardware.tools.circuit import circuit, kinds

LIMIT = 25.0  # mA, all lamps together
RAIL = 3.3  # V
RAIL_HIGH = RAIL * 1.05


def lamps_worst() -> float:
    """All lamps at once, in mA, with the least favourable parts."""
    return _count() * _lamp_worst()


def lamps_typical() -> float:
    """All lamps at once, in mA, with usual parts."""
    known = kinds()
    return float(_count() * 1000 * (RAIL - known["lamp"]["forward"][1]) / known["lamp_resistor"]["ohms"])


def _lamp_worst() -> float:
    known = kinds()
    resistor = known["lamp_resistor"]
    return float(
        1000 * (RAIL_HIGH - known["lamp"]["forward"][0]) / (resistor["ohms"] * (1 - resistor["tolerance"]))
    )


def _count() -> int:
    return sum(part.kind == "lamp" for part in circuit())
