# SPDX-License-Identifier: CERN-OHL-P-2.0
"""Reads geometry.toml and parts.toml: what the KiCad files cannot say. Pure."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from hardware.tools.sexpr import HARDWARE


def geometry() -> dict[str, Any]:
    """The case and the Pis in it, in millimetres."""
    return tomllib.loads((HARDWARE / "geometry.toml").read_text(encoding="utf-8"))


@cache
def kinds() -> dict[str, dict[str, Any]]:
    """What to order, by the maker's number."""
    return tomllib.loads((HARDWARE / "parts.toml").read_text(encoding="utf-8"))
