# SPDX-License-Identifier: Apache-2.0
"""The process of the pieces: follows feeds, fetches and seeds pieces, reads what was paid, and delivers.

A client of the box's control socket for what is played; it is steered through a socket of its own (server.py). One
asyncio loop; Horizon, checks of scores and the control socket are asked on threads. It is started with its options as
JSON, not with the settings, whose libraries would double its memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from appliance.control import Client
from appliance.host.log import start as start_log
from appliance.ledger.networks import Network
from appliance.pieces import accounts, feed, keys, piece, sales
from appliance.pieces.feed import NATIVE, SALES, Entry, Feed, Price
from appliance.pieces.horizon import Horizon
from appliance.pieces.keys import Untrusted
from appliance.pieces.server import PieceServer
from appliance.pieces.shelf import MAX_BLOCKED, MAX_FOLLOWS, Order, Shelf
from appliance.pieces.swarm import PATIENCE, NotFound, Swarm, info_hash
from appliance.values import BoxError

log = logging.getLogger("appliance.pieces.node")  # which is also run as __main__

OPTIONS = "PIECES_OPTIONS"  # of the environment, which other users cannot read: the options can hold keys of servers
LISTED = 100  # pieces of a feed, the newest
COMMANDS = (
    *("artist", "publish", "price", "follow", "unfollow", "forget", "fetch", "show", "cover"),
    *("play", "stop", "buy", "status", "list", "sales"),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is done, in s."""

    refresh: float = 600.0  # a feed that is followed
    announce: float = 600.0  # our own feed
    poll: float = 60.0  # payments
    waiting: float = 30.0  # a feed that is not found yet, or that owes us a key
    again: float = 10.0  # our own feed, while no node has taken it
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Options:
    """How the process is started."""

    state: str  # folder
    runtime: str  # folder of its socket
    boxes: list[str]  # folders in which the box's control socket can be
    network: str
    passphrase: str
    endpoints: list[str]
    reach: str = "lan"
    port: int = 0
    listen: str = ""  # address of one interface; every one without it
    bootstrap: list[str] = field(default_factory=list)
    upload: int = 256  # kB a second
    shelf: int = 200  # MB
    pace: dict[str, float] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    verbose: bool = False


class Unknown(BoxError, LookupError):
    """What was named is not known here."""


class Node:
    """The pieces of one box. `now` gives the time of day, in s since 1970."""

    def __init__(self, options: Options, now: Callable[[], float] = time.time) -> None:
        self._options, self._now, self._pace = options, now, Pace(**options.pace)
        self._shelf = Shelf(Path(options.state), options.shelf << 20)
        lan = options.reach != "internet"
        self._swarm = Swarm(
            self._shelf.torrents,
            options.port or self._shelf.follows.port,
            [] if lan and not options.bootstrap else options.bootstrap,
            private=lan,
            listen=options.listen,
            upload=options.upload << 10,
        )
        network = Network(options.network, options.passphrase, tuple(options.endpoints), options.headers)
        self._horizon = Horizon(network)
        self._selling = asyncio.Lock()  # one change of our own feed at a time
        self._refreshing: dict[str, asyncio.Lock] = {}
        self._wake = {name: asyncio.Event() for name in ("refresh", "announce", "poll")}
        self._feed_torrents: dict[str, str] = {}  # by feed, what is seeded of it
        self._taken = (
            0  # nodes of the DHT that took our feed's newest state; they keep it when this box is off
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Share, follow and sell while in the `with`."""
        async with self._swarm.running():
            await self._reseed()
            tasks = [
                asyncio.create_task(work()) for work in (self._follow_all, self._announce_own, self._sell)
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _reseed(self) -> None:
        """Seed what is on the shelf, and remove what no feed names any more."""
        feeds = self._all_feeds()
        wanted = {
            entry.torrent for each in feeds for entry in each.pieces.values() if self._takes(entry.piece)
        }
        for path in tuple(self._shelf.held()):
            torrent = path.parent.name
            if path.name == piece.FOLDER and torrent in wanted and info_hash(path) == torrent:
                self._swarm.share(path)
                await asyncio.sleep(0)
            else:
                self._shelf.remove(torrent)
        for each in feeds:
            self._share_feed(each)

    def _all_feeds(self) -> list[Feed]:
        own = [self._shelf.own] if self._shelf.own else []
        return [*own, *self._shelf.feeds.values()]

    def _takes(self, named: str) -> bool:
        return named not in self._shelf.follows.blocked

    def _share_feed(self, which: Feed) -> str:
        """Seed a feed as it is now, in the place of what it was."""
        key = which.key.hex()
        written = self._shelf.put("feed", which.text)
        torrent = self._place(written)
        if (before := self._feed_torrents.get(key)) and before != torrent:
            self._drop(before)
        self._feed_torrents[key] = torrent
        return torrent

    def _drop(self, torrent: str) -> None:
        self._swarm.unshare(torrent)
        self._shelf.remove(torrent)

    def _place(self, written: Path) -> str:
        torrent = info_hash(written)
        self._swarm.unshare(torrent)
        return self._swarm.share(self._shelf.placed(written, torrent))

    # --- what it does by itself -----------------------------------------------------------------------------

    async def _repeat(self, name: str, work: Callable[[], Coroutine[Any, Any, float]]) -> None:
        """Do `work` after as many seconds as it says, or at once when it is woken."""
        while True:
            self._wake[name].clear()
            try:
                seconds = await work()
            except BoxError as error:
                log.warning("%s It is tried again.", error)
                seconds = self._pace.poll
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake[name].wait()

    async def _follow_all(self) -> None:
        await self._repeat("refresh", self._refresh_all)

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
            await self.refresh(key)
        except NotFound as error:
            log.debug("The feed %s: %s", key[:12], error)
        except BoxError as error:
            log.warning("The feed %s was refused: %s", key[:12], error)

    async def refresh(self, key: str, hint: str = "") -> Feed:
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
            return await self._take_feed(key, torrent, known)

    async def _take_feed(self, key: str, torrent: str, known: Feed | None) -> Feed:
        place = await self._swarm.fetch(torrent, _check_feed, self._pace.patience)
        try:
            text = (place / "feed").read_bytes()
            found = await asyncio.to_thread(feed.read, bytes.fromhex(key), text, known)
            self._shelf.save_feed(found)
        except BoxError:
            self._drop(torrent)
            raise
        if self._share_feed(found) != torrent:  # its maker's torrent has more than ours
            self._drop(torrent)
        self._open_deliveries(found)
        log.info("The feed of %s has %d lines.", found.artist or key[:12], len(found.marks))
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

    async def _announce_own(self) -> None:
        await self._repeat("announce", self._announce)

    async def _announce(self) -> float:
        own = self._shelf.own
        if not own:
            return self._pace.announce
        head = feed.head(own, self._feed_torrents[own.key.hex()])
        self._taken = await self._swarm.put(self._shelf.secret, own.key, head, self._pace.patience)
        return self._pace.announce if self._taken else self._pace.again

    async def _sell(self) -> None:
        await self._repeat("poll", self._poll)

    async def _poll(self) -> float:
        """Count what was paid, and deliver what is due."""
        own, till = self._shelf.own, self._shelf.till
        if not own or till is None:
            return self._pace.poll
        payments = partial(self._horizon.payments, own.account, till.cursor)
        records = await asyncio.to_thread(lambda: list(payments()))
        async with self._selling:
            for record in records:
                if payment := sales.payment_of(record, own.account):
                    till = till.taken(payment, own)
                till = till.past(sales.token_of(record))
            self._deliver(till)
            self._shelf.save_till(till)  # after the feed: what is counted twice then is not delivered twice
        return self._pace.poll

    def _deliver(self, till: sales.Till) -> None:
        own = self._shelf.own
        assert own  # noqa: S101 - `_poll` has seen it
        due = list(till.due(own))
        for memo, price in due:
            sealed = keys.sealed_to(bytes.fromhex(memo), bytes.fromhex(self._shelf.contents[str(price.sale)]))
            self._append({"order": memo, "piece": price.piece, "sealed": b64encode(sealed).decode()})
            log.info("The piece %s was sold.", price.piece[:12])

    def _append(self, body: Mapping[str, Any]) -> Feed:
        """Another line of our own feed. Raises Untrusted if it is full."""
        own = self._shelf.own
        if own is None:
            raise Unknown("This box has no feed yet: `stellar-wind piece artist --account G...` begins one.")
        own = own.written(self._shelf.secret, {"at": int(self._now()), **body})
        self._shelf.save_own(own)
        self._share_feed(own)
        self._taken = 0
        self._wake["announce"].set()
        return own

    # --- what it is asked for -------------------------------------------------------------------------------

    async def artist(
        self, account: str, name: str = "", words: str = "", certificate: str = ""
    ) -> dict[str, Any]:
        """Begin a feed of an account: without a certificate, the sentence to sign; with it, the feed."""
        accounts.decode(account)
        if self._shelf.own:
            own = self._shelf.own
            if own.account != account:
                raise Untrusted(f"This box has the feed of {own.account} already.")
            pointer = feed.pointer(own, self._feed_torrents[own.key.hex()])
            return {"feed": own.key.hex(), "account": account, "pointer": b64encode(pointer).decode()}
        if not self._shelf.secret:
            self._shelf.save_secret(keys.new_secret())
        key = keys.public_of(self._shelf.secret)
        if not certificate:
            return {"sentence": feed.sentence(account, key)}
        own = feed.begin(self._shelf.secret, account, feed.from_base64(certificate), name, words)
        self._shelf.save_own(own)
        self._share_feed(own)
        self._wake["announce"].set()
        return await self.artist(account)

    async def publish(self, draft: str, amount: str = "", asset: str = NATIVE) -> dict[str, Any]:
        """Publish a draft, and sell it if there is an amount."""
        made = await asyncio.to_thread(piece.unpack, draft.encode())
        async with self._selling:
            own = self._shelf.own
            if not own:
                raise Unknown(
                    "This box has no feed yet: `stellar-wind piece artist --account G...` begins one."
                )
            content_key, sale = b"", {}
            if amount:
                content_key = keys.new_secret()
                sale = await self._new_sale(own, amount, asset, content_key)
            files = piece.described(made, self._shelf.secret, own.artist, int(self._now()), content_key)
            size = sum(map(len, files.values()))
            self._shelf.check_room(size)
            named = piece.id_of(files[piece.DESCRIPTION])
            torrent = self._place(self._shelf.put(piece.FOLDER, files))
            self._append({"piece": named, "torrent": torrent, "bytes": size, "title": made.title})
            if sale:
                self._append({**sale, "piece": named})
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
        network = self._options.network
        return {
            "sale": number,
            "network": network,
            "amount": amount,
            "asset": asset,
            "key": keys.promise(content_key),
        }

    async def price(self, named: str, amount: str) -> dict[str, Any]:
        """Change the price of a piece of ours."""
        async with self._selling:
            _, entry = self._find(named, own=True)
            price = self._shelf.own.price(entry.piece) if self._shelf.own else None
            if not price:
                raise Unknown(
                    f"{entry.title} is free, and everybody can have it already: publish it again to sell it."
                )
            body = {"sale": price.sale, "piece": price.piece, "network": price.network, "asset": price.asset}
            self._append({**body, "amount": amount, "key": price.promise})
        return {"piece": entry.piece, "amount": amount}

    async def follow(self, who: str) -> dict[str, Any]:
        """Follow the feed of an account, or of a feed's key. It is followed even if it is not found at once."""
        key, hint, account = who.lower(), "", ""
        if not feed.is_hash(key):
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
            found = await self.refresh(key, hint)
        except NotFound:
            self._wake["refresh"].set()
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
        for entry in known.entries.values() if known else ():
            self._drop(entry.torrent)
        if torrent := self._feed_torrents.pop(key, ""):
            self._drop(torrent)
        self._shelf.drop_feed(key)
        self._shelf.follows.feeds.remove(key)
        self._shelf.save_follows()
        return {"feed": key}

    def _is(self, key: str, who: str) -> bool:
        known = self._shelf.feeds.get(key)
        return key == who.lower() or bool(known and known.account == who)

    async def forget(self, named: str) -> dict[str, Any]:
        """Withdraw a piece of ours; remove another one, and take it no more."""
        found, entry = self._find(named)
        if found is self._shelf.own:
            async with self._selling:
                self._append({"gone": entry.piece})
        elif len(self._shelf.follows.blocked) < MAX_BLOCKED:
            self._shelf.follows.blocked.append(entry.piece)
            self._shelf.save_follows()
        self._drop(entry.torrent)
        return {"piece": entry.piece}

    def _find(self, named: str, *, own: bool = False) -> tuple[Feed, Entry]:
        """The feed and the entry of a piece, by its id or the beginning of it. Raises Unknown."""
        feeds = [each for each in self._all_feeds() if each is self._shelf.own or not own]
        found = [
            (each, entry)
            for each in feeds
            for entry in each.pieces.values()
            if entry.piece.startswith(named.lower()) and self._takes(entry.piece)
        ]
        if len(found) != 1 or len(named) < 4:
            few = "Several pieces begin" if len(found) > 1 else "No piece of a followed feed begins"
            raise Unknown(f"{few} with {named!r:.70}; `stellar-wind piece list` shows them.")
        return found[0]

    async def fetch(self, named: str) -> dict[str, Any]:
        """Fetch a piece, check it, and go on to seed it; the paths of its scores, for a box that may read them."""
        found, entry = self._find(named)
        opened = await self._piece(found, entry)
        order = self._order_of(entry.piece)
        if opened.promise and found is self._shelf.own and (price := found.price(entry.piece)):
            content_key = bytes.fromhex(self._shelf.contents[str(price.sale)])
        elif opened.promise and not (order and order.content_key):
            raise Unknown(f"{opened.title} is sold: `stellar-wind piece buy {entry.piece[:12]}`.")
        else:
            content_key = bytes.fromhex(order.content_key) if order else b""
        scores = piece.scores(opened, content_key)
        for content in scores:
            await asyncio.to_thread(piece.check_score, content, Path(opened.title))
        paths = self._shelf.open_scores(entry.piece, scores)
        return {
            "piece": entry.piece,
            "title": opened.title,
            "artist": opened.artist,
            "paths": [*map(str, paths)],
        }

    async def _piece(self, found: Feed, entry: Entry) -> piece.Piece:
        fetched = not self._swarm.holds(entry.torrent)
        if fetched:
            self._shelf.check_room(entry.size)
            await self._swarm.fetch(entry.torrent, piece.check_names, self._pace.patience)
        try:
            opened = piece.opened(self._shelf.piece_files(entry.torrent), found.key, entry.piece)
            if fetched and not opened.promise:
                for track in opened.tracks:
                    await asyncio.to_thread(piece.check_score, track.content, Path(entry.title))
        except BoxError:
            self._drop(entry.torrent)
            raise
        return opened

    async def play(self, named: str) -> dict[str, Any]:
        """Make the box play a piece."""
        fetched = await self.fetch(named)
        title = f"{fetched['title']}, {fetched['artist']}" if fetched["artist"] else str(fetched["title"])
        await asyncio.to_thread(self._ask_box, {"do": "play", "paths": fetched["paths"], "title": title})
        return fetched | {"title": title}

    async def stop(self) -> dict[str, Any]:
        """Make the box play the network again."""
        await asyncio.to_thread(self._ask_box, {"do": "stop"})
        return {}

    def _ask_box(self, command: Mapping[str, Any]) -> None:
        with Client.connect([Path(folder) for folder in self._options.boxes]) as client:
            client.request(command)

    async def buy(self, named: str) -> dict[str, Any]:
        """Begin an order, and return the link for a wallet. The order key is on the disk before anybody can pay."""
        found, entry = self._find(named)
        price = found.price(entry.piece)
        if not price or found is self._shelf.own:
            raise Unknown(f"{entry.title} is not for sale.")
        if price.network != self._options.network:
            raise Unknown(f"{entry.title} is sold on the network {price.network}: set pieces.network to it.")
        order = self._order_of(entry.piece)
        if order and order.content_key:
            raise Unknown(f"{entry.title} was bought already: `stellar-wind piece play {entry.piece[:12]}`.")
        if order is None:
            secret = await asyncio.to_thread(keys.new_order, price.sale)
            order = Order(secret.hex(), entry.piece, found.key.hex(), price.promise)
            self._shelf.orders[keys.order_public(secret).hex()] = order
            self._shelf.save_orders()
        memo = keys.order_public(bytes.fromhex(order.secret))
        self._wake["refresh"].set()
        return {
            "link": sales.pay_link(price, found.account, memo, self._options.passphrase),
            "memo": memo.hex(),
            "account": found.account,
            "title": entry.title,
            **_price(price),
        }

    def _order_of(self, named: str) -> Order | None:
        return next((order for order in self._shelf.orders.values() if order.piece == named), None)

    # --- what it shows --------------------------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """How it is: for the command line, and for a page."""
        names = {entry.torrent: entry.title for each in self._all_feeds() for entry in each.entries.values()}
        names |= {
            torrent: f"feed of {each.artist}"
            for each in self._all_feeds()
            if (torrent := self._feed_torrents.get(each.key.hex(), ""))
        }
        seeding = [asdict(each) | {"name": names.get(each.torrent, "")} for each in self._swarm.seeding()]
        waiting = [key for key in self._shelf.follows.feeds if key not in self._shelf.feeds]
        return {
            "reach": self._options.reach,
            "port": self._options.port or self._shelf.follows.port,
            "peers": sum(each["peers"] for each in seeding),
            "seeding": [each for each in seeding if each["name"]],
            "searching": waiting,
            "announced": self._taken,
            "unpaid": [order.piece for order in self._shelf.orders.values() if not order.content_key],
        }

    async def list(self) -> dict[str, Any]:
        """What is followed, and the pieces."""
        feeds = [
            {
                "feed": each.key.hex(),
                "artist": each.artist,
                "words": each.words,
                "account": each.account,
                "own": each is self._shelf.own,
                "count": len(each.pieces),
                "pieces": [
                    self._entry(each, entry)
                    for entry in list(each.pieces.values())[-LISTED:]
                    if self._takes(entry.piece)
                ],
            }
            for each in self._all_feeds()
        ]
        return {"feeds": feeds}

    def _entry(self, found: Feed, entry: Entry) -> dict[str, Any]:
        price, order = found.price(entry.piece), self._order_of(entry.piece)
        return {
            "piece": entry.piece,
            "title": entry.title,
            "bytes": entry.size,
            "torrent": entry.torrent,
            "here": (here := self._swarm.holds(entry.torrent)),
            "cover": here and self._shelf.has_cover(entry.torrent),
            "bought": bool(order and order.content_key),
            "at": entry.at,
            **(_price(price) if price else {}),
        }

    async def show(self, named: str) -> dict[str, Any]:
        """All that the artist says of a piece, which is fetched for it."""
        found, entry = self._find(named)
        opened = await self._piece(found, entry)
        return {
            **self._entry(found, entry),
            "artist": opened.artist,
            "words": opened.words,
            "tracks": [{"title": track.title, "seconds": track.seconds} for track in opened.tracks],
            "cover": b64encode(opened.cover).decode(),
        }

    async def cover(self, named: str) -> dict[str, Any]:
        """The cover of a piece that is here: nothing is fetched for it."""
        found, entry = self._find(named)
        if not self._swarm.holds(entry.torrent):
            raise Unknown(f"{entry.title} is not here: `stellar-wind piece fetch {entry.piece[:12]}`.")
        return {"cover": b64encode((await self._piece(found, entry)).cover).decode()}

    async def sales(self) -> dict[str, Any]:
        """What was paid, what is due, and what is to be given back."""
        own, till = self._shelf.own, self._shelf.till
        if not own or till is None:
            return {"sold": [], "partly": [], "due": 0, "back": []}
        earned = till.earned(own)
        sold = []
        for number, prices in own.prices.items():
            entry = own.entries.get(prices[-1].piece)
            count = sum(paid.complete and paid.sale == number for paid in till.paid.values())
            total = feed.amount_of(earned.get(prices[-1].piece, 0))
            title = entry.title if entry else ""
            sold.append(
                {
                    "piece": prices[-1].piece,
                    "title": title,
                    "count": count,
                    "earned": total,
                    **_price(prices[-1]),
                }
            )
        partly = [
            {"memo": memo, "paid": feed.amount_of(paid.stroops), "piece": own.prices[paid.sale][-1].piece}
            for memo, paid in till.paid.items()
            if not paid.complete
        ]
        back = [
            {
                **asdict(each),
                "amount": feed.amount_of(each.stroops),
                "link": sales.back_link(each, self._options.passphrase),
            }
            for each in till.back[-100:]
        ]
        return {"sold": sold, "partly": partly, "due": len([*till.due(own)]), "back": back}


def _price(price: Price) -> dict[str, str]:
    return {"amount": feed.amount_of(price.stroops), "asset": price.asset, "network": price.network}


def _check_feed(sizes: Mapping[str, int]) -> None:
    if list(sizes) != ["feed"] or sizes["feed"] > feed.MAX_FEED:
        raise Untrusted("The torrent is no feed.")


async def serve(options: Options) -> None:
    """Run the process until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    node = Node(options)
    commands = {name: getattr(node, name) for name in COMMANDS}
    async with node.running(), PieceServer(Path(options.runtime), commands).running():
        log.info("Sharing pieces (%s).", options.reach)
        await stop.wait()


def main() -> int:
    """Run the process with the options that its environment gives as JSON."""
    options = Options(**json.loads(os.environ.pop(OPTIONS)))
    start_log(verbose=options.verbose)
    try:
        asyncio.run(serve(options))
    except (BoxError, OSError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
