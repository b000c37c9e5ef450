# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from appliance.music.ranking import ENOUGH, Ranking
from appliance.values import Amount, Kind


def amount(stroops: int, native: bool = True) -> Amount:
    return Amount(stroops, Kind.PAYMENT, native, 1)


def test_an_empty_window_puts_everything_in_the_middle() -> None:
    assert Ranking().place(amount(5)) == (0.5, 0.5)


def test_a_place_is_the_share_below_and_the_share_not_above() -> None:
    ranking = Ranking(amount(stroops) for stroops in (10, 20, 20, 30))
    assert ranking.place(amount(20)) == (0.25, 0.75)
    assert ranking.place(amount(5)) == (0.0, 0.0)
    assert ranking.place(amount(25)) == (0.75, 0.75)
    assert ranking.place(amount(10**40)) == (1.0, 1.0)


def test_one_whale_moves_no_other_amount() -> None:
    ranking = Ranking()
    for stroops in range(1, 101):
        ranking.add([amount(stroops)])
    before = ranking.place(amount(50))
    ranking.add([amount(2**63 - 1)])
    low, high = ranking.place(amount(50))
    assert abs(low - before[0]) < 0.01
    assert abs(high - before[1]) < 0.01


def test_lumens_and_assets_are_ranked_apart() -> None:
    ranking = Ranking([amount(10), amount(20), amount(1, native=False)])
    assert ranking.place(amount(15)) == (0.5, 0.5)
    assert ranking.place(amount(15, native=False)) == (1.0, 1.0)


def test_what_is_of_another_time_goes_as_soon_as_there_is_enough() -> None:
    ranking = Ranking(amount(10**6 + stroops) for stroops in range(1000))
    assert ranking.place(amount(5)) == (0.0, 0.0)
    for count in range(1, ENOUGH + 1):
        ranking.add([amount(5)])
        if count == ENOUGH // 2:
            assert 0.0 < ranking.place(amount(5))[1] <= 0.5
    assert ranking.place(amount(5)) == (0.0, 1.0)
    assert ranking.place(amount(10**6)) == (1.0, 1.0)


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 50), st.integers(1, 12))
def test_only_the_newest_of_the_window_count(arrived: list[int], probe: int, window: int) -> None:
    ranking = Ranking((amount(stroops) for stroops in arrived), window)
    newest = arrived[-window:]
    low, high = ranking.place(amount(probe))
    if newest:
        assert low == sum(stroops < probe for stroops in newest) / len(newest)
        assert high == sum(stroops <= probe for stroops in newest) / len(newest)


@given(
    st.lists(st.integers(1, 50), max_size=200),
    st.lists(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=150), max_size=4),
    st.integers(40, 120),
)
def test_in_one_go_is_as_one_by_one(
    warm: list[int], ledgers: list[list[tuple[int, bool]]], window: int
) -> None:
    at_once, singly = (Ranking((amount(stroops) for stroops in warm), window) for _ in range(2))
    for ledger in ledgers:
        amounts = [amount(*one) for one in ledger]
        at_once.add(amounts)
        for one in amounts:
            singly.add([one])
        for probe in (amount(stroops, native) for stroops in range(0, 51, 5) for native in (True, False)):
            assert at_once.place(probe) == singly.place(probe)
