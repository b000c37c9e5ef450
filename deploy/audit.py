# SPDX-License-Identifier: Apache-2.0
"""Are weaknesses known of what the locks name? Asks PyPI's advisories and, of what these do not know, OSV's.

python deploy/audit.py build/tools/bin/pip-audit deploy/locks/arm64.txt deploy/locks/amd64.txt

Exit codes: 0 every part was looked up and none is known to be weak, 1 one is, 77 (as automake counts what was skipped)
no weakness is known, but some or all parts could not be looked up, for instance because no database can be reached.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SERVICES = ("pypi", "osv")
NAMED = 5  # parts that are named one by one
WEAK, SKIPPED = 1, 77


def look(program: str, lock: str, service: str) -> dict[str, list[str] | None]:
    """What a database knows of each part of a lock: its weaknesses, or None where it was not looked up."""
    options = ("--format", "json", "--require-hashes", "--disable-pip")
    command = [program, "--vulnerability-service", service, *options, "--requirement", lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - from the Makefile
    try:
        parts = json.loads(done.stdout)["dependencies"]
    except ValueError:  # no database answered: pip-audit printed a traceback
        return {}
    return {part["name"]: [one["id"] for one in part["vulns"]] if "vulns" in part else None for part in parts}


def main(program: str, locks: Sequence[str]) -> int:
    """Look everything up, and say what was found; returns the exit code."""
    weak: dict[str, list[str]] = {}
    unasked: set[str] = set()
    for lock in locks:
        lines = Path(lock).read_text(encoding="utf-8").splitlines()
        names = {line.partition("==")[0] for line in lines if "==" in line}
        for service in SERVICES:
            found = look(program, lock, service)
            weak |= {part: ids for part, ids in found.items() if ids}
            names -= {part for part, ids in found.items() if ids is not None}
            if not names:
                break
        unasked |= names
    said = [f"{part} is known to be weak: {', '.join(ids)}." for part, ids in sorted(weak.items())]
    if unasked:
        named = ", ".join(sorted(unasked)[:NAMED]) + (" and others" if len(unasked) > NAMED else "")
        said.append(
            f"SKIPPED: audit. {len(unasked)} parts could not be looked up ({named}): no database of weaknesses that can"
            " be reached from here knows them. Run it where the internet can be reached."
        )
    sys.stdout.write("\n".join(said or ["No weakness is known of any part."]) + "\n")
    return WEAK if weak else SKIPPED if unasked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
