# SPDX-License-Identifier: CERN-OHL-P-2.0
"""`make hardware-check`: every check of the drawings, a line each, and a line for each fault; what cannot be checked
on this machine is named.

A check says "kept", "BROKEN" or "skipped" with its reason, and only a broken one makes the exit code 1.

    ERC, DRC, parity                  where KiCad 9 is; --record writes checked.json if they find nothing
    pins, HAT and case, parts         always; --quick and --record end here
    papers, budget                    tests/hardware
    the case's bodies                 where OpenSCAD and trimesh are
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hardware.tools import board, kicad, layout, papers, pins, sheet
from hardware.tools.sexpr import HARDWARE
from hardware.tools.tables import geometry

BODIES = ("base", "face", "caps", "combs")
MODELS = ("pi3", "pi4", "pi5", "zero2w")
TIME_OUT = 900  # s, for one body on a loaded Pi
WALL = 1.0  # mm: no wall of the case is thinner, two lines of a nozzle of 0.4 and some
KICADS = ("ERC", "DRC", "DRC, open", "parity with the sheet")


def main(quick: bool, record: bool) -> int:
    """Run all checks and print the table; the quick ones leave out the tests and the slow tools."""
    broken = 0
    found = chain(_kicad(record), _ours())
    for name, result, kept in found if quick or record else chain(found, _tests(), _bodies()):
        broken += kept is False
        state = "skipped" if kept is None else "kept" if kept else "BROKEN"
        print(f"{name:28} {state:8} {result}", flush=True)
    return 1 if broken else 0


def faults() -> Iterator[tuple[str, list[str]]]:
    """What needs no KiCad: each check with what it found."""
    of, drawn = pins.table(), sheet.panel()
    yield "the sheet and pins.toml", [*pins.faults(kicad.recorded()[1], drawn, of)]
    yield "HAT, case and print", [*layout.faults(board.panel(), drawn.parts, of, geometry()["case"])]
    yield "parts and steps", [*papers.faults(drawn.parts)]
    yield "KiCad's last check", kicad.stale()


def _ours() -> Iterator[tuple[str, str, bool | None]]:
    for name, found in faults():
        yield name, _counted(found), not found


def _kicad(record: bool) -> Iterator[tuple[str, str, bool | None]]:
    cli = kicad.command()
    if cli is None:
        yield from ((name, kicad.MISSING, None) for name in KICADS)
        return
    folder = kicad.copied()
    broken = False
    for name, found in kicad.findings(cli, folder):
        yield name, _counted(found), not found
        broken = broken or bool(found)
    if record and not broken:
        kicad.record(cli, folder)


def _tests() -> Iterator[tuple[str, str, bool | None]]:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "tests/hardware"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HARDWARE.parent, check=False)
    yield "papers, budget", done.stdout.strip().splitlines()[-1], done.returncode == 0


def _counted(faults: list[str]) -> str:
    return "\n    ".join([f"{len(faults)} found", *faults])


def _bodies() -> Iterator[tuple[str, str, bool | None]]:
    missing = [tool for tool in ("openscad",) if shutil.which(tool) is None]
    missing += [library for library in ("trimesh", "rtree") if importlib.util.find_spec(library) is None]
    if missing:
        yield "the case", f"there is no {' and no '.join(missing)}", None
        return
    with tempfile.TemporaryDirectory() as folder:
        for part in BODIES:
            for model in MODELS if part == "base" else MODELS[1:2]:
                yield _body(part, model, Path(folder, f"{part}-{model}.stl"))


def _body(part: str, model: str, target: Path) -> tuple[str, str, bool]:
    """One body of the case: closed, as large as the plan says, and nowhere thinner than a printer can print."""
    import trimesh

    source = HARDWARE / "enclosure/box.scad"
    words = [
        "openscad",
        "-q",
        "-D",
        f'part="{part}"',
        "-D",
        f'model="{model}"',
        "-o",
        str(target),
        str(source),
    ]
    subprocess.run(words, check=True, timeout=TIME_OUT, capture_output=True)
    mesh = trimesh.load_mesh(target)
    width, depth, height = mesh.extents
    case = geometry()["case"]
    size = f"{width:.1f} x {depth:.1f} x {height:.1f} mm"
    whole = bool(mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0)
    fits = part in ("caps", "combs") or (round(width, 1), round(depth, 1)) == (case["width"], case["depth"])
    thinnest = _thinnest(mesh)
    kept = whole and fits and thinnest >= WALL
    says = f"{size}, {'closed' if whole else 'NOT CLOSED'}, walls from {thinnest:.2f} mm"
    return f"case: {part}{f', {model}' if part == 'base' else ''}", says, kept


def _thinnest(mesh: object) -> float:
    """The thinnest wall between two parallel faces: from the middle of each larger face, straight in."""
    import numpy as np
    import trimesh

    assert isinstance(mesh, trimesh.Trimesh)  # noqa: S101 - for the type checker
    large = np.flatnonzero(mesh.area_faces > 2.0)
    middles, normals = mesh.triangles_center[large], mesh.face_normals[large]
    places, rays, hit = mesh.ray.intersects_location(middles - normals * 1e-3, -normals, multiple_hits=False)
    flat = np.abs(np.einsum("ij,ij->i", mesh.face_normals[hit], normals[rays])) > 0.99
    return float(np.linalg.norm(places - middles[rays], axis=1)[flat].min())


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv, "--record" in sys.argv))
