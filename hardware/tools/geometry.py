# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Reads geometry.toml for the tools that draw. Pure; KiCad's own Python runs it too, so it imports nothing of ours."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def geometry() -> dict[str, Any]:
    """Places and sizes, in millimetres."""
    return tomllib.loads((Path(__file__).parent.parent / "geometry.toml").read_text(encoding="utf-8"))
