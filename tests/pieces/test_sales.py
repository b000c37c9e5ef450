# SPDX-License-Identifier: Apache-2.0
"""The rules of money: what each payment pays for. Horizon's records as Horizon writes them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Keypair
from stellar_sdk.sep.stellar_uri import PayStellarUri

from appliance.pieces import keys
from appliance.pieces.feed import Feed, stroops_of
from appliance.pieces.keys import Untrusted
from appliance.pieces.sales import (
    GRACE,
    MAX_BACK,
    PARTS,
    Back,
    Payment,
    Till,
    back_link,
    pay_link,
    payment_of,
    token_of,
)
from tests.support.artists import AT, Artist, draft

PUBLIC = "Public Global Stellar Network ; September 2015"
TESTNET = "Test SDF Network ; September 2015"
BUYER, ISSUER = (Keypair.random().public_key for _ in range(2))
MEMO = keys.order_public(keys.new_order(7)).hex()
OTHER = keys.order_public(keys.new_order(7)).hex()
STRANGER = keys.order_public(keys.new_order(8)).hex()


@pytest.fixture(scope="module")
def ada() -> Artist:
    artist = Artist()
    piece, _ = artist.publishes(draft(), b"k" * 32)
    artist.sells(piece, "5", at=AT)
    return artist


def paid(token: int, amount: str, memo: str = MEMO, **more: Any) -> Payment:
    fields: dict[str, Any] = {
        "token": token,
        "transaction": f"{token:064x}",
        "sender": BUYER,
        "incoming": True,
        "memo": memo,
    }
    fields |= {"returns": False, "stroops": stroops_of(amount), "asset": "native", "at": AT + 60}
    return Payment(**fields | more)


def after(feed: Feed, *payments: Payment) -> Till:
    till = Till(0)
    for payment in payments:
        till = till.taken(payment, feed)
    return till


def due(till: Till, feed: Feed) -> list[str]:
    return [memo for memo, _ in till.due(feed)]


def whys(till: Till) -> list[tuple[int, str]]:
    return [(each.stroops, each.why) for each in till.back]


def test_the_price_pays(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5"))
    ((memo, price),) = till.due(ada.feed)
    assert (memo, price.sale) == (MEMO, 7)
    assert till.back == ()
    assert till.earned(ada.feed) == {price.piece: 50_000_000}


def test_two_parts_pay(ada: Artist) -> None:
    half = after(ada.feed, paid(1, "4.5"))
    assert due(half, ada.feed) == []
    assert half.paid[MEMO].stroops == 45_000_000
    assert due(half.taken(paid(2, "0.5"), ada.feed), ada.feed) == [MEMO]
    assert half.earned(ada.feed) == {}


def test_a_first_part_that_only_fills_the_till_is_given_back(ada: Artist) -> None:
    least = 50_000_000 // PARTS
    till = after(ada.feed, paid(1, "1", stroops=least - 1))
    assert (till.paid, [stroops for stroops, _ in whys(till)]) == ({}, [least - 1])
    till = after(ada.feed, paid(1, "1", stroops=least), paid(2, "1", stroops=1))
    assert (till.paid[MEMO].stroops, till.back) == (least + 1, ())


def test_what_is_paid_twice_is_given_back(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5"), paid(2, "5"))
    assert due(till, ada.feed) == [MEMO]
    assert whys(till) == [(50_000_000, "paid twice")]
    assert (till.back[0].sender, till.back[0].transaction) == (BUYER, f"{2:064x}")


def test_two_buyers_pay_each_for_himself(ada: Artist) -> None:
    assert due(after(ada.feed, paid(1, "5"), paid(2, "5", OTHER)), ada.feed) == [MEMO, OTHER]


def test_too_much_pays_and_the_rest_is_given_back(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "7"))
    assert due(till, ada.feed) == [MEMO]
    assert whys(till) == [(20_000_000, "more than the price")]


def test_another_asset_pays_nothing(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5", asset=f"EUR:{ISSUER}"))
    assert due(till, ada.feed) == []
    assert whys(till) == [(50_000_000, "in another asset")]


def test_a_payment_for_nothing_is_given_back(ada: Artist) -> None:
    assert whys(after(ada.feed, paid(1, "5", STRANGER))) == [(50_000_000, "for no piece of this feed")]


def test_a_memo_that_is_no_key_is_given_back() -> None:
    """Nothing can be sealed to it, so nothing could be delivered."""
    artist = Artist()
    artist.sells("0" * 64, sale=0)
    till = after(artist.feed, paid(1, "5", bytes(32).hex()))
    assert due(till, artist.feed) == []
    assert whys(till) == [(50_000_000, "with a memo that is no key")]


def test_records_that_are_no_payments_are_counted_past(ada: Artist) -> None:
    till = Till(5).past(9)
    assert till.past(3) == till == Till(9)
    assert till.taken(paid(9, "5"), ada.feed) is till


def test_what_horizon_repeats_is_counted_once(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "3"), paid(1, "3"), paid(2, "2"), paid(1, "3"), paid(2, "2"))
    assert due(till, ada.feed) == [MEMO]
    assert till.back == ()


def test_what_was_delivered_is_not_due(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5"))
    feed = ada.feed.written(ada.secret, {"at": AT, "order": MEMO, "piece": "0" * 64, "sealed": "eA=="})
    assert due(till, feed) == []
    assert till.earned(feed)


def test_an_old_price_is_good_for_a_day() -> None:
    artist = Artist()
    piece, _ = artist.publishes(draft(), b"k" * 32)
    artist.sells(piece, "5", at=AT)
    artist.sells(piece, "8", at=AT + 100)
    assert due(after(artist.feed, paid(1, "5", at=AT + 100 + GRACE)), artist.feed) == [MEMO]
    assert due(after(artist.feed, paid(1, "5", at=AT + 101 + GRACE)), artist.feed) == []
    artist.sells(piece, "2", at=AT + 200)
    assert due(after(artist.feed, paid(1, "2", at=AT + 300)), artist.feed) == [MEMO]
    assert due(after(artist.feed, paid(1, "2", at=AT - 99)), artist.feed) == [MEMO]  # its clock is wrong


def test_a_piece_that_was_withdrawn_can_be_paid_for_a_day() -> None:
    artist = Artist()
    piece, _ = artist.publishes(draft(), b"k" * 32)
    artist.sells(piece, "5")
    artist.says(gone=piece, at=AT + 100)
    assert due(after(artist.feed, paid(1, "5", at=AT + 100 + GRACE)), artist.feed) == [MEMO]
    late = after(artist.feed, paid(1, "5", at=AT + 101 + GRACE))
    assert due(late, artist.feed) == []
    assert whys(late) == [(50_000_000, "after the piece was withdrawn")]


def test_what_was_given_back_is_no_longer_listed(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5"), paid(2, "5"))
    returned = paid(3, "5", f"{2:064x}", incoming=False, returns=True)
    assert till.taken(returned, ada.feed).back == ()
    assert till.taken(paid(3, "5", incoming=False), ada.feed).back == till.back
    assert till.taken(paid(3, "5", returns=True), ada.feed).back == till.back


def test_the_list_of_what_to_give_back_is_bounded(ada: Artist) -> None:
    till = after(ada.feed, *(paid(number, "1", STRANGER) for number in range(1, MAX_BACK + 5)))
    assert len(till.back) == MAX_BACK
    assert till.back[-1].transaction == f"{MAX_BACK + 4:064x}"


def test_a_till_survives_a_restart(ada: Artist) -> None:
    till = after(ada.feed, paid(1, "5"), paid(2, "1"), paid(3, "2", OTHER))
    assert Till.from_json(json.loads(json.dumps(till.as_json()))) == till


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 90_000_000), st.sampled_from([MEMO, OTHER, STRANGER]))
    )
)
def test_every_stroop_is_earned_missing_or_given_back(payments: list[tuple[int, int, str]]) -> None:
    artist = ARTIST
    till, total = Till(0), 0
    for token, stroops, memo in payments:
        total += stroops if token > till.cursor else 0
        till = till.taken(paid(token, "1", memo, stroops=stroops), artist.feed)
    counted = sum(each.stroops for each in till.paid.values()) + sum(each.stroops for each in till.back)
    assert counted == total
    assert all(each.complete == (each.stroops == 50_000_000) for each in till.paid.values())


ARTIST = Artist()
ARTIST.sells("0" * 64, "5")


# --- Horizon's records --------------------------------------------------------------------------------------


def record(account: str, **more: Any) -> dict[str, Any]:
    fields = {
        "id": "9",
        "paging_token": "9",
        "type": "payment",
        "transaction_successful": True,
        "amount": "5.0000000",
    }
    fields |= {"from": BUYER, "to": account, "asset_type": "native", "created_at": "2026-09-21T14:13:20Z"}
    fields |= {"transaction_hash": "ab" * 32, "transaction": memo(bytes.fromhex(MEMO))}
    return fields | more


def memo(content: bytes, kind: str = "hash") -> dict[str, str]:
    return {"memo_type": kind, "memo": b64encode(content).decode()}


def test_a_payment_is_read(ada: Artist) -> None:
    found = payment_of(record(ada.account), ada.account)
    assert found == Payment(9, "ab" * 32, BUYER, True, MEMO, False, 50_000_000, "native", AT)
    issued = {"asset_type": "credit_alphanum4", "asset_code": "EUR", "asset_issuer": ISSUER}
    found = payment_of(record(ada.account, type="path_payment_strict_send", **issued), ada.account)
    assert found
    assert found.asset == f"EUR:{ISSUER}"
    sent = record(BUYER, **{"from": ada.account, "to": BUYER, "transaction": memo(bytes(32), "return")})
    found = payment_of(sent, ada.account)
    assert found
    assert (found.incoming, found.returns) == (False, True)


@pytest.mark.parametrize(
    "more",
    [
        {"transaction": None},
        {"transaction": {}},
        {"transaction": {"memo_type": "text", "memo": "hello"}},
        {"transaction": memo(b"short")},
        {"transaction": {"memo_type": "hash", "memo": 7}},
        {"transaction_successful": False},
        {"transaction_successful": "yes"},
        {"type": "create_account"},
        {"type": None},
        {"to": BUYER},
        {"amount": "NaN"},
        {"amount": None},
        {"amount": "-5"},
        {"asset_type": "credit_alphanum4"},
        {"asset_type": None, "asset_code": "x" * 99, "asset_issuer": "y"},
        {"created_at": "yesterday"},
        {"created_at": None},
        {"paging_token": "-1"},
        {"paging_token": None},
        {"paging_token": "9" * 30},
    ],
)
def test_a_record_that_is_no_payment_to_us_is_none(ada: Artist, more: dict[str, Any]) -> None:
    assert payment_of(record(ada.account, **more), ada.account) is None


def test_a_record_without_a_number_is_refused() -> None:
    with pytest.raises(Untrusted):
        token_of({})


# --- links --------------------------------------------------------------------------------------------------


def test_a_link_is_what_the_sdk_reads(ada: Artist) -> None:
    price = ada.feed.prices[7][0]
    found = PayStellarUri.from_uri(pay_link(price, ada.account, bytes.fromhex(MEMO), PUBLIC))
    assert (found.destination, found.amount, found.network_passphrase) == (ada.account, "5", None)
    assert found.memo
    assert b64decode(str(found.memo)).hex() == MEMO
    other = PayStellarUri.from_uri(pay_link(price, ada.account, bytes.fromhex(MEMO), TESTNET))
    assert other.network_passphrase == TESTNET


def test_a_link_to_give_back_names_the_transaction() -> None:
    back = Back(BUYER, 50_000_000, f"EUR:{ISSUER}", "ab" * 32, "paid twice")
    found = PayStellarUri.from_uri(back_link(back, PUBLIC))
    assert (found.destination, found.asset_code, found.asset_issuer) == (BUYER, "EUR", ISSUER)
    assert found.memo
    assert b64decode(str(found.memo)).hex() == "ab" * 32
