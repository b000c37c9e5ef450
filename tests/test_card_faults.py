# SPDX-License-Identifier: Apache-2.0
"""The whole box on a card that fails: the two worst rows of the fault table of `make bench-cards`, as a test."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.card_faults import for_a_while
from tests.support import fault_cards
from tests.support.fault_cards import Cards

pytestmark = pytest.mark.slow


def test_the_box_plays_on_without_a_card_and_with_one_that_hangs(tmp_path: Path) -> None:
    if lacking := fault_cards.lacking():
        pytest.skip(lacking)
    cards = Cards(tmp_path)
    with ThreadPoolExecutor() as at_once:
        hung = at_once.submit(for_a_while, cards, "hung", "hang", 20.0)
        gone = at_once.submit(for_a_while, cards, "gone", "gone", 3.0)
    for row in (gone.result(), hung.result()):  # each is heard again, or `for_a_while` raises
        assert 1 <= (row.lines or 0) <= 4
