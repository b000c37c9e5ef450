# SPDX-License-Identifier: Apache-2.0
"""The whole box on a card that fails: the two worst rows of the fault table of `make bench-cards`, as a test."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.card_faults import for_a_while, for_good
from tests.support import fault_cards
from tests.support.fault_cards import Cards

pytestmark = pytest.mark.slow


def test_the_box_plays_on_without_a_card_and_ends_where_one_hangs(tmp_path: Path) -> None:
    if lacking := fault_cards.lacking():
        pytest.skip(lacking)
    cards = Cards(tmp_path)
    with ThreadPoolExecutor() as at_once:
        hung = at_once.submit(for_good, cards, "hung", "stall")
        gone = at_once.submit(for_a_while, cards, "gone", "gone", 3.0)
    assert gone.result().lines is not None
    assert 1 <= (gone.result().lines or 0) <= 3
    assert "exit 1 after" in hung.result().heard
    assert (hung.result().lines or 0) <= 3
