# SPDX-License-Identifier: CERN-OHL-P-2.0
"""`make hardware-check`: every check of the drawings, one line each; what cannot be checked on this machine is named.

A check says "kept", "BROKEN" or "skipped" with its reason, and only a broken one makes the exit code 1.

    netlist, board, papers, budget    always (tests/hardware)
    ERC, DRC, parity                  where KiCad 9 is; --quick is these alone
    the case's bodies                 where OpenSCAD and trimesh are
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from hardware.tools.circuit import HARDWARE
from hardware.tools.geometry import geometry

KICAD = HARDWARE / "kicad"
BODIES = ("base", "face", "caps", "combs")
MODELS = ("pi3", "pi4", "pi5", "zero2w")
TIME_OUT = 900  # s, for one body on a loaded Pi
WALL = 1.0  # mm: no wall of the case is thinner, two lines of a nozzle of 0.4 and some
NO_KICAD = (
    "there is no kicad-cli 9: install kicad and kicad-footprints (Debian 12: from the suite "
    "bookworm-backports)"
)


def main(quick: bool) -> int:
    """Run all checks and print the table; the quick ones only leave out what the tests and the slow tools do."""
    broken = 0
    for name, result, kept in _kicad() if quick else chain(_tests(), _kicad(), _bodies()):
        broken += kept is False
        state = "skipped" if kept is None else "kept" if kept else "BROKEN"
        print(f"{name:28} {state:8} {result}", flush=True)
    return 1 if broken else 0


def _tests() -> Iterator[tuple[str, str, bool | None]]:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "tests/hardware"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HARDWARE.parent, check=False)
    yield "netlist, papers, budget", done.stdout.strip().splitlines()[-1], done.returncode == 0


def kicad_cli() -> str | None:
    """KiCad's command, if it is there and new enough."""
    command = shutil.which("kicad-cli")
    if command is None:
        return None
    version = subprocess.run([command, "version"], capture_output=True, text=True, check=False).stdout
    return (
        command if version.strip().partition(".")[0].isdigit() and int(version.split(".")[0]) >= 9 else None
    )


def _kicad() -> Iterator[tuple[str, str, bool | None]]:
    command = kicad_cli()
    if command is None:
        for name in ("ERC", "DRC", "parity with the sheet"):
            yield name, NO_KICAD, None
        return
    # In a copy: KiCad writes its own settings beside what it opens.
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(KICAD, folder, dirs_exist_ok=True)
        erc = _report(command, folder, "sch", "erc", "panel.kicad_sch")
        faults = [fault["description"] for sheet in erc["sheets"] for fault in sheet["violations"]]
        yield "ERC", _counted(faults), not faults
        drc = _report(command, folder, "pcb", "drc", "panel.kicad_pcb", "--schematic-parity")
        for name, key in (
            ("DRC", "violations"),
            ("DRC, open", "unconnected_items"),
            ("parity", "schematic_parity"),
        ):
            faults = [fault["description"] for fault in drc[key]]
            yield name, _counted(faults), not faults


def _report(command: str, folder: str, kind: str, check: str, file: str, *more: str) -> dict[str, Any]:
    target = Path(folder, f"{check}.json")
    words = [command, kind, check, "--severity-all", "--format", "json", *more, "-o", str(target), file]
    subprocess.run(words, capture_output=True, cwd=folder, check=True)
    report: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return report


def _counted(faults: list[str]) -> str:
    return f"{len(faults)} found" + (f": {faults[0]}" if faults else "")


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
    sys.exit(main(quick="--quick" in sys.argv))
