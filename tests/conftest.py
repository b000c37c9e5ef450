# SPDX-License-Identifier: Apache-2.0
"""What holds for every test."""

import gc
import logging
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import settings

# How long an example takes depends on the machine; speed is measured in benchmarks.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_tests = count()


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test meets the state or the socket of a box on this machine, or of another test."""
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):  # servers of tests are on this machine
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # It is made only when something is written to it.
    own = str(tmp_path_factory.getbasetemp() / "state" / str(next(_tests)))
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, own)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """No test meets the log that another one has started, with its level and a standard error that is closed."""
    root, ours = logging.getLogger(), logging.getLogger("appliance")
    handlers, level = list(root.handlers), ours.level
    yield
    for handler in set(root.handlers).difference(handlers):
        root.removeHandler(handler)
    ours.setLevel(level)
