# SPDX-License-Identifier: Apache-2.0
"""The feed of this box's own artist: publishes, sells, reads what was paid, and delivers.

The process's loop; Horizon is asked on threads.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from appliance.pieces import accounts, feed, keys, piece, sales
from appliance.pieces.feed import NATIVE, SALES, Feed, Price
from appliance.pieces.horizon import Horizon
from appliance.pieces.keys import Untrusted
from appliance.pieces.repeating import Pace, Repeating
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import Shelf, Unknown
from appliance.pieces.swarm import Swarm

log = logging.getLogger(__name__)


class OwnFeed:
    """The artist's feed, if there is one. `now` gives the time of day, in s since 1970."""

    def __init__(
        self,
        shelf: Shelf,
        seeds: Seeds,
        swarm: Swarm,
        horizon: Horizon,
        pace: Pace,
        now: Callable[[], float],
    ) -> None:
        self._shelf, self._seeds, self._swarm, self._horizon = shelf, seeds, swarm, horizon
        self._pace, self._now = pace, now
        self._changing = asyncio.Lock()  # one change of the feed at a time
        self.announce = Repeating(self._announce, pace.poll)
        self.poll = Repeating(self._poll, pace.poll)
        self.taken = 0  # nodes of the DHT that have its newest state, and keep it while this box is off

    def _feed(self) -> Feed:
        if self._shelf.own is None:
            raise Unknown("This box has no feed yet: `stellar-wind piece artist --account G...` begins one.")
        return self._shelf.own

    def _append(self, *bodies: Mapping[str, Any]) -> None:
        """More lines of the feed: all or none. Raises Untrusted if it is full."""
        own = self._feed()
        for body in bodies:
            own = own.written(self._shelf.secret, {"at": int(self._now()), **body})
        self._replace(own)

    def _replace(self, own: Feed) -> None:
        self._shelf.save_own(own)
        self._seeds.share_feed(own)
        self.taken = 0
        self.announce.wake()

    # --- commands -------------------------------------------------------------------------------------------

    async def artist(
        self, account: str, name: str = "", words: str = "", certificate: str = ""
    ) -> dict[str, Any]:
        """Begin a feed of an account: without a certificate, the sentence to sign; with it, the feed."""
        accounts.decode(account)
        if not self._shelf.own:
            if self._shelf.contents or self._shelf.till:  # the numbers of its sales would begin again
                raise Untrusted(
                    "The sales of a feed are here, and own.feed is not: stop the service, and put it back, or move "
                    "feed.key, contents.json and till.json away to begin another feed."
                )
            if not self._shelf.secret:
                self._shelf.save_secret(keys.new_secret())
            if not certificate:
                return {"sentence": feed.sentence(account, keys.public_of(self._shelf.secret))}
            signature = feed.from_base64(certificate)
            self._replace(feed.begin(self._shelf.secret, account, signature, name, words))
        own = self._feed()
        if own.account != account:
            raise Untrusted(f"This box has the feed of {own.account} already.")
        pointer = feed.pointer(own, self._seeds.torrent_of(own))
        return {"feed": own.key.hex(), "account": account, "pointer": b64encode(pointer).decode()}

    async def publish(self, draft: str, amount: str = "", asset: str = NATIVE) -> dict[str, Any]:
        """Publish a draft, and sell it if there is an amount."""
        made = await asyncio.to_thread(piece.unpack, draft.encode())
        async with self._changing:
            own, content_key, sale = self._feed(), b"", {}
            if amount:
                content_key = keys.new_secret()
                sale = await self._new_sale(own, amount, asset, content_key)
            files = piece.described(made, self._shelf.secret, own.artist, int(self._now()), content_key)
            torrent, named = self._seeds.share_piece(files), piece.id_of(files[piece.DESCRIPTION])
            size = sum(map(len, files.values()))
            line = {"piece": named, "torrent": torrent, "bytes": size, "title": made.title}
            self._append(line, *([{**sale, "piece": named}] if sale else []))
        return {"piece": named, "torrent": torrent}

    async def _new_sale(self, own: Feed, amount: str, asset: str, content_key: bytes) -> dict[str, Any]:
        feed.stroops_of(amount)
        feed.asset_of(asset)
        number = max(own.prices, default=-1) + 1
        if number >= SALES:
            raise Untrusted(f"A feed sells at most {SALES:,} pieces.")
        if self._shelf.till is None:  # what was paid to the account before is not for us
            self._shelf.save_till(sales.Till(await asyncio.to_thread(self._horizon.last, own.account)))
        self._shelf.save_content(number, content_key)
        line = {"sale": number, "network": self._horizon.network.name, "amount": amount, "asset": asset}
        return line | {"key": keys.promise(content_key)}

    async def price(self, named: str, amount: str) -> dict[str, Any]:
        """Change the price of a piece of ours."""
        async with self._changing:
            found, entry = self._shelf.find(named, own=True)
            price = found.price(entry.piece)
            if not price:
                raise Unknown(
                    f"{entry.title} is free, and everybody can have it already: publish it again to sell it."
                )
            body = {"sale": price.sale, "piece": price.piece, "network": price.network, "asset": price.asset}
            self._append({**body, "amount": amount, "key": price.promise})
        return {"piece": entry.piece, "amount": amount}

    async def withdraw(self, named: str) -> None:
        """Say in the feed that a piece of ours is gone."""
        async with self._changing:
            self._append({"gone": named})

    async def sales(self) -> dict[str, Any]:
        """What was paid, what is due, and what is to be given back."""
        own, till = self._shelf.own, self._shelf.till
        if not own or till is None:
            return {"sold": [], "partly": [], "due": 0, "back": []}
        earned = till.earned(own)
        sold = [
            {
                "piece": (price := prices[-1]).piece,
                "title": own.entries[price.piece].title if price.piece in own.entries else "",
                "count": sum(paid.complete and paid.sale == number for paid in till.paid.values()),
                "earned": feed.amount_of(earned.get(price.piece, 0)),
                **price_of(price),
            }
            for number, prices in own.prices.items()
        ]
        partly = [
            {"memo": memo, "paid": feed.amount_of(paid.stroops), "piece": own.prices[paid.sale][-1].piece}
            for memo, paid in till.paid.items()
            if not paid.complete
        ]
        passphrase = self._horizon.network.passphrase
        back = [
            asdict(each) | {"amount": feed.amount_of(each.stroops), "link": sales.back_link(each, passphrase)}
            for each in till.back[-100:]
        ]
        return {"sold": sold, "partly": partly, "due": len([*till.due(own)]), "back": back}

    # --- by itself ------------------------------------------------------------------------------------------

    async def _announce(self) -> float:
        own = self._shelf.own
        if not own:
            return self._pace.announce
        head = feed.head(own, self._seeds.torrent_of(own))
        self.taken = await self._swarm.put(self._shelf.secret, own.key, head, self._pace.patience)
        return self._pace.announce if self.taken else self._pace.again

    async def _poll(self) -> float:
        """Count what was paid, and deliver what is due."""
        own, till = self._shelf.own, self._shelf.till
        if not own or till is None:
            return self._pace.poll
        account, cursor = own.account, till.cursor
        records = await asyncio.to_thread(lambda: list(self._horizon.payments(account, cursor)))
        async with self._changing:
            own = self._feed()  # which can have changed meanwhile
            for record in records:
                if payment := sales.payment_of(record, account):
                    till = till.taken(payment, own)
                till = till.past(sales.token_of(record))
            for memo, price in list(till.due(own)):
                content_key = self._shelf.contents.get(str(price.sale))
                if content_key is None:
                    log.error("The piece %s was sold, and its key is not in contents.json.", price.piece[:12])
                    continue
                sealed = b64encode(keys.sealed_to(bytes.fromhex(memo), bytes.fromhex(content_key))).decode()
                self._append({"order": memo, "piece": price.piece, "sealed": sealed})
                log.info("The piece %s was sold.", price.piece[:12])
            self._shelf.save_till(till)  # after the feed: what is counted twice then is not delivered twice
        return self._pace.poll


def price_of(price: Price) -> dict[str, str]:
    """A price, as answers have it."""
    return {"amount": feed.amount_of(price.stroops), "asset": price.asset, "network": price.network}
