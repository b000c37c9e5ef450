# SPDX-License-Identifier: Apache-2.0
"""The flows of money on a real network where lumens are free: `stellar-wind piece rehearse --network testnet`.

Two throw-away accounts, an artist's and a buyer's, go through every flow with the code that sells: the feed, the till,
the orders, Horizon. Only the swarm is left out. The command line's process; it prints what it has checked.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from appliance.pieces import feed, keys, sales
from appliance.pieces.feed import POINTER, STROOPS, Feed
from appliance.pieces.horizon import Horizon
from appliance.pieces.sales import Back, Till
from appliance.pieces.wallet import Wallet
from appliance.values import BoxError

PIECE, TORRENT = sha256(b"a piece").hexdigest(), sha256(b"a torrent").hexdigest()
POLL = 2.0  # s between two looks for a payment; a ledger closes every 5 s
POLLS = 30


class Failed(BoxError, AssertionError):
    """The network, or we, did something else than the rules say."""


class Rehearsal:
    """The artist's and the buyer's side, on one machine. `say` gets each line of the report."""

    def __init__(self, horizon: Horizon, say: Callable[[str], None], poll: float = POLL) -> None:
        self._horizon, self._say, self._poll = horizon, say, poll
        self._artist, self._buyer = Wallet(horizon), Wallet(horizon)
        self._secret, self._content = keys.new_secret(), keys.new_secret()

    def run(self) -> None:
        """Go through the flows. Raises Failed, NoHorizon or Untrusted."""
        for wallet, who in ((self._artist, "artist"), (self._buyer, "buyer")):
            wallet.fund()
            self._say(f"The {who}'s account {wallet.account} has lumens of friendbot's.")
        self._begin()
        self._till = Till(self._horizon.last(self._artist.account))
        before = self._artist.balance()
        one = self._whole()
        self._parts()
        self._twice(one)
        fees = before + 2 * 5 * STROOPS - self._artist.balance()
        self._check(
            "The artist has the full price of both sales, but for the fee of giving back", 0 <= fees <= 10_000
        )

    def _begin(self) -> None:
        account, key = self._artist.account, keys.public_of(self._secret)
        certificate = self._artist.signed(feed.sentence(account, key))
        self._feed: Feed = feed.begin(self._secret, account, certificate, "Rehearsal", "")
        network = self._horizon.network.name
        body = {"at": int(time.time()), "sale": 7, "piece": PIECE, "network": network, "amount": "5"}
        self._append({**body, "asset": "native", "key": keys.promise(self._content)})
        self._artist.set_data(POINTER, feed.pointer(self._feed, TORRENT))
        self._check(
            "The account's data entry names the feed", self._horizon.pointer(account) == (key, TORRENT)
        )

    def _append(self, body: dict[str, object]) -> None:
        self._feed = self._feed.written(self._secret, body)

    def _whole(self) -> bytes:
        """The price in one payment."""
        secret = keys.new_order(7)
        memo = keys.order_public(secret)
        self._buyer.pay(self._artist.account, "5", memo)
        self._until("5 XLM are paid, and the key is due", lambda till: memo.hex() in self._due(till))
        self._deliver()
        self._check(
            "The buyer opens it", keys.opened(secret, self._feed.delivered[memo.hex()]) == self._content
        )
        other = keys.opened(keys.new_order(7), self._feed.delivered[memo.hex()])
        self._check("No other box opens it", other is None)
        return memo

    def _parts(self) -> None:
        """Too little, and then the rest."""
        memo = keys.order_public(keys.new_order(7))
        self._buyer.pay(self._artist.account, "4.5", memo)
        self._until("4.5 XLM are paid", lambda till: memo.hex() in till.paid)
        self._check("Nothing is due for them", memo.hex() not in self._due(self._till))
        self._buyer.pay(self._artist.account, "0.5", memo)
        self._until("The rest is paid, and the key is due", lambda till: memo.hex() in self._due(till))
        self._deliver()

    def _twice(self, memo: bytes) -> None:
        """The same memo again, and the payment is given back."""
        self._buyer.pay(self._artist.account, "5", memo)
        self._until("5 XLM are paid twice, and listed to give back", lambda till: bool(till.back))
        back: Back = self._till.back[0]
        self._check("They are the buyer's", (back.sender, back.stroops) == (self._buyer.account, 5 * STROOPS))
        self._artist.pay(
            back.sender, feed.amount_of(back.stroops), bytes.fromhex(back.transaction), back=True
        )
        self._until("They are given back, and listed no more", lambda till: not till.back)

    def _due(self, till: Till) -> list[str]:
        return [memo for memo, _ in till.due(self._feed)]

    def _deliver(self) -> None:
        for memo in self._due(self._till):
            sealed = b64encode(keys.sealed_to(bytes.fromhex(memo), self._content)).decode()
            self._append({"at": int(time.time()), "order": memo, "piece": PIECE, "sealed": sealed})
        self._check("Nothing is due any more", not self._due(self._till))

    def _until(self, what: str, done: Callable[[Till], bool]) -> None:
        for _ in range(POLLS):
            for record in list(self._horizon.payments(self._artist.account, self._till.cursor)):
                if payment := sales.payment_of(record, self._artist.account):
                    self._till = self._till.taken(payment, self._feed)
                self._till = self._till.past(sales.token_of(record))
            if done(self._till):
                self._say(f"{what}.")
                return
            time.sleep(self._poll)
        raise Failed(f"Not so within {POLLS * self._poll:.0f} s: {what}.")

    def _check(self, what: str, right: bool) -> None:
        if not right:
            raise Failed(f"Not so: {what}.")
        self._say(f"{what}.")
