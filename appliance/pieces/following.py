# SPDX-License-Identifier: Apache-2.0
"""Follows the feeds of others, and buys from them: finds the newest of each, and takes the keys that were paid for.

The process's loop; Horizon is asked, and feeds are verified, on threads.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from appliance.pieces import accounts, feed, keys, sales
from appliance.pieces.feed import Feed
from appliance.pieces.horizon import Horizon
from appliance.pieces.keys import Untrusted
from appliance.pieces.own import price_of
from appliance.pieces.repeating import Pace, Repeating
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import MAX_FOLLOWS, Order, Shelf, Unknown
from appliance.pieces.swarm import NotFound, Swarm
from appliance.values import BoxError

log = logging.getLogger(__name__)


class Following:
    """The feeds that the owner follows."""

    def __init__(self, shelf: Shelf, seeds: Seeds, swarm: Swarm, horizon: Horizon, pace: Pace) -> None:
        self._shelf, self._seeds, self._swarm, self._horizon, self._pace = shelf, seeds, swarm, horizon, pace
        self._refreshing: dict[str, asyncio.Lock] = {}
        self.search = Repeating(self._refresh_all, pace.poll)

    # --- commands -------------------------------------------------------------------------------------------

    async def follow(self, who: str) -> dict[str, Any]:
        """Follow the feed of an account, or of a feed's key. It is followed even if it is not found at once."""
        key, hint, account = who.lower(), "", ""
        if not feed.is_hash(key):
            if len(who) != accounts.LETTERS and not who.startswith(("G", "S")):
                raise Untrusted(
                    f"The key of the feed is mistyped: it has {2 * keys.SIZE} characters from 0 to 9 and a to f (this "
                    f"one has {len(who)}); an account begins with G. Copy it again."
                )
            account = who
            accounts.decode(account)
            raw, hint = await asyncio.to_thread(self._horizon.pointer, account)
            key = raw.hex()
        if self._shelf.own and key == self._shelf.own.key.hex():
            raise Untrusted("This is the feed of this box itself.")
        follows = self._shelf.follows
        if key not in follows.feeds:
            if len(follows.feeds) >= MAX_FOLLOWS:
                raise Untrusted(f"A box follows at most {MAX_FOLLOWS} feeds: unfollow one.")
            follows.feeds.append(key)
            self._shelf.save_follows()
        try:
            found = await self._refresh(key, hint)
        except NotFound:
            self.search.wake()
            return {"feed": key, "found": False}
        if account and found.account != account:
            await self.unfollow(key)
            raise Untrusted(f"The account {account} names the feed of another one, {found.account}.")
        return {"feed": key, "found": True, "artist": found.artist, "lines": len(found.marks)}

    async def unfollow(self, who: str) -> dict[str, Any]:
        """Follow a feed no longer, and forget its pieces, but those that were bought."""
        key = next((key for key in self._shelf.follows.feeds if self._is(key, who)), None)
        if key is None:
            raise Unknown(f"No feed {who!r:.70} is followed; `stellar-wind piece list` shows them.")
        known = self._shelf.feeds.get(key)
        bought = {order.piece for order in self._shelf.orders.values() if order.content_key}
        if known and bought & known.entries.keys():
            raise Unknown(f"Pieces of {known.artist} were bought, and its feed is needed to play them.")
        self._seeds.drop_feed(bytes.fromhex(key))
        self._shelf.drop_feed(key)
        self._shelf.follows.feeds.remove(key)
        self._shelf.save_follows()
        self._seeds.drop_unnamed(known.entries.values() if known else ())
        return {"feed": key}

    def _is(self, key: str, who: str) -> bool:
        known = self._shelf.feeds.get(key)
        return key == who.lower() or bool(known and known.account == who)

    async def buy(self, named: str) -> dict[str, Any]:
        """Begin an order, and return the link for a wallet. The order key is on the disk before anybody can pay."""
        found, entry = self._shelf.find(named)
        price, network = found.price(entry.piece), self._horizon.network
        if not price or found is self._shelf.own:
            raise Unknown(f"{entry.title} is not for sale.")
        if price.network != network.name:
            raise Unknown(f"{entry.title} is sold on the network {price.network}: set pieces.network to it.")
        order = self._shelf.order_of(entry.piece)
        if order and order.content_key:
            raise Unknown(f"{entry.title} was bought already: `stellar-wind piece play {entry.piece[:12]}`.")
        if order is None:
            secret = await asyncio.to_thread(keys.new_order, price.sale)
            order = Order(secret.hex(), entry.piece, found.key.hex(), price.promise)
            self._shelf.orders[keys.order_public(secret).hex()] = order
            self._shelf.save_orders()
        self.search.wake()
        memo = keys.order_public(bytes.fromhex(order.secret))
        link = sales.pay_link(price, found.account, memo, network.passphrase)
        said = {"link": link, "memo": memo.hex(), "account": found.account, "title": entry.title}
        return said | price_of(price)

    # --- by itself ------------------------------------------------------------------------------------------

    async def _refresh_all(self) -> float:
        following = list(self._shelf.follows.feeds)
        await asyncio.gather(*(self._try_to_refresh(key) for key in following))
        owing = {
            order.feed for order in self._shelf.orders.values() if not order.content_key and not order.wrong
        }
        unknown = set(following) - self._shelf.feeds.keys()
        return self._pace.waiting if unknown or owing & {*following} else self._pace.refresh

    async def _try_to_refresh(self, key: str) -> None:
        try:
            await self._refresh(key)
        except NotFound as error:
            log.debug("The feed %s: %s", key[:12], error)
        except (BoxError, OSError) as error:
            log.warning("The feed %s was refused: %s", key[:12], error)

    async def _refresh(self, key: str, hint: str = "") -> Feed:
        """Look for what is new in a feed; `hint` is a torrent of it. Raises NotFound and Untrusted."""
        async with self._refreshing.setdefault(key, asyncio.Lock()):
            known = self._shelf.feeds.get(key)
            values = await self._swarm.get(bytes.fromhex(key), self._pace.patience)
            heads = [found for value in values if (found := feed.read_head(value))]
            lines, torrent = max(heads, default=(0, hint))
            if known and lines <= len(known.marks):
                return known  # nodes can hold old heads
            if not torrent:
                raise NotFound(f"No box that can be reached knows the feed {key[:12]}.")
            return await self._take(key, torrent, known)

    async def _take(self, key: str, torrent: str, known: Feed | None) -> Feed:
        here = self._swarm.holds(torrent)  # a head can name what another feed seeds
        text = await self._seeds.fetch_feed(torrent)
        try:
            self._shelf.check_feed(key, text)
            found = await asyncio.to_thread(feed.read, bytes.fromhex(key), text, known)
            if key not in self._shelf.follows.feeds:
                raise Unknown("It is no longer followed.")
            self._shelf.save_feed(found)
        except BoxError:
            if not here:
                self._seeds.drop(torrent)
            raise
        if self._seeds.share_feed(found) != torrent:  # its maker's torrent has more than ours
            self._seeds.drop(torrent)
        self._open_deliveries(found)
        gone = found.gone.keys() - (known.gone.keys() if known else set())
        self._seeds.drop_unnamed(found.entries[piece] for piece in gone & found.entries.keys())
        log.info("The feed of %s has %d lines.", key[:12], len(found.marks))
        return found

    def _open_deliveries(self, found: Feed) -> None:
        """Take the content keys that this feed has for us."""
        for memo, order in self._shelf.orders.items():
            sealed = found.delivered.get(memo)
            if order.content_key or sealed is None or order.feed != found.key.hex():
                continue
            content_key = keys.opened(bytes.fromhex(order.secret), sealed)
            order.wrong = content_key is None or keys.promise(content_key) != order.promise
            if order.wrong or content_key is None:
                log.error(
                    "%s has delivered another key than the one promised for the piece %s. The feed's line and "
                    "orders.json prove it.",
                    found.artist,
                    order.piece[:12],
                )
            else:
                order.content_key = content_key.hex()
                log.info("The piece %s is paid for, and can be played.", order.piece[:12])
            self._shelf.save_orders()
