# SPDX-License-Identifier: Apache-2.0
"""What the pieces keep on the disk: keys, feeds, orders, what was paid, and the files that are seeded.

    feed.key, own.feed    the artist's feed; lost with the disk, so the manual says what to copy
    contents.json         content keys of what is sold, by number of the sale
    till.json             what was paid (sales.py)
    follows.json          feeds that are followed, in order; pieces that are blocked; the port
    orders.json           what was bought: order keys, and content keys once they came
    feeds/KEY.feed        feeds, as they were verified last
    torrents/HASH/        piece/... or feed: what is seeded
    playing/              scores of the piece that was played last, opened

Read at the start; small files are written at once, on the main thread's loop: this process plays no sound.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from appliance.pieces import keys
from appliance.pieces.feed import MAX_FEED, Entry, Feed, is_hash, read
from appliance.pieces.keys import Untrusted
from appliance.pieces.piece import COVER, FOLDER, MAX_TRACKS, most
from appliance.pieces.sales import Till
from appliance.saved import files
from appliance.values import BoxError

LARGEST = 4 << 20  # bytes of a file of JSON
PORTS = (20_000, 60_000)  # the range that the box draws its port from
MAX_FOLLOWS = 200
MAX_FEEDS, MAX_ALL_LINES = (
    12 << 20,
    20_000,
)  # bytes and lines of all feeds; a line takes 0.1 ms to verify, and 1 kB
LEAST = 4  # letters of a piece's id
MAX_BLOCKED = 10_000


class Unknown(BoxError, LookupError):
    """What was named is not known here."""


class ShelfFull(BoxError, OSError):
    """There is no room for another piece or feed."""


@dataclass(slots=True)
class Order:
    """What was bought, or is to be paid."""

    secret: str  # of the order key, hex
    piece: str
    feed: str  # key, hex
    promise: str  # hash of the content key
    content_key: str = ""  # hex; "" until it was delivered
    wrong: bool = False  # another key than the promised one was delivered


@dataclass(slots=True)
class Follows:
    """What the owner has chosen."""

    feeds: list[str] = field(default_factory=list)  # keys, hex
    blocked: list[str] = field(default_factory=list)  # pieces
    port: int = 0


class Shelf:
    """The files in `folder`. `limit` is in bytes, of everything that is seeded."""

    def __init__(self, folder: Path, limit: int = 200 << 20) -> None:
        self._folder, self._limit = folder, limit
        self.torrents = folder / "torrents"
        self.torrents.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secret = self._read("feed.key", lambda content: bytes.fromhex(content.decode())) or b""
        self.own: Feed | None = None
        if self.secret:
            self.own = self._feed_in("own.feed", keys.public_of(self.secret), needed=True)
        self.contents: dict[str, str] = self._json("contents.json", _contents) or {}
        self.till: Till | None = self._json("till.json", Till.from_json)
        self.follows: Follows = self._json("follows.json", _follows) or Follows()
        self.orders: dict[str, Order] = self._json("orders.json", _orders) or {}
        self.feeds: dict[str, Feed] = {}  # by key, hex; those that are known
        for key in self.follows.feeds:
            if found := self._feed_in(f"feeds/{key}.feed", bytes.fromhex(key)):
                self.feeds[key] = found
        if not self.follows.port:
            self.follows.port = random.SystemRandom().randrange(*PORTS)
            self.save_follows()

    # --- reading --------------------------------------------------------------------------------------------

    def _read(self, name: str, decode: Any) -> Any:
        def guarded(content: bytes) -> Any:
            try:
                return decode(content)
            except (KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ValueError(
                    f"it does not have the fields that it should have ({error!r:.60})"
                ) from error

        return files.read(self._folder / name, guarded, LARGEST, needed=True)  # or it would be written over

    def _json(self, name: str, decode: Any) -> Any:
        return self._read(name, lambda content: decode(json.loads(content)))

    def _feed_in(self, name: str, key: bytes, *, needed: bool = False) -> Feed | None:
        return files.read(self._folder / name, lambda text: read(key, text), MAX_FEED, needed=needed)

    # --- what feeds name ------------------------------------------------------------------------------------

    @property
    def all_feeds(self) -> list[Feed]:
        """The artist's own feed first."""
        return [*([self.own] if self.own else []), *self.feeds.values()]

    def pieces_of(self, feed: Feed) -> list[Entry]:
        """The pieces of a feed, oldest first: not blocked by the owner, nor withdrawn, unless they were bought."""
        bought = {order.piece for order in self.orders.values() if order.content_key}
        hidden = {*self.follows.blocked} | (feed.gone.keys() - bought)
        return [entry for entry in feed.entries.values() if entry.piece not in hidden]

    @property
    def is_complete(self) -> bool:
        """Whether everything that can name a piece is here: if not, it can still be put back, or fetched again."""
        own = self.own or not (self.secret or self.contents or self.till)
        lost = any(self._folder.glob("*.bad")) or any(key not in self.feeds for key in self.follows.feeds)
        return bool(own) and not lost

    @property
    def torrents_named(self) -> set[str]:
        """The torrents of all pieces."""
        return {entry.torrent for feed in self.all_feeds for entry in self.pieces_of(feed)}

    def find(self, named: str, *, own: bool = False) -> tuple[Feed, Entry]:
        """The feed and the entry of a piece, by its id or the beginning of it. Raises Unknown."""
        feeds = self.all_feeds if not own else self.all_feeds[: bool(self.own)]
        # Of a piece that several feeds name, the feed that was known first counts: none can hide another one's pieces.
        found = {
            entry.piece: (feed, entry)
            for feed in reversed(feeds)
            for entry in self.pieces_of(feed)
            if entry.piece.startswith(named.lower())
        }
        if len(named) < LEAST:
            raise Unknown(f"{named!r:.70} is too short: name a piece by {LEAST} letters of its id, or more.")
        if len(found) != 1:
            few = "Several pieces begin" if len(found) > 1 else "No piece of a followed feed begins"
            raise Unknown(f"{few} with {named!r:.70}; `stellar-wind piece list` shows them.")
        return next(iter(found.values()))

    def order_of(self, piece: str) -> Order | None:
        """The order of a piece."""
        return next((order for order in self.orders.values() if order.piece == piece), None)

    # --- writing --------------------------------------------------------------------------------------------

    def _write(self, name: str, body: Any) -> None:
        files.write(self._folder / name, body if isinstance(body, bytes) else json.dumps(body).encode())

    def save_secret(self, secret: bytes) -> None:
        """Begin with another feed key."""
        self._write("feed.key", secret.hex().encode())
        self.secret = secret

    def save_own(self, feed: Feed) -> None:
        """The artist's feed has another line."""
        self._write("own.feed", feed.text)
        self.own = feed

    def save_content(self, number: int, key: bytes) -> None:
        """Keep the content key of a sale."""
        self.contents[str(number)] = key.hex()
        self._write("contents.json", self.contents)

    def save_till(self, till: Till) -> None:
        """Keep what was paid."""
        if till != self.till:
            self._write("till.json", till.as_json())
            self.till = till

    def save_follows(self) -> None:
        """Keep what the owner has chosen."""
        self._write("follows.json", asdict(self.follows))

    def save_orders(self) -> None:
        """Keep what was bought."""
        self._write("orders.json", {memo: asdict(order) for memo, order in self.orders.items()})

    def save_feed(self, feed: Feed) -> None:
        """Keep a feed that was verified. Raises ShelfFull."""
        self.check_feed(feed.key.hex(), feed.text)
        self._write(f"feeds/{feed.key.hex()}.feed", feed.text)
        self.feeds[feed.key.hex()] = feed

    def check_feed(self, key: str, text: bytes) -> None:
        """Raise ShelfFull if there is no room for a feed, which need not be verified yet."""
        others = [each for other, each in self.feeds.items() if other != key]
        size = len(text) + sum(len(each.text) for each in others)
        lines = text.count(b"\n") + sum(len(each.marks) for each in others)
        if size > MAX_FEEDS or lines > MAX_ALL_LINES:
            raise ShelfFull(
                f"All feeds together have more than {MAX_ALL_LINES:,} lines or {MAX_FEEDS >> 20} MB: unfollow one."
            )

    def drop_feed(self, key: str) -> None:
        """Forget a feed."""
        self.feeds.pop(key, None)
        (self._folder / "feeds" / f"{key}.feed").unlink(missing_ok=True)

    # --- what is seeded -------------------------------------------------------------------------------------

    def check_room(self, size: int) -> None:
        """Raise ShelfFull if there is no room for so many bytes."""
        taken = sum(file.stat().st_size for file in self.torrents.rglob("*") if file.is_file())
        if taken + size > self._limit:
            raise ShelfFull(
                f"The shelf is full ({taken >> 20} of {self._limit >> 20} MB): forget a piece with "
                "`stellar-wind piece forget ID`, or raise pieces.shelf."
            )

    def put(self, name: str, content: Mapping[str, bytes] | bytes) -> Path:
        """Write a file, or a folder of files, to share; `placed` moves it to where its info hash says."""
        new = self.torrents / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if isinstance(content, bytes):
            (new / name).write_bytes(content)
        else:
            # On the disk before a feed names them: sealed again they would differ.
            for inner, data in content.items():
                files.write(new / name / inner, data)
        return new / name

    def placed(self, path: Path, torrent: str) -> Path:
        """The path of what `put` wrote, in the folder of its torrent."""
        home = self.torrents / torrent
        shutil.rmtree(home, ignore_errors=True)
        path.parent.rename(home)
        return home / path.name

    def remove(self, torrent: str) -> None:
        """Delete the files of a torrent."""
        shutil.rmtree(self.torrents / torrent, ignore_errors=True)

    def held(self) -> Iterable[Path]:
        """What is there to seed: each path ends with the torrent's own name."""
        for home in sorted(self.torrents.iterdir()):
            for name in (FOLDER, "feed"):
                if len(home.name) == 2 * keys.SIZE and (home / name).exists():
                    yield home / name

    def has_cover(self, torrent: str) -> bool:
        """Whether a piece that is here has a cover."""
        return (self.torrents / torrent / FOLDER / COVER).is_file()

    def piece_files(self, torrent: str) -> dict[str, bytes]:
        """The files of a piece that is here, within bounds. Raises Untrusted and OSError."""
        place = self.torrents / torrent / FOLDER
        names = os.listdir(place)
        if len(names) > MAX_TRACKS + 2:
            raise Untrusted("The piece has more files than a piece has.")
        found = {}
        for name in names:
            with (place / name).open("rb") as file:
                found[name] = file.read(most(name) + 1)
        return found

    def open_scores(self, piece: str, scores: list[bytes]) -> list[Path]:
        """Write scores for the player to read, in the place of those of the piece before."""
        place = self._folder / "playing"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        paths = [place / f"{piece[:12]}-{number:02}.score.gz" for number in range(1, len(scores) + 1)]
        for path, content in zip(paths, scores, strict=True):
            path.write_bytes(content)
        return paths


def _contents(body: dict[str, Any]) -> dict[str, str]:
    if not all(number.isdecimal() and is_hash(key) for number, key in body.items()):
        raise ValueError("it names an invalid sale or key")
    return body


def _follows(body: dict[str, Any]) -> Follows:
    found = Follows(**body)
    if not all(
        isinstance(names, list) and all(map(is_hash, names)) for names in (found.feeds, found.blocked)
    ):
        raise ValueError("it names an invalid feed or piece")
    if type(found.port) is not int or not 0 <= found.port < 1 << 16:
        raise ValueError("its port is not a number from 0 to 65535")
    return found


def _orders(body: dict[str, Any]) -> dict[str, Order]:
    found = {memo: Order(**each) for memo, each in body.items()}
    for memo, order in found.items():
        names = (memo, order.secret, order.piece, order.feed, order.promise, order.content_key or memo)
        if not all(map(is_hash, names)):
            raise ValueError("it has an invalid order")
    return found
