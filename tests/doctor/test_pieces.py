# SPDX-License-Identifier: Apache-2.0
"""The check of the pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor.finding import Verdict
from appliance.doctor.machine import Machine
from appliance.doctor.pieces import pieces
from appliance.settings import load


@pytest.mark.parametrize(
    ("reach", "active", "verdicts"),
    [
        ("off", None, []),
        ("lan", "active", [Verdict.OK]),
        ("off", "active", [Verdict.OK]),  # the role switches it on in its unit
        ("lan", None, [Verdict.WRONG]),
    ],
)
def test_the_service_runs_if_it_is_on(
    tmp_path: Path, reach: str, active: str | None, verdicts: list[Verdict]
) -> None:
    settings = load({"pieces.reach": reach}, {}, Path("/dev/null")).settings
    found = list(pieces(Machine(tmp_path, {}, 0.0, lambda _: active), settings))
    assert [finding.verdict for finding in found] == verdicts
    assert all(bool(finding.advice) == (finding.verdict is Verdict.WRONG) for finding in found)
