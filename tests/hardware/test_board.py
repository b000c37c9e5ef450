# SPDX-License-Identifier: Apache-2.0
"""The board as it was made, read from its file: it is the circuit, it fits a Pi, and it is laid as the review says.

KiCad's own checks are `make hardware-check`; what is here needs no KiCad and is in every test run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import pytest

from hardware.tools import netlist
from hardware.tools.circuit import circuit, nets
from hardware.tools.geometry import geometry
from hardware.tools.made import Pad, board, pads, reference
from hardware.tools.router import Copper
from hardware.tools.sexpr import children, numbers, plain, value

PLAN = geometry()
SIZE = PLAN["board"]


def pad(ref: str, number: str) -> Pad:
    return next(p for p in pads() if (p.ref, p.number) == (ref, number))


@cache
def tracks() -> list[Copper]:
    names = {plain(net[1]): plain(net[2]) for net in children(board(), "net")}
    found = []
    for track in children(board(), "segment"):
        (x0, y0), (x1, y1) = numbers(track, "start"), numbers(track, "end")
        net, layer = names[value(track, "net")].removeprefix("/"), int(value(track, "layer") == "B.Cu")
        found.append(Copper(net, layer, x0, y0, x1, y1, numbers(track, "width")[0] / 2))
    return found


def vias() -> Iterator[tuple[float, float]]:
    for via in children(board(), "via"):
        x, y = numbers(via, "at")
        yield x, y


def between(one: Copper, other: Copper) -> float:
    """The gap between two straight tracks that do not cross: from an end of one to the other."""
    return min(
        *(other.distance(x, y) - one.radius for x, y in ((one.x0, one.y0), (one.x1, one.y1))),
        *(one.distance(x, y) - other.radius for x, y in ((other.x0, other.y0), (other.x1, other.y1))),
    )


def test_every_pad_is_on_the_net_that_the_circuit_gives_it() -> None:
    made: dict[str, set[tuple[str, str]]] = {}
    for p in pads():
        if p.net and not p.net.startswith("unconnected-"):
            made.setdefault(p.net, set()).add((p.ref, p.number))
    assert made == nets(circuit())


def test_every_part_is_on_the_board_and_nothing_else_is_but_four_holes() -> None:
    refs = sorted(reference(footprint) for footprint in children(board(), "footprint"))
    assert refs == sorted([*(part.ref for part in circuit()), "H1", "H2", "H3", "H4"])
    libraries = {reference(f): plain(f[1]) for f in children(board(), "footprint")}
    assert {ref: libraries[ref] for ref in netlist.footprints(netlist.read())} == netlist.footprints(
        netlist.read()
    )


def test_the_header_is_a_pi_s_header_seen_from_above_and_not_its_mirror() -> None:
    # The board lies with the header in front: pin 1 is the rightmost of the inner row, and numbers run left.
    x, y = SIZE["pin_1"]
    for pin in range(1, 41):
        column, row = divmod(pin - 1, 2)
        where = pad("J1", str(pin))
        assert (where.x, where.y) == pytest.approx((x - 2.54 * column, y + 2.54 * row), abs=0.011), pin


def test_outline_and_holes_are_those_of_a_hat() -> None:
    assert (SIZE["width"], SIZE["depth"], SIZE["corner"]) == (65.0, 56.5, 3.0)
    (left, back), (right, _), (_, front), _ = SIZE["holes"]
    assert (right - left, front - back) == (58.0, 49.0)
    assert (left, SIZE["depth"] - front) == (3.5, 3.5)
    assert (left + right) / 2 == pytest.approx((pad("J1", "1").x + pad("J1", "39").x) / 2, abs=0.02)
    holes = {
        numbers(footprint, "at")[:2]
        for footprint in children(board(), "footprint")
        if reference(footprint).startswith("H")
    }
    assert holes == {tuple(hole) for hole in SIZE["holes"]}
    edge = [
        corner
        for shape in (*children(board(), "gr_line"), *children(board(), "gr_arc"))
        if value(shape, "layer") == "Edge.Cuts"
        for corner in (numbers(shape, "start"), numbers(shape, "end"))
    ]
    assert (min(x for x, _ in edge), max(x for x, _ in edge)) == (0, SIZE["width"])
    assert (min(y for _, y in edge), max(y for _, y in edge)) == (0, SIZE["depth"])


def test_nothing_runs_under_a_screw() -> None:
    for x, y in SIZE["holes"]:
        assert min(track.distance(x, y) for track in tracks()) >= SIZE["hole_free"] / 2
        assert min(math.hypot(x - vx, y - vy) for vx, vy in vias()) >= SIZE["hole_free"] / 2 + 0.4
        assert min(math.hypot(x - p.x, y - p.y) for p in pads() if p.net) > SIZE["hole_free"] / 2


def test_the_wipers_keep_away_from_lamps_and_contacts() -> None:
    wipers = [track for track in tracks() if track.net.startswith("KNOB")]
    switched = [t for t in tracks() if t.net.startswith(("LAMP", "ENCODER", "SWITCH", "BUTTON", "I2S"))]
    assert wipers
    assert min(between(wiper, other) for wiper in wipers for other in switched) >= 1.0
    (left, top), (right, bottom) = PLAN["analogue"]["from"], PLAN["analogue"]["to"]
    for track in switched:
        for x, y in ((track.x0, track.y0), (track.x1, track.y1)):
            assert not (left < x < right and top < y < bottom), track


def test_each_capacitor_stands_beside_the_pin_that_it_serves() -> None:
    for capacitor, chip, pin, at_most in (
        ("C1", "U1", "16", 4.0),
        ("C2", "U1", "1", 5.0),
        ("C3", "U1", "2", 6.0),
        ("C4", "U2", "8", 4.0),
    ):
        near, served = pad(capacitor, "1"), pad(chip, pin)
        assert near.net == served.net
        assert math.hypot(near.x - served.x, near.y - served.y) <= at_most, capacitor


def test_tracks_are_as_wide_as_the_plan_says() -> None:
    for track in tracks():
        wanted = PLAN["tracks"]["power" if track.net == "+3V3" else "signal"]
        assert track.radius * 2 == pytest.approx(wanted), track.net


def test_both_sides_are_poured_with_ground_and_pads_can_be_soldered() -> None:
    pours = [zone for zone in children(board(), "zone") if not any(children(zone, "keepout"))]
    assert {value(zone, "layer") for zone in pours} == {"F.Cu", "B.Cu"}
    assert {value(zone, "net_name") for zone in pours} == {"GND"}
    for zone in pours:
        assert any(children(zone, "filled_polygon"))
        (connect,) = children(zone, "connect_pads")
        assert "yes" not in connect, "pads hang in the pour by spokes"


def test_lamps_are_in_two_rows_on_the_face_side() -> None:
    middles = {
        f"D{n}": ((pad(f"D{n}", "1").x + pad(f"D{n}", "2").x) / 2, pad(f"D{n}", "1").y) for n in range(1, 10)
    }
    for ref, (x, y) in middles.items():
        assert (x, y) == pytest.approx(PLAN["place"][ref][:2], abs=0.01)
        assert pad(ref, "1").x < pad(ref, "2").x, "all cathodes are on the left"
    fronts = {reference(f): value(f, "layer") for f in children(board(), "footprint")}
    assert {fronts[ref] for ref in (*middles, "SW1", "SW2", "U1")} == {"F.Cu"}
    assert fronts["J1"] == "B.Cu", "the Pi is below"
