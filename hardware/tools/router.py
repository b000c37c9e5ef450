# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Finds a track for every net of a two-layer board: A* on a fine grid, most pressing net first.

Copper of two nets never comes closer than the clearance, and a net never enters a region that is closed to it. A net
that cannot be routed within these limits is reported. Pure, and the same on every run: no random numbers, no clock.

    order of nets ──▶ route one ──▶ fits ──▶ the next
          ▲              │ does not
          └── it goes first, and everything is torn up (at most ROUNDS times)
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

FRONT, BACK = 0, 1
ROUNDS = 12
STRAIGHT, SLANTED = 1.0, math.sqrt(2)
# Times the way, across a layer's own direction: tracks run to and fro on the front, sideways on the back.
AGAINST = 1.6
VIA = 5.0  # cells of way that a change of layers is worth
BEND = 0.5


class Cell(NamedTuple):
    """A place on the grid."""

    layer: int
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Copper:
    """A piece of copper, or a hole: a line of some width, or a box about a middle. Layer -1 is both."""

    net: str
    layer: int
    x0: float
    y0: float
    x1: float
    y1: float
    radius: float
    box: bool = False  # x0, y0 is its middle then, x1, y1 its half width and height

    def distance(self, x: float, y: float) -> float:
        """From a point to its edge, negative inside."""
        if self.box:
            dx, dy = abs(x - self.x0) - self.x1, abs(y - self.y0) - self.y1
            return math.hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0)
        ax, ay = self.x1 - self.x0, self.y1 - self.y0
        along = ax * ax + ay * ay
        at = 0 if along == 0 else min(1, max(0, ((x - self.x0) * ax + (y - self.y0) * ay) / along))
        return math.hypot(x - self.x0 - at * ax, y - self.y0 - at * ay) - self.radius

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        if self.box:
            return self.x0 - self.x1, self.y0 - self.y1, self.x0 + self.x1, self.y0 + self.y1
        r = self.radius
        (left, right), (top, bottom) = sorted((self.x0, self.x1)), sorted((self.y0, self.y1))
        return left - r, top - r, right + r, bottom + r


@dataclass(frozen=True, slots=True)
class Region:
    """A box that only some nets may enter."""

    left: float
    top: float
    right: float
    bottom: float
    open_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a net must arrive: the middle of a pad, on one layer or (-1) on both."""

    layer: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Rules:
    """What the board demands, in millimetres."""

    width: float
    depth: float
    origin: tuple[float, float]  # a point that the grid goes through
    pitch: float
    clearance: float
    edge: float  # free along the edge of the board
    via: float  # diameter
    drill: float  # of a via
    hole_to_hole: float  # from the edge of one hole to the edge of another

    @property
    def columns(self) -> int:
        """How many columns of cells the board has."""
        return int((self.width - self._first(0)) / self.pitch) + 1

    @property
    def rows(self) -> int:
        """How many rows of cells the board has."""
        return int((self.depth - self._first(1)) / self.pitch) + 1

    def _first(self, axis: int) -> float:
        return self.origin[axis] % self.pitch

    def point(self, cell: Cell) -> tuple[float, float]:
        """Where a cell is."""
        return self._first(0) + cell.column * self.pitch, self._first(1) + cell.row * self.pitch

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """The cell of a point."""
        return round((x - self._first(0)) / self.pitch), round((y - self._first(1)) / self.pitch)

    def around(self, bounds: tuple[float, float, float, float], reach: float) -> Iterator[tuple[int, int]]:
        """The cells of a box that is grown by `reach`."""
        left, top = self.nearest(bounds[0] - reach, bounds[1] - reach)
        right, bottom = self.nearest(bounds[2] + reach, bounds[3] + reach)
        for column in range(max(0, left), min(self.columns, right + 1)):
            for row in range(max(0, top), min(self.rows, bottom + 1)):
                yield column, row


@dataclass(slots=True)
class Routed:
    """What was laid: tracks as copper, vias as points, and the nets that found no way."""

    tracks: list[Copper] = field(default_factory=list)
    vias: list[tuple[str, float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Board:
    """What is on the board before the tracks are."""

    rules: Rules
    fixed: Sequence[Copper]
    holes: Sequence[tuple[float, float, float]]  # middle and radius
    regions: Sequence[Region]


class Claims:
    """The owner of each cell, for the middle of copper of one width: UNOWNED, a net, or CLOSED to all nets.

    A cell belongs to a net when copper of that net is so near that no other net's copper may have its middle there.
    """

    def __init__(self, board: Board, width: float, names: dict[str, int]) -> None:
        rules = board.rules
        self.rules, self.names = rules, names
        self.reach = width / 2 + rules.clearance
        self.rows = rules.rows
        self.layers = [array("h", [UNOWNED]) * (rules.columns * rules.rows) for _ in (FRONT, BACK)]
        margin = rules.edge + width / 2
        for column in range(rules.columns):
            for row in range(rules.rows):
                x, y = rules.point(Cell(FRONT, column, row))
                if not (margin <= x <= rules.width - margin and margin <= y <= rules.depth - margin):
                    self._close(column * self.rows + row)
        for copper in board.fixed:
            self.claim(copper)

    def claim(self, copper: Copper) -> None:
        """Close the cells that are too near to this copper for any other net."""
        net = self.names.get(copper.net, CLOSED)
        layers = self.layers if copper.layer < 0 else [self.layers[copper.layer]]
        for column, row in self.rules.around(copper.bounds(), self.reach):
            x, y = self.rules.point(Cell(FRONT, column, row))
            if copper.distance(x, y) < self.reach:
                at = column * self.rows + row
                for layer in layers:
                    layer[at] = net if layer[at] in (UNOWNED, net) else CLOSED

    def copy(self) -> Claims:
        """The same, to be written on."""
        other = object.__new__(Claims)
        other.rules, other.names, other.reach, other.rows = self.rules, self.names, self.reach, self.rows
        other.layers = [layer[:] for layer in self.layers]
        return other

    def _close(self, at: int) -> None:
        for layer in self.layers:
            layer[at] = CLOSED


UNOWNED, CLOSED = -1, -2


class Attempt:
    """One round: the claims of what is laid so far, and the laying of one net after the other."""

    def __init__(self, board: Board, claims: dict[float, Claims], names: dict[str, int]) -> None:
        self.board, self.rules, self.names = board, board.rules, names
        self.claims = {width: claim.copy() for width, claim in claims.items()}
        self.laid = Routed()
        self.holes = list(board.holes)

    def lay(self, net: str, width: float, terminals: Sequence[Terminal], partly: bool = False) -> bool:
        """Join all terminals of a net, each to the nearest of what is joined already.

        If one cannot be reached nothing is laid; of a net that is poured too, `partly`, what can be is.
        """
        rules = self.rules
        free, vias = self._open(net, self.claims[width]), self._open(net, self.claims[rules.via])
        self._shut_holes(vias)
        tracks: list[Copper] = []
        changes: list[tuple[str, float, float]] = []
        joined = set(_cells(rules, terminals[0]))
        rest = sorted(terminals[1:], key=lambda t: math.hypot(t.x - terminals[0].x, t.y - terminals[0].y))
        ends = {cell: (t.x, t.y) for t in terminals for cell in _cells(rules, t)}
        for terminal in rest:
            goals = set(_cells(rules, terminal))
            path = [] if goals & joined else _search(rules, free, vias, joined, goals)
            if path is None:
                if partly:
                    continue
                return False
            tracks += _tracks(rules, net, width, path, ends)
            changes += [(net, *rules.point(b)) for a, b in pairwise(path) if a.layer != b.layer]
            joined |= {*path, *goals}
        self.laid.tracks += tracks
        self.laid.vias += changes
        self.holes += [(x, y, rules.drill / 2) for _, x, y in changes]
        for copper in (*tracks, *(Copper(net, -1, x, y, x, y, rules.via / 2) for _, x, y in changes)):
            for claim in self.claims.values():
                claim.claim(copper)
        return True

    def _open(self, net: str, claims: Claims) -> list[bytearray]:
        """For each layer, which cells the middle of this net's copper may be on."""
        mine = self.names[net]
        layers = [bytearray(owner in (UNOWNED, mine) for owner in layer) for layer in claims.layers]
        for region in self.board.regions:
            if net not in region.open_to:
                box = (region.left, region.top, region.right, region.bottom)
                for column, row in self.rules.around(box, claims.reach - self.rules.clearance):
                    for layer in layers:
                        layer[column * self.rules.rows + row] = 0
        return layers

    def _shut_holes(self, vias: list[bytearray]) -> None:
        for x, y, radius in self.holes:
            far = radius + self.rules.hole_to_hole + self.rules.drill / 2
            for column, row in self.rules.around((x, y, x, y), far):
                px, py = self.rules.point(Cell(FRONT, column, row))
                if math.hypot(px - x, py - y) < far:
                    vias[FRONT][column * self.rules.rows + row] = 0

    def stitches(self, net: str, spacing: float) -> list[tuple[float, float]]:
        """Places for vias that join a pour on both layers: on a lattice, wherever both layers are free."""
        rules = self.rules
        free = self._open(net, self.claims[rules.via])
        self._shut_holes(free)
        step = round(spacing / rules.pitch)
        return [
            rules.point(Cell(FRONT, column, row))
            for column in range(step // 2, rules.columns, step)
            for row in range(step // 2, rules.rows, step)
            if free[FRONT][column * rules.rows + row] and free[BACK][column * rules.rows + row]
        ]


def route(
    board: Board,
    nets: dict[str, tuple[float, Sequence[Terminal]]],
    first: Sequence[str],
    poured: str,
    early: Sequence[Terminal],
) -> Attempt:
    """Lay every net, given as its width and its terminals; those in `first` go before the others.

    The net `poured` comes last, as far as it will go: the pour and the vias between its sides do the rest. Those of
    its terminals that the others would shut in, `early`, are joined before all.
    """
    names = {net: number for number, net in enumerate(nets)}
    widths = {width for width, _ in nets.values()} | {board.rules.via}
    claims = {width: Claims(board, width, names) for width in sorted(widths)}
    order = sorted(
        (net for net in nets if net != poured),
        key=lambda net: (first.index(net) if net in first else len(first), _span(nets[net][1])),
    )
    best: Attempt | None = None
    for _ in range(ROUNDS):
        attempt = Attempt(board, claims, names)
        if early:
            attempt.lay(poured, nets[poured][0], early, partly=True)
        for net in order:
            if not attempt.lay(net, *nets[net]):
                attempt.laid.failed.append(net)
        if best is None or len(attempt.laid.failed) < len(best.laid.failed):
            best = attempt
        failed = attempt.laid.failed
        if not failed:
            break
        order = [*failed, *(net for net in order if net not in failed)]
    assert best is not None  # noqa: S101 - ROUNDS is more than none
    best.lay(poured, *nets[poured], partly=True)
    return best


def _span(terminals: Sequence[Terminal]) -> float:
    xs, ys = [t.x for t in terminals], [t.y for t in terminals]
    return max(xs) - min(xs) + max(ys) - min(ys)


def _cells(rules: Rules, terminal: Terminal) -> list[Cell]:
    layers = (FRONT, BACK) if terminal.layer < 0 else (terminal.layer,)
    return [Cell(layer, *rules.nearest(terminal.x, terminal.y)) for layer in layers]


def _search(
    rules: Rules, free: list[bytearray], vias: list[bytearray], starts: set[Cell], goals: set[Cell]
) -> list[Cell] | None:
    """The cheapest way from any start to any goal, or None. Cells are plain numbers here, because this is where
    the time goes.
    """
    rows, size = rules.rows, rules.columns * rules.rows
    open_to = bytes(free[FRONT]) + bytes(free[BACK])
    change = bytes(a & b for a, b in zip(vias[FRONT], vias[BACK], strict=True))

    def place(cell: Cell) -> int:
        return cell.layer * size + cell.column * rows + cell.row

    ends = {place(goal) for goal in goals}
    goal_column, goal_row = next(iter(goals))[1:]
    steps = [
        [
            (dx * rows + dy, (SLANTED if dx and dy else STRAIGHT) * (AGAINST if along else 1), direction)
            for direction, (dx, dy, along) in enumerate(
                (dx, dy, (bool(dx) and not dy) if layer == FRONT else (bool(dy) and not dx))
                for dx in (-1, 0, 1)
                for dy in (-1, 0, 1)
                if dx or dy
            )
        ]
        for layer in (FRONT, BACK)
    ]

    def guess(at: int) -> float:
        dx, dy = abs(at % size // rows - goal_column), abs(at % rows - goal_row)
        return dx + dy - (2 - SLANTED) * min(dx, dy)

    cost = [math.inf] * (2 * size)
    before = [-1] * (2 * size)
    queue: list[tuple[float, float, int, int]] = []
    for cell in sorted(starts):
        cost[place(cell)] = 0.0
        heapq.heappush(queue, (guess(place(cell)), 0.0, place(cell), -1))
    while queue:
        _, so_far, here, came = heapq.heappop(queue)
        if so_far > cost[here]:
            continue
        if here in ends:
            path = [here]
            while before[path[-1]] >= 0:
                path.append(before[path[-1]])
            return [Cell(at // size, at % size // rows, at % rows) for at in reversed(path)]
        layer = here // size
        # The edge of the board is closed, so no step leads round its end into the next column.
        for step, way, direction in steps[layer]:
            there = here + step
            if open_to[there] or there in ends:
                total = so_far + way + (BEND if came not in (-1, direction) else 0)
                if total < cost[there]:
                    cost[there] = total
                    before[there] = here
                    heapq.heappush(queue, (total + guess(there), total, there, direction))
        if change[here - layer * size]:
            there = here + size if layer == FRONT else here - size
            if so_far + VIA < cost[there]:
                cost[there] = so_far + VIA
                before[there] = here
                heapq.heappush(queue, (so_far + VIA + guess(there), so_far + VIA, there, -1))
    return None


def _tracks(
    rules: Rules, net: str, width: float, path: list[Cell], ends: dict[Cell, tuple[float, float]]
) -> Iterator[Copper]:
    """A path as straight pieces; where it ends on a pad, a last piece goes to the pad's middle."""
    if not path:
        return
    run: list[tuple[float, float]] = []
    for at, cell in enumerate(path):
        if at and cell.layer != path[at - 1].layer:
            yield from _pieces(net, path[at - 1].layer, width, run)
            run = []
        point = rules.point(cell)
        run += [ends[cell], point] if cell in ends and at == 0 else [point]
    if path[-1] in ends:
        run.append(ends[path[-1]])
    yield from _pieces(net, path[-1].layer, width, run)


def _pieces(net: str, layer: int, width: float, run: list[tuple[float, float]]) -> Iterator[Copper]:
    begin = run[0]
    for here, then in zip(run[1:], [*run[2:], None], strict=False):
        if then is not None:
            cross = (here[0] - begin[0]) * (then[1] - here[1]) - (here[1] - begin[1]) * (then[0] - here[0])
            if abs(cross) < 1e-9:
                continue
        if here != begin:
            yield Copper(net, layer, *begin, *here, width / 2)
        begin = here
