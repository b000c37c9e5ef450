# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.support import fault_cards
from tests.support.fault_cards import Cards


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Cards:
    if lacking := fault_cards.lacking():
        pytest.skip(lacking)
    return Cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def cards(_built: Cards, monkeypatch: pytest.MonkeyPatch) -> Cards:
    """Cards whose faults a test switches on and off, in the place of the machine's own."""
    for name, value in _built.environ.items():
        monkeypatch.setenv(name, value)
    return _built
