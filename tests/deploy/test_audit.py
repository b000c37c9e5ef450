# SPDX-License-Identifier: Apache-2.0
"""The audit never passes in silence what it could not ask for; pip-audit is a program that says what a test wants."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent.parent / "deploy" / "audit.py"
WELL = {"name": "well", "version": "1", "vulns": []}
WEAK = {"name": "weak", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]}
UNKNOWN = {"name": "weak", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("pypi", "osv", "code", "named"),
    [
        ([WELL, WELL | {"name": "weak"}], None, 0, ()),
        ([WELL, WEAK], None, 1, ("weak", "PYSEC-1", "CVE-2")),
        ([WELL, UNKNOWN], [WELL, WEAK], 1, ("weak", "PYSEC-1", "CVE-2")),
        ([WELL, UNKNOWN], None, 77, ("SKIPPED: audit.", "(weak)")),
        ([WELL, UNKNOWN], [WELL], 77, ("SKIPPED: audit.", "(weak)")),
        (None, None, 77, ("SKIPPED: audit.", "(weak, well)")),
        (None, [WELL, WELL | {"name": "weak"}], 0, ()),
    ],
)
def test_what_was_asked_and_what_not(
    tmp_path: Path, pypi: list[object] | None, osv: list[object] | None, code: int, named: tuple[str, ...]
) -> None:
    for service, parts in (("pypi", pypi), ("osv", osv)):
        text = "Traceback" if parts is None else json.dumps({"dependencies": parts, "fixes": []})
        (tmp_path / service).write_text(text)
    program, lock = tmp_path / "pip-audit", tmp_path / "lock.txt"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$2"\nexit 1\n')
    program.chmod(0o755)
    lock.write_text("weak==2 \\\n    --hash=sha256:00\nwell==1 \\\n    --hash=sha256:00\n")
    done = subprocess.run([sys.executable, AUDIT, program, lock], capture_output=True, text=True, check=False)
    assert all(name in done.stdout for name in named), done.stderr
    assert done.returncode == code
