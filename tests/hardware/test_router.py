# SPDX-License-Identifier: Apache-2.0
"""The router on small boards of its own: it joins, it keeps apart, and it says what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest

from hardware.tools.router import BACK, FRONT, Board, Copper, Region, Routed, Rules, Terminal, route

RULES = Rules(20.0, 10.0, (0.0, 0.0), 0.25, 0.2, 0.4, 0.8, 0.4, 0.55)
GROUND: tuple[float, Sequence[Terminal]] = (0.3, [Terminal(-1, 1.0, 9.0)])


def pad(net: str, x: float, y: float) -> Copper:
    return Copper(net, -1, x, y, x, y, 0.5)


def laid(nets: dict[str, list[tuple[float, float]]], walls: list[Copper], regions: list[Region]) -> Routed:
    fixed = [pad(net, x, y) for net, places in nets.items() for x, y in places] + walls
    holes = [(x, y, 0.25) for places in nets.values() for x, y in places]
    wanted: dict[str, tuple[float, Sequence[Terminal]]] = {
        net: (0.3, [Terminal(-1, x, y) for x, y in places]) for net, places in nets.items()
    }
    return route(Board(RULES, fixed, holes, regions), wanted | {"GND": GROUND}, [], "GND", []).laid


def joined(result: Routed, net: str, places: list[tuple[float, float]]) -> bool:
    """Whether one can go from the first place to every other along this net's copper."""
    pieces = [t for t in result.tracks if t.net == net]
    pieces += [Copper(net, -1, x, y, x, y, 0.4) for owner, x, y in result.vias if owner == net]
    pieces += [pad(net, x, y) for x, y in places]

    def touch(one: Copper, other: Copper) -> bool:
        same = one.layer == other.layer or -1 in (one.layer, other.layer)
        ends = [
            (one, other.x0, other.y0),
            (one, other.x1, other.y1),
            (other, one.x0, one.y0),
            (other, one.x1, one.y1),
        ]
        return same and any(copper.distance(x, y) < 1e-6 for copper, x, y in ends)

    reached = {len(pieces) - 1}
    while more := {
        b for a in reached for b in range(len(pieces)) if b not in reached and touch(pieces[a], pieces[b])
    }:
        reached |= more
    return len(reached) == len(pieces)


def test_nets_that_cross_change_sides_and_keep_apart() -> None:
    nets = {"A": [(2.0, 5.0), (18.0, 5.0)], "B": [(10.0, 1.5), (10.0, 8.5)]}
    result = laid(nets, [], [])
    assert result.failed == []
    assert all(joined(result, net, places) for net, places in nets.items())
    assert {track.layer for track in result.tracks} == {FRONT, BACK}
    for one, other in combinations(result.tracks, 2):
        if one.net != other.net and one.layer == other.layer:
            ends = [
                one.distance(x, y) - other.radius for x, y in ((other.x0, other.y0), (other.x1, other.y1))
            ]
            assert min(ends) >= RULES.clearance - 1e-9


def test_a_closed_region_is_gone_round() -> None:
    places = [(2.0, 5.0), (18.0, 5.0)]
    region = Region(8.0, 0.0, 12.0, 7.0, frozenset())
    result = laid({"A": places}, [], [region])
    assert joined(result, "A", places)
    assert max(track.y1 for track in result.tracks) > 7.0
    straight = laid({"A": places}, [], [Region(8.0, 0.0, 12.0, 7.0, frozenset({"A"}))])
    assert {track.y1 for track in straight.tracks} == {5.0}


def test_what_cannot_be_reached_is_told_and_nothing_of_it_is_laid() -> None:
    wall = Copper("", -1, 10.0, 5.0, 0.5, 5.0, 0, box=True)
    result = laid({"A": [(2.0, 5.0), (18.0, 5.0)]}, [wall], [])
    assert result.failed == ["A"]
    assert not [track for track in result.tracks if track.net == "A"]


def test_the_same_board_is_laid_the_same_way_again() -> None:
    nets = {"A": [(2.0, 5.0), (18.0, 5.0)], "B": [(10.0, 1.5), (10.0, 8.5)]}
    assert laid(nets, [], []) == laid(nets, [], [])


@pytest.mark.parametrize(
    ("x", "y", "far"), [(0.0, 0.0, -1.0), (3.0, 0.0, 1.0), (5.0, 5.0, 5.0), (0.0, 1.5, 0.5)]
)
def test_the_distance_to_a_box_is_to_its_nearest_edge(x: float, y: float, far: float) -> None:
    assert Copper("", 0, 0.0, 0.0, 2.0, 1.0, 0, box=True).distance(x, y) == pytest.approx(far)
