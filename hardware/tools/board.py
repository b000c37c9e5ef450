# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Makes the board: netlist and geometry in, a placed, routed and poured KiCad board out.

Every decision is in geometry.toml or in the netlist, and the same input gives the same file, so version control shows
only real changes. It runs under the Python that KiCad belongs to and
imports nothing that is not there:

    /usr/bin/python3 -m hardware.tools.board panel.net panel.kicad_pcb REVISION
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pcbnew

from hardware.tools import netlist, router
from hardware.tools.geometry import geometry
from hardware.tools.router import Copper, Region, Terminal
from hardware.tools.sexpr import Node, child, children, value

LIBRARIES = Path(os.environ.get("KICAD9_FOOTPRINT_DIR", "/usr/share/kicad/footprints"))
LAYERS = (pcbnew.F_Cu, pcbnew.B_Cu)
GROUND = "GND"
WIDE = (
    "+3V3",
)  # 5 V feeds a DAC of 30 mA and must pass between two pins of the header: it is as wide as a signal
GRID = 0.254  # a tenth of the pins' pitch: the grid runs through every pin of the header, and between them
SEED = 65565  # of KiCad's identifiers
# What is hardest to lay goes first: what may only run in the corner of the wipers, and what is widest.
FIRST = ("KNOB_VOLUME", "KNOB_TEMPO", "+3V3", "SPI_CLOCK", "SPI_MOSI", "SPI_MISO", "SPI_SELECT", "+5V")


def mm(length: float) -> int:
    """KiCad's own unit, the nanometre."""
    return int(pcbnew.FromMM(round(length, 4)))


def point(x: float, y: float) -> pcbnew.VECTOR2I:
    """A place in KiCad's own unit."""
    return pcbnew.VECTOR2I(mm(x), mm(y))


class Maker:
    """A board that is being made."""

    def __init__(self, nets: Node, revision: str) -> None:
        self.plan = geometry()
        self.revision = revision
        self.source = nets
        self.board = pcbnew.BOARD()
        self.nets: dict[str, pcbnew.NETINFO_ITEM] = {}
        self.parts: dict[str, pcbnew.FOOTPRINT] = {}
        self.spare: list[tuple[float, float]] = []  # where a ground via would fit

    def make(self) -> list[str]:
        """All but the pours. Answers the nets that found no way."""
        self._outline()
        self._place()
        self._join()
        laid = self._route()
        self._pour()
        self._print()
        return laid.failed

    def _outline(self) -> None:
        """The edge with its rounded corners, and the holes with what is kept free around them."""
        size = self.plan["board"]
        width, depth, corner = size["width"], size["depth"], size["corner"]
        lines = [
            ((corner, 0), (width - corner, 0)),
            ((width, corner), (width, depth - corner)),
            ((width - corner, depth), (corner, depth)),
            ((0, depth - corner), (0, corner)),
        ]
        for begin, end in lines:
            self._edge(pcbnew.SHAPE_T_SEGMENT, begin, end)
        for x, y, a, b in (
            (corner, corner, (0, corner), (corner, 0)),
            (width - corner, corner, (width - corner, 0), (width, corner)),
            (width - corner, depth - corner, (width, depth - corner), (width - corner, depth)),
            (corner, depth - corner, (corner, depth), (0, depth - corner)),
        ):
            away = math.sqrt(0.5) * corner
            middle = (x - away if x <= corner else x + away, y - away if y <= corner else y + away)
            arc = pcbnew.PCB_SHAPE(self.board, pcbnew.SHAPE_T_ARC)
            arc.SetArcGeometry(point(*a), point(*middle), point(*b))
            arc.SetLayer(pcbnew.Edge_Cuts)
            arc.SetWidth(mm(0.1))
            self.board.Add(arc)
        for count, (x, y) in enumerate(size["holes"], 1):
            hole = self._load("MountingHole:MountingHole_2.7mm_M2.5")
            hole.SetReference(f"H{count}")
            hole.SetPosition(point(x, y))
            attributes = pcbnew.FP_EXCLUDE_FROM_BOM | pcbnew.FP_EXCLUDE_FROM_POS_FILES | pcbnew.FP_BOARD_ONLY
            hole.SetAttributes(hole.GetAttributes() | attributes)
            hole.Reference().SetVisible(False)
            hole.Value().SetVisible(False)
            self.board.Add(hole)
            self._keep_free(x, y, size["hole_free"] / 2)

    def _edge(self, kind: int, begin: tuple[float, float], end: tuple[float, float]) -> None:
        line = pcbnew.PCB_SHAPE(self.board, kind)
        line.SetStart(point(*begin))
        line.SetEnd(point(*end))
        line.SetLayer(pcbnew.Edge_Cuts)
        line.SetWidth(mm(0.1))
        self.board.Add(line)

    def _keep_free(self, x: float, y: float, radius: float) -> None:
        area = pcbnew.ZONE(self.board)
        area.SetIsRuleArea(True)
        area.SetDoNotAllowTracks(True)
        area.SetDoNotAllowVias(True)
        area.SetDoNotAllowCopperPour(True)
        area.SetDoNotAllowPads(False)
        area.SetDoNotAllowFootprints(False)
        layers = pcbnew.LSET()
        for layer in LAYERS:
            layers.AddLayer(layer)
        area.SetLayerSet(layers)
        outline = area.Outline()
        outline.NewOutline()
        corners = 48
        for step in range(corners):
            angle = 2 * math.pi * step / corners
            outline.Append(mm(x + radius * math.cos(angle)), mm(y + radius * math.sin(angle)))
        self.board.Add(area)

    def _load(self, name: str) -> pcbnew.FOOTPRINT:
        library, _, footprint = name.partition(":")
        found = pcbnew.FootprintLoad(str(LIBRARIES / f"{library}.pretty"), footprint)
        if found is None:
            raise SystemExit(f"There is no footprint {name} in {LIBRARIES}: install kicad-footprints 9.")
        found.SetFPID(pcbnew.LIB_ID(library, footprint))
        return found

    def _place(self) -> None:
        """Every part of the netlist where the plan has it; a part without a place is an error."""
        above, below = self.plan["place"], self.plan["underside"]
        for part in self._components():
            ref = value(part, "ref")
            footprint = self._load(value(part, "footprint"))
            x, y, turn = above[ref] if ref in above else below[ref]
            footprint.SetReference(ref)
            footprint.SetValue(value(part, "value"))
            footprint.SetPath(pcbnew.KIID_PATH("/" + value(part, "tstamps")))
            self.board.Add(footprint)
            if ref in below or ref == "J1":
                footprint.Flip(footprint.GetPosition(), pcbnew.FLIP_DIRECTION_LEFT_RIGHT)
            footprint.SetOrientationDegrees(turn)
            pads = [pad.GetPosition() for pad in footprint.Pads() if pad.GetNumber()]
            middle_x = (min(p.x for p in pads) + max(p.x for p in pads)) // 2
            middle_y = (min(p.y for p in pads) + max(p.y for p in pads)) // 2
            footprint.Move(point(x, y) - pcbnew.VECTOR2I(middle_x, middle_y))
            self.parts[ref] = footprint

    def _join(self) -> None:
        for net in children(child(self.source, "nets"), "net"):
            name = value(net, "name")
            if name.startswith("LAMP_") and name.endswith("ANODE"):
                name = "/" + name  # a name that is written on a wire is of its sheet, says KiCad
            info = pcbnew.NETINFO_ITEM(self.board, name)
            self.board.Add(info)
            self.nets[name.removeprefix("/")] = info
            for node in children(net, "node"):
                for pad in self.parts[value(node, "ref")].Pads():
                    if pad.GetNumber() == value(node, "pin"):
                        pad.SetNet(info)

    def _route(self) -> router.Routed:
        tracks, size = self.plan["tracks"], self.plan["board"]
        rules = router.Rules(
            *(size["width"], size["depth"], tuple(size["pin_1"]), GRID, tracks["clearance"], tracks["edge"]),
            *(*tracks["via"], tracks["hole_to_hole"]),
        )
        fixed: list[Copper] = []
        holes: list[tuple[float, float, float]] = []
        ends: dict[str, list[Terminal]] = {}
        for footprint in self.board.GetFootprints():
            for pad in footprint.Pads():
                copper, middle = self._copper(pad)
                fixed.append(copper)
                if copper.layer < 0:
                    holes.append((*middle, pcbnew.ToMM(max(pad.GetDrillSize().x, pad.GetDrillSize().y)) / 2))
                if copper.net:
                    ends.setdefault(copper.net, []).append(Terminal(*self._end(pad)))
        shut_in = [
            Terminal(*self._end(pad))
            for pad in self.parts["J1"].Pads()
            if pad.GetNumber() in tracks["shut_in"]
        ]
        for x, y in size["holes"]:
            fixed.append(Copper("", -1, x, y, x, y, size["hole_free"] / 2))
        analogue = frozenset(
            {GROUND, *WIDE, *(name for name in self.nets if name.startswith(("KNOB", "SPI")))}
        )
        (left, top), (right, bottom) = self.plan["analogue"]["from"], self.plan["analogue"]["to"]
        corner = Region(left, top, right, bottom, analogue)
        board = router.Board(rules, fixed, holes, [corner])
        wanted: dict[str, tuple[float, Any]] = {
            name: (tracks["power" if name in WIDE else "signal"], terminals)
            for name, terminals in ends.items()
            if len(terminals) > 1
        }
        attempt = router.route(board, wanted, FIRST, GROUND, shut_in)
        laid = attempt.laid
        for copper in laid.tracks:
            track = pcbnew.PCB_TRACK(self.board)
            track.SetStart(point(copper.x0, copper.y0))
            track.SetEnd(point(copper.x1, copper.y1))
            track.SetWidth(mm(copper.radius * 2))
            track.SetLayer(LAYERS[copper.layer])
            track.SetNet(self.nets[copper.net])
            self.board.Add(track)
        stitched = [(GROUND, x, y) for x, y in attempt.stitches(GROUND, tracks["stitching"])]
        for name, x, y in (*laid.vias, *stitched):
            self._via(self.board, name, x, y)
        self.spare = attempt.stitches(GROUND, GRID)
        return laid

    def _via(self, board: pcbnew.BOARD, net: str, x: float, y: float) -> None:
        diameter, drill = self.plan["tracks"]["via"]
        via = pcbnew.PCB_VIA(board)
        via.SetPosition(point(x, y))
        via.SetWidth(mm(diameter))
        via.SetDrill(mm(drill))
        via.SetNet(board.FindNet(net if board.FindNet(net) else f"/{net}"))
        board.Add(via)

    def mend(self, board: pcbnew.BOARD) -> None:
        """Join each piece of a filled pour that tracks have cut off to the other side, where a via has room."""
        taken = [via.GetPosition() for via in board.GetTracks() if via.Type() == pcbnew.PCB_VIA_T]
        apart = mm(2 * self.plan["tracks"]["via"][0])
        for zone in board.Zones():
            if zone.GetIsRuleArea():
                continue
            fill = zone.GetFilledPolysList(zone.GetLayer())
            pieces = sorted(
                (fill.Outline(at) for at in range(fill.OutlineCount())), key=lambda one: -one.Area()
            )
            for piece in pieces[1:]:
                inside = [(x, y) for x, y in self.spare if piece.PointInside(point(x, y))]
                for x, y in inside:
                    if all((point(x, y) - other).EuclideanNorm() > apart for other in taken):
                        self._via(board, GROUND, x, y)
                        taken.append(point(x, y))
                        break

    def _end(self, pad: pcbnew.PAD) -> tuple[int, float, float]:
        copper, (x, y) = self._copper(pad)
        return copper.layer, x, y

    def _copper(self, pad: pcbnew.PAD) -> tuple[Copper, tuple[float, float]]:
        middle = pad.GetPosition()
        x, y = pcbnew.ToMM(middle.x), pcbnew.ToMM(middle.y)
        net = pad.GetNetname().removeprefix("/")
        through = pad.GetAttribute() in (pcbnew.PAD_ATTRIB_PTH, pcbnew.PAD_ATTRIB_NPTH)
        layer = -1 if through else int(pad.IsOnLayer(pcbnew.B_Cu))
        box = pad.GetBoundingBox()
        half = pcbnew.ToMM(box.GetWidth()) / 2, pcbnew.ToMM(box.GetHeight()) / 2
        if pad.GetShape() == pcbnew.PAD_SHAPE_CIRCLE:
            return Copper(net, layer, x, y, x, y, half[0]), (x, y)
        return Copper(net, layer, x, y, *half, 0, box=True), (x, y)

    def _pour(self) -> None:
        """Ground wherever nothing else is, on both sides; pads hang in it by four spokes, so that they can be
        soldered.
        """
        size, tracks = self.plan["board"], self.plan["tracks"]
        inset = tracks["edge"]
        for layer in LAYERS:
            zone = pcbnew.ZONE(self.board)
            zone.SetLayer(layer)
            zone.SetNet(self.nets[GROUND])
            zone.SetZoneName("ground")
            outline = zone.Outline()
            outline.NewOutline()
            for x in (inset, size["width"] - inset):
                ys = (inset, size["depth"] - inset)
                for y in ys if x == inset else ys[::-1]:
                    outline.Append(mm(x), mm(y))
            zone.SetLocalClearance(mm(0.2))
            zone.SetMinThickness(mm(0.25))
            zone.SetPadConnection(pcbnew.ZONE_CONNECTION_THERMAL)
            zone.SetThermalReliefGap(mm(0.25))
            zone.SetThermalReliefSpokeWidth(mm(0.4))
            zone.SetIslandRemovalMode(pcbnew.ISLAND_REMOVAL_MODE_ALWAYS)
            zone.SetCornerSmoothingType(pcbnew.ZONE_SETTINGS.SMOOTHING_FILLET)
            zone.SetCornerRadius(mm(size["corner"] - inset))
            self.board.Add(zone)

    def _print(self) -> None:
        """References beside their parts, and what a maker or an owner must know, in words on the board."""
        labels = {value(part, "ref"): value(part, "label") for part in self._components()}
        for ref, footprint in self.parts.items():
            footprint.Value().SetVisible(False)
            text = footprint.Reference()
            at = self.plan["reference"].get(ref)
            text.SetVisible(at is not None)
            if at is not None:
                self._set(text, *at)
            if ref in self.plan["label"]:
                self._words(labels[ref], *self.plan["label"][ref])
        for words in self.plan["print"]:
            filled = words["text"].format(revision=self.revision, date=self.plan["date"])
            x, y, turn = words["at"]
            self._words(filled, x, y, turn, words.get("back", False), words.get("size", 1.0))

    def _components(self) -> list[Node]:
        return list(children(child(self.source, "components"), "comp"))

    def _words(
        self, words: str, x: float, y: float, turn: float, back: bool = False, size: float = 1.0
    ) -> None:
        text = pcbnew.PCB_TEXT(self.board)
        text.SetText(words)
        text.SetLayer(pcbnew.B_SilkS if back else pcbnew.F_SilkS)
        text.SetMirrored(back)
        self._set(text, x, y, turn, size)
        self.board.Add(text)

    def _set(self, text: Any, x: float, y: float, turn: float, size: float = 1.0) -> None:
        text.SetPosition(point(x, y))
        text.SetTextSize(pcbnew.VECTOR2I(mm(size), mm(size)))
        text.SetTextThickness(mm(size * 0.15))
        text.SetTextAngleDegrees(turn)
        text.SetKeepUpright(True)


def main(source: str, target: str, revision: str) -> int:
    """Make the board and pour it; exit code 1 and the names if a net found no way."""
    pcbnew.KIID.SeedGenerator(SEED)
    maker = Maker(netlist.read(Path(source)), revision)
    failed = maker.make()
    block = maker.board.GetTitleBlock()
    block.SetTitle("Stellar Wind Box: panel")
    block.SetRevision(revision)
    block.SetDate(maker.plan["date"])
    pcbnew.SaveBoard(target, maker.board)
    # A board that was never on disk makes KiCad's filler crash: it is read back first.
    board = pcbnew.LoadBoard(target)
    board.BuildConnectivity()
    pcbnew.ZONE_FILLER(board).Fill(board.Zones())
    maker.mend(board)
    board.BuildConnectivity()
    pcbnew.ZONE_FILLER(board).Fill(board.Zones())
    pcbnew.SaveBoard(target, board)
    if failed:
        print("No way for: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
