# SPDX-License-Identifier: Apache-2.0
"""A computer for the doctor: files in a folder, programs by their output, and the status of a box."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from appliance.doctor.machine import Machine
from appliance.status import Status

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


def patient(
    root: Path,
    files: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
    *,
    now: float = NOW,
    environ: Mapping[str, str] | None = None,
    status: Status | None = None,
) -> Machine:
    """A machine with `files` by their paths and `programs` by their names, on which a box answers with `status`."""
    for path, text in (files or {}).items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Machine(
        root, environ or {}, now, lambda words: (programs or {}).get(words[0]), status=lambda: status
    )
