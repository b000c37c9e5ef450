# SPDX-License-Identifier: Apache-2.0
"""What holds for every test."""

from itertools import count

import pytest
from hypothesis import settings

# How long an example takes is the machine's matter; speed is measured in benchmarks.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_tests = count()


@pytest.fixture(autouse=True)
def _nobodys_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test finds what a box on this machine has left, nor leaves something for it, or for another test."""
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    # Made only by whoever writes to it.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state" / str(next(_tests))))
