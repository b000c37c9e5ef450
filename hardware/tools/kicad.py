# SPDX-License-Identifier: CERN-OHL-P-2.0
"""KiCad's command: what it finds in the files of kicad/, and the record of its last clean check, `checked.json`.

ERC and DRC need KiCad, and most machines have none. So `make hardware` records the checksums of the files in which
KiCad found nothing, and the nets that the sheet joins. A test compares the checksums: a file that was edited since then
is seen everywhere. KiCad writes settings beside what it opens, so it opens a copy only.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hardware.tools.sexpr import HARDWARE, KICAD, child, children, parse, value

COPY = HARDWARE / "build/kicad"
RECORD = HARDWARE / "checked.json"
SOURCES = ("*.kicad_sch", "*.kicad_pcb", "*.kicad_sym", "*.kicad_pro", "*.kicad_dru", "*-lib-table")
OLDEST = 9
MISSING = (
    f"there is no kicad-cli {OLDEST}: install kicad and kicad-footprints (Debian 12: from the suite "
    "bookworm-backports)"
)


def command() -> str | None:
    """KiCad's command, if it is there and new enough."""
    found = shutil.which("kicad-cli")
    if found is None:
        return None
    major = _version(found).partition(".")[0]
    return found if major.isdigit() and int(major) >= OLDEST else None


def _version(cli: str) -> str:
    return subprocess.run([cli, "version"], capture_output=True, text=True, check=True).stdout.strip()


def copied() -> Path:
    """A fresh copy of the sources, for KiCad to open."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for source in sources(KICAD):
        shutil.copy(source, COPY)
    return COPY


def sources(folder: Path) -> list[Path]:
    """What makers edit."""
    return sorted(file for pattern in SOURCES for file in folder.glob(pattern))


def checksums(folder: Path = KICAD) -> dict[str, str]:
    """The SHA-256 of each source by its name; the kind of line ends does not count."""
    return {
        file.name: hashlib.sha256(file.read_text(encoding="utf-8").encode()).hexdigest()
        for file in sources(folder)
    }


def findings(cli: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each check of KiCad's on a copy of the sources, with what it found."""
    erc = _report(cli, folder, "sch", "erc", "panel.kicad_sch")
    yield "ERC", [_told(fault) for sheet in erc["sheets"] for fault in sheet["violations"]]
    drc = _report(cli, folder, "pcb", "drc", "panel.kicad_pcb", "--schematic-parity")
    yield "DRC", [_told(fault) for fault in drc["violations"]]
    yield "DRC, open", [_told(fault) for fault in drc["unconnected_items"]]
    yield "parity with the sheet", [_told(fault) for fault in drc["schematic_parity"]]


def _report(cli: str, folder: Path, kind: str, check: str, file: str, *more: str) -> dict[str, Any]:
    target = folder / f"{check}.json"
    words = [cli, kind, check, "--severity-all", "--format", "json", *more, "-o", target.name, file]
    subprocess.run(words, capture_output=True, cwd=folder, check=True)
    report: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    target.unlink()
    return report


def _told(fault: Mapping[str, Any]) -> str:
    return "; ".join([fault["description"], *(item["description"] for item in fault["items"])])


def nets(cli: str, folder: Path) -> dict[str, set[str]]:
    """The pins on each net that joins something, as KiCad reads the sheet: "R1.2" is pin 2 of R1."""
    target = folder / "panel.net"
    words = [cli, "sch", "export", "netlist", "panel.kicad_sch", "-o", target.name]
    subprocess.run(words, capture_output=True, cwd=folder, check=True)
    exported = parse(target.read_text(encoding="utf-8"))
    target.unlink()
    return {
        value(net, "name").removeprefix("/"): {
            f"{value(node, 'ref')}.{value(node, 'pin')}" for node in children(net, "node")
        }
        for net in children(child(exported, "nets"), "net")
        if not value(net, "name").startswith("unconnected-")
    }


def record(cli: str, folder: Path) -> None:
    """Write checked.json, after a check of the sources in a folder that found nothing."""
    says = {
        "KiCad": _version(cli),
        "files": checksums(folder),
        "nets": {name: " ".join(sorted(pins, key=natural)) for name, pins in nets(cli, folder).items()},
    }
    RECORD.write_text(json.dumps(says, indent=2) + "\n", encoding="utf-8")


def recorded() -> tuple[dict[str, str], dict[str, set[str]]]:
    """The checksums and the nets of the last clean check."""
    says = json.loads(RECORD.read_text(encoding="utf-8"))
    return says["files"], {name: set(pins.split()) for name, pins in says["nets"].items()}


def stale(folder: Path = KICAD) -> list[str]:
    """A sentence for each source that KiCad has not checked as it is now."""
    then, now = recorded()[0], checksums(folder)
    return [
        f"{name} was changed after KiCad last checked it: run make hardware"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts R2 before R10."""
    return [(int(word), "") if word.isdigit() else (0, word) for word in re.findall(r"\d+|\D+", name)]
