# SPDX-License-Identifier: Apache-2.0
"""The licences of what a box is made of, as a table, from the bill of materials that `make sbom` makes (CycloneDX).

python deploy/licences.py build/sbom/amd64.cdx.json > deploy/locks/licences.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OPENING = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Licences

What the locks beside this file install, and under which licence; `make sbom` writes it. The box itself is Apache-2.0.
pyo is used unchanged, as a library. On ARM it is Debian's python3-pyo, whose source `apt-get source python3-pyo`
fetches; on x86-64 it is PyPI's, whose source is the sdist of the same version.

| package | version | licence |
|---|---|---|
"""
NOT_OURS = ("pip",)  # it comes with every virtual environment
UNSAID = {"lgpio": "Unlicense"}  # what a package's source says and its metadata does not


def licence(component: dict[str, Any]) -> str:
    """The licence that a component declares; an SPDX expression or identifier before words."""
    found = component.get("licenses", [])
    for entry in found:
        if said := entry.get("expression") or entry.get("license", {}).get("id"):
            return str(said)
    words = [entry["license"]["name"].rpartition(" :: ")[2] for entry in found]
    return words[0] if words else UNSAID.get(component["name"], "not stated")


def main(path: str) -> None:
    """Print the table of the bill at `path`."""
    components = json.loads(Path(path).read_text(encoding="utf-8"))["components"]
    rows = sorted((c["name"].lower().replace("_", "-"), c["version"], licence(c)) for c in components)
    lines = [f"| {' | '.join(row)} |" for row in rows if row[0] not in NOT_OURS]
    sys.stdout.write(OPENING + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
