# SPDX-License-Identifier: Apache-2.0
"""The rules of money: what a payment pays for, what is due to a buyer, what is to be given back. Pure.

    buyer's box    an order key, whose public half is the memo (hash) of the payment; it begins with the sale's number
    any wallet     pays the artist's account, by a SEP-7 link
    artist's box   reads the account's payments from Horizon, in order; when those of a memo reach the price, the
                   content key is due, and goes into the feed, sealed to the memo
    buyer's box    opens that line with the order key, and compares the content key with the hash in the feed

No account's secret is on either box: being paid needs none, and the buyer's own wallet pays. What was paid is counted
once: Horizon's records are numbered, and none up to the last number is taken again. Anyone who reads the account and
the feed can calculate the same.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from appliance.pieces.feed import NATIVE, Feed, Price, amount_of, asset_of, from_base64, stroops_of
from appliance.pieces.keys import SIZE, Untrusted, is_order, order_number

GRACE = 86_400  # s for which a price, or a piece that was withdrawn, can still be paid: a buyer may hold an old link
PARTS = 100  # of a price: a smaller first part does not count, or 0.3 XLM of fees could fill the till
MAX_BACK = 500  # payments to give back that are listed; the oldest are dropped
KINDS = ("payment", "path_payment_strict_receive", "path_payment_strict_send")  # Horizon's names
PUBLIC_PASSPHRASE = "Public Global Stellar Network ; September 2015"  # noqa: S105 - SEP-7's default; it is no secret


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment to or from the artist's account, with a memo of 32 bytes."""

    token: int  # Horizon's number of it; a later payment has a higher one
    transaction: str  # hash, hex
    sender: str
    incoming: bool
    memo: str  # hex
    returns: bool  # the memo names a transaction whose payment this gives back (MEMO_RETURN)
    stroops: int
    asset: str
    at: int  # s since 1970, by the ledger


@dataclass(frozen=True, slots=True)
class Paid:
    """What has been paid with one memo."""

    sale: int
    stroops: int
    complete: bool  # the price is reached: the key is due, or delivered
    at: int  # of the last payment


@dataclass(frozen=True, slots=True)
class Back:
    """A payment to give back."""

    sender: str
    stroops: int
    asset: str
    transaction: str
    why: str


@dataclass(frozen=True, slots=True)
class Till:
    """Everything that was paid up to Horizon's record `cursor`."""

    cursor: int
    paid: Mapping[str, Paid] = field(default_factory=dict)  # by memo
    back: tuple[Back, ...] = ()

    def taken(self, payment: Payment, feed: Feed) -> Till:
        """The till after one more payment; the same if it is not a later one."""
        if payment.token <= self.cursor:
            return self
        till = replace(self, cursor=payment.token)
        if not payment.incoming:
            if not payment.returns:
                return till
            return replace(till, back=tuple(each for each in till.back if each.transaction != payment.memo))
        if payment.returns:
            return till
        prices = feed.prices.get(order_number(bytes.fromhex(payment.memo)), ())
        before = self.paid.get(payment.memo, Paid(prices[-1].sale if prices else 0, 0, False, 0))
        if why := _refused(payment, prices, before, feed):
            return till._with_back(payment, payment.stroops, why)
        total, price = before.stroops + payment.stroops, price_at(prices, payment.at)
        paid = Paid(before.sale, min(total, price), total >= price, payment.at)
        till = replace(till, paid={**till.paid, payment.memo: paid})
        return till._with_back(payment, total - price, "more than the price") if total > price else till

    def past(self, token: int) -> Till:
        """The till after a record that was no payment to count."""
        return replace(self, cursor=max(token, self.cursor))

    def _with_back(self, payment: Payment, stroops: int, why: str) -> Till:
        back = Back(payment.sender, stroops, payment.asset, payment.transaction, why)
        return replace(self, back=(*self.back, back)[-MAX_BACK:])

    def due(self, feed: Feed) -> Iterator[tuple[str, Price]]:
        """The memos that are paid for and not delivered, with what they paid for."""
        for memo, paid in self.paid.items():
            if paid.complete and memo not in feed.delivered:
                yield memo, feed.prices[paid.sale][-1]

    def earned(self, feed: Feed) -> dict[str, int]:
        """Stroops that complete purchases have brought, by piece."""
        found: dict[str, int] = {}
        for paid in self.paid.values():
            if paid.complete:
                piece = feed.prices[paid.sale][-1].piece
                found[piece] = found.get(piece, 0) + paid.stroops
        return found

    def as_json(self) -> dict[str, Any]:
        """The fields, as JSON writes them."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Till:
        """The till in what `as_json` gave. Raises KeyError or TypeError for anything else."""
        paid = {memo: Paid(**each) for memo, each in body["paid"].items()}
        return cls(body["cursor"], paid, tuple(Back(**each) for each in body["back"]))


def _refused(payment: Payment, prices: tuple[Price, ...], before: Paid, feed: Feed) -> str:
    """Why a payment pays for nothing; "" if it pays."""
    if not prices:
        return "for no piece of this feed"
    if payment.asset != prices[-1].asset:
        return "in another asset"
    if before.complete:
        return "paid twice"
    if not is_order(bytes.fromhex(payment.memo)):
        return "with a memo that is no key"
    if not before.stroops and payment.stroops * PARTS < price_at(prices, payment.at):
        return "less than a hundredth of the price"
    if payment.at > feed.gone.get(prices[-1].piece, payment.at) + GRACE:
        return "after the piece was withdrawn"
    return ""


def price_at(prices: tuple[Price, ...], at: int) -> int:
    """What a sale cost at a moment, in stroops: the lowest of the prices that a buyer could still hold a link for."""
    valid = [
        price.stroops
        for price, after in zip(prices, (*prices[1:], None), strict=True)
        if price.at <= at and (after is None or after.at + GRACE >= at)
    ]
    return min(valid, default=prices[-1].stroops)


def payment_of(record: Mapping[str, Any], account: str) -> Payment | None:
    """A record of Horizon's GET /accounts/ACCOUNT/payments?join=transactions; None if it is nothing to us."""
    transaction = record.get("transaction")
    if not isinstance(transaction, dict) or record.get("transaction_successful") is not True:
        return None
    if record.get("type") not in KINDS or transaction.get("memo_type") not in ("hash", "return"):
        return None
    memo = from_base64(transaction.get("memo"))
    incoming = record.get("to") == account
    if len(memo) != SIZE or not (incoming or record.get("from") == account):
        return None
    issued = f"{record.get('asset_code')}:{record.get('asset_issuer')}"
    try:
        return Payment(
            token_of(record),
            str(record.get("transaction_hash", "")),
            str(record.get("from", "")),
            incoming,
            memo.hex(),
            transaction["memo_type"] == "return",
            stroops_of(record.get("amount")),
            asset_of(NATIVE if record.get("asset_type") == NATIVE else issued),
            int(datetime.fromisoformat(str(record.get("created_at"))).timestamp()),
        )
    except (Untrusted, ValueError):
        return None


def token_of(record: Mapping[str, Any]) -> int:
    """The number of a record. Raises Untrusted."""
    token = record.get("paging_token")
    if not isinstance(token, str) or not token.isascii() or not token.isdigit() or len(token) > 20:
        raise Untrusted("A record of Horizon's has no number.")
    return int(token)


# --- links for wallets (SEP-7) ------------------------------------------------------------------------------


def pay_link(price: Price, account: str, memo: bytes, passphrase: str) -> str:
    """What a wallet opens, or reads as a QR code, to pay for a piece."""
    return _link(account, price.stroops, price.asset, "MEMO_HASH", memo, passphrase)


def back_link(back: Back, passphrase: str) -> str:
    """What the artist's wallet opens to give a payment back."""
    memo = bytes.fromhex(back.transaction)
    return _link(back.sender, back.stroops, back.asset, "MEMO_RETURN", memo, passphrase)


def _link(account: str, stroops: int, asset: str, memo_type: str, memo: bytes, passphrase: str) -> str:
    fields = {"destination": account, "amount": amount_of(stroops), "memo_type": memo_type}
    fields["memo"] = b64encode(memo).decode()
    if asset != NATIVE:
        code, _, issuer = asset.partition(":")
        fields |= {"asset_code": code, "asset_issuer": issuer}
    if passphrase != PUBLIC_PASSPHRASE:
        fields["network_passphrase"] = passphrase
    return "web+stellar:pay?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
