# SPDX-License-Identifier: Apache-2.0
"""A feed: what an artist has published, sold and delivered, as an append-only list of signed lines. Pure.

A feed is text. Each line is a signature (base64), a space and a JSON object. What is signed is a prefix of our own, the
hash of the line before, and the JSON; so no line can be moved, left out or inserted, and the signature means nothing
anywhere else: a Stellar transaction is signed as a SHA-256 hash, a DHT item begins with "4:salt".

    {"n":0,"feed":1,"artist":"Ada","words":"...","account":"G...","certificate":"..."}    whose feed it is, first
    {"n":1,"at":1790000000,"piece":ID,"torrent":HASH,"bytes":90000,"title":"Evening"}      a piece
    {"n":2,"at":...,"sale":7,"piece":ID,"network":"public","amount":"5","asset":"native","key":HASH}
                                                     its price; another line with the same number changes the amount
    {"n":3,"at":...,"order":MEMO,"piece":ID,"sealed":"..."}                                a content key for a buyer
    {"n":4,"at":...,"gone":ID}                                                             a piece is withdrawn

`at` is in seconds since 1970, by the artist's box. A line of another kind is ignored, so that later versions can add
some. The certificate is the account's signature of a sentence that names the feed's key (SEP-53).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.pieces.accounts import is_account, signed_message
from appliance.pieces.keys import SIZE, Untrusted, is_signed, public_of, sha256, sign

MAX_LINE = 8 << 10  # bytes
MAX_LINES = 2000
MAX_FEED = 1 << 20  # bytes
MAX_TEXT = 2000  # characters of the artist's words
MAX_NAME = 200  # characters of a name or a title
MAX_TIME = 2**40  # s since 1970
SALES = 1 << 12  # numbers of sales of a feed
MAX_STROOPS = 2**63 - 1  # of a payment
STROOPS = 10**7  # in a unit of any asset
HEAD = 1000  # bytes of a value in the DHT (BEP 44)
POINTER = "stellar-wind.feed"  # the account's data entry: the feed's key and the hash of its torrent
PREFIX = {"feed": b"Stellar Wind Box feed 1\n", "piece": b"Stellar Wind Box piece 1\n"}
NATIVE = "native"

_HASH = re.compile(r"[0-9a-f]{64}")
_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,7}))?")
_ASSET = re.compile(r"([A-Za-z0-9]{1,12}):(G[A-Z2-7]{55})")


# --- one signed line ----------------------------------------------------------------------------------------


def signed_line(kind: str, secret: bytes, before: bytes, body: Mapping[str, Any]) -> bytes:
    """A line of a feed, or the description of a piece, with its newline. Raises Untrusted if it is too long."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    line = b64encode(sign(secret, PREFIX[kind] + before + text)) + b" " + text + b"\n"
    if len(line) > MAX_LINE:
        raise Untrusted(f"The text is too long: a line has {MAX_LINE:,} bytes at most.")
    return line


def verified(kind: str, key: bytes, before: bytes, line: bytes) -> dict[str, Any]:
    """The object in a signed line. Raises Untrusted."""
    if len(line) > MAX_LINE:
        raise Untrusted(f"A line of a {kind} is longer than {MAX_LINE:,} bytes.")
    signature, _, text = line.rstrip(b"\n").partition(b" ")
    if not is_signed(key, PREFIX[kind] + before + text, from_base64(signature.decode("latin-1"))):
        raise Untrusted(f"A line of a {kind} is not signed by the key of its feed.")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Untrusted(f"A line of a {kind} is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Untrusted(f"A line of a {kind} is no JSON object.")
    return body


def from_base64(text: object) -> bytes:
    """The bytes, or nothing for what is no base64."""
    try:
        return b64decode(str(text), validate=True)
    except ValueError:
        return b""


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A field that is text for people: one line, or several for `words`. Raises Untrusted."""
    value, longest = body.get(name, ""), MAX_TEXT if name == "words" else MAX_NAME
    if not isinstance(value, str) or len(value) > longest:
        raise Untrusted(f"{name} is not text of up to {longest} characters.")
    # What could steer a terminal or a page is replaced.
    return "".join(
        each if each.isprintable() or (each == "\n" and name == "words") else " " for each in value
    )


def whole_of(body: Mapping[str, Any], name: str, highest: int) -> int:
    """A field that is a whole number from 0 to `highest`. Raises Untrusted."""
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= highest:
        raise Untrusted(f"{name} is not a whole number from 0 to {highest}.")
    return value


def is_hash(text: object) -> bool:
    """Whether this is 32 bytes in hex."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def hash_of(body: Mapping[str, Any], name: str) -> str:
    """A field that is 32 bytes in hex. Raises Untrusted."""
    value = body.get(name)
    if not is_hash(value):
        raise Untrusted(f"{name} is not 32 bytes in hex.")
    return str(value)


def stroops_of(amount: object) -> int:
    """An amount such as "5" or "0.5" in units of 10^-7. Raises Untrusted."""
    match = _AMOUNT.fullmatch(amount) if isinstance(amount, str) else None
    stroops = int(match[1]) * STROOPS + int((match[2] or "").ljust(7, "0")) if match else 0
    if not 0 < stroops <= MAX_STROOPS:
        raise Untrusted(f"{amount!r:.40} is no amount: a number above 0 with up to 7 decimals, such as 2.5.")
    return stroops


def amount_of(stroops: int) -> str:
    """The amount, as wallets write it."""
    whole, rest = divmod(stroops, STROOPS)
    return f"{whole}.{rest:07}".rstrip("0").rstrip(".")


def asset_of(asset: object) -> str:
    """An asset: "native" for lumens, or CODE:ISSUER. Raises Untrusted."""
    match = _ASSET.fullmatch(asset) if isinstance(asset, str) else None
    if asset != NATIVE and not (match and is_account(match[2])):
        raise Untrusted(f"{asset!r:.80} is no asset: native, or CODE:G... with the account that issues it.")
    return str(asset)


# --- feeds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece, as its feed names it."""

    piece: str  # SHA-256 of its signed description, hex
    torrent: str  # info hash (v2), hex
    size: int  # bytes
    title: str
    at: int


@dataclass(frozen=True, slots=True)
class Price:
    """What a sold piece costs from `at` on."""

    sale: int  # number; the memo of a payment begins with it
    piece: str
    network: str
    stroops: int
    asset: str
    promise: str  # hash of the content key
    at: int


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed whose every line has been verified."""

    key: bytes
    artist: str = ""
    words: str = ""
    account: str = ""
    text: bytes = b""
    marks: tuple[bytes, ...] = ()  # the hash of each line
    entries: Mapping[str, Entry] = field(default_factory=dict)  # by piece; those that are withdrawn too
    prices: Mapping[int, tuple[Price, ...]] = field(default_factory=dict)  # by number, oldest first
    gone: Mapping[str, int] = field(default_factory=dict)  # by piece, when it was withdrawn
    delivered: Mapping[str, bytes] = field(default_factory=dict)  # sealed content keys, by memo in hex

    @property
    def mark(self) -> bytes:
        """The hash of the last line."""
        return self.marks[-1] if self.marks else bytes(SIZE)

    def price(self, piece: str) -> Price | None:
        """What a piece costs now; None for one that is not sold."""
        found = [prices[-1] for prices in self.prices.values() if prices[-1].piece == piece]
        return found[-1] if found else None

    def extended(self, lines: Iterable[bytes]) -> Feed:
        """The feed with more lines. Raises Untrusted."""
        marks, entries, prices = [*self.marks], {**self.entries}, {**self.prices}
        gone, delivered, first = {**self.gone}, {**self.delivered}, {}
        text = [self.text]
        for line in lines:
            body = verified("feed", self.key, marks[-1] if marks else bytes(SIZE), line)
            if whole_of(body, "n", MAX_LINES) != len(marks):
                raise Untrusted("A line of the feed has the number of another one.")
            if not marks:
                first = self._first(body)
            elif "torrent" in body:
                entry = _entry(body)
                entries[entry.piece] = entry
            elif "sale" in body:
                price = _price(body)
                prices[price.sale] = (*_of_the_same_sale(price, prices), price)
            elif "order" in body:
                delivered[hash_of(body, "order")] = from_base64(body.get("sealed"))
            elif "gone" in body:
                gone[hash_of(body, "gone")] = whole_of(body, "at", MAX_TIME)
            marks.append(sha256(line))
            text.append(line)
        return replace(
            self,
            text=b"".join(text),
            marks=tuple(marks),
            entries=entries,
            prices=prices,
            gone=gone,
            delivered=delivered,
            **first,
        )

    def written(self, secret: bytes, body: Mapping[str, Any]) -> Feed:
        """The feed with a new line of its owner's. Raises Untrusted if it is full, or the line is not valid."""
        line = signed_line("feed", secret, self.mark, {**body, "n": len(self.marks)})
        if len(self.marks) >= MAX_LINES or len(self.text) + len(line) > MAX_FEED:
            raise Untrusted(
                "The feed is full: stop the service, copy its folder to a safe place, remove own.feed, feed.key, "
                "contents.json and till.json from it, and begin another feed."
            )
        return self.extended([line])

    def _first(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("feed") != 1:
            raise Untrusted("The feed has a format that this version does not know.")
        account, certificate = text_of(body, "account"), from_base64(body.get("certificate"))
        if not signed_message(account, sentence(account, self.key), certificate):
            raise Untrusted("The feed has no valid certificate: its account has not signed the feed's key.")
        artist, words = text_of(body, "artist"), text_of(body, "words")
        return {"account": account, "artist": artist, "words": words}


def _entry(body: Mapping[str, Any]) -> Entry:
    piece, torrent, size = hash_of(body, "piece"), hash_of(body, "torrent"), whole_of(body, "bytes", MAX_TIME)
    return Entry(piece, torrent, size, text_of(body, "title"), whole_of(body, "at", MAX_TIME))


def _price(body: Mapping[str, Any]) -> Price:
    return Price(
        whole_of(body, "sale", SALES - 1),
        hash_of(body, "piece"),
        text_of(body, "network"),
        stroops_of(body.get("amount")),
        asset_of(body.get("asset")),
        hash_of(body, "key"),
        whole_of(body, "at", MAX_TIME),
    )


def _of_the_same_sale(price: Price, prices: Mapping[int, tuple[Price, ...]]) -> tuple[Price, ...]:
    before = prices.get(price.sale, ())
    if before and (before[0].piece, before[0].promise) != (price.piece, price.promise):
        raise Untrusted("The feed sells two pieces under one number.")
    return before


def sentence(account: str, key: bytes) -> str:
    """What the artist's account signs once, in any wallet that signs messages (SEP-53). No transaction looks so."""
    return f"Stellar Wind Box: the pieces of {account} are in the feed {key.hex()}."


def begin(secret: bytes, account: str, certificate: bytes, artist: str, words: str) -> Feed:
    """A new feed, which the account has certified. Raises Untrusted."""
    said = {
        "account": account,
        "certificate": b64encode(certificate).decode(),
        "artist": artist,
        "words": words,
    }
    return Feed(public_of(secret)).written(secret, {"feed": 1, **said})


def read(key: bytes, text: bytes, known: Feed | None = None) -> Feed:
    """The feed of `key` in `text`. Raises Untrusted if it is none, or not what was `known` with more at its end."""
    if len(text) > MAX_FEED or text.count(b"\n") > MAX_LINES:
        raise Untrusted(f"The feed is larger than {MAX_FEED:,} bytes or {MAX_LINES:,} lines.")
    feed = known if known and text.startswith(known.text) else Feed(key)
    feed = feed.extended(text[len(feed.text) :].splitlines(keepends=True))
    if not feed.marks or not text.endswith(b"\n"):
        raise Untrusted("The feed is empty, or its last line is cut off.")
    if known and len(feed.marks) < len(known.marks):
        raise Untrusted(f"The feed is older than the one that is known, with {len(known.marks)} lines.")
    if known and feed.marks[: len(known.marks)] != known.marks:
        raise Untrusted("The feed contradicts the lines that are known: its key has signed two versions.")
    return feed


# --- where the newest one is --------------------------------------------------------------------------------


def head(feed: Feed, torrent: str) -> bytes:
    """What the DHT says of a feed: how many lines it has, and in which torrent. The DHT's item is signed by its key."""
    return json.dumps({"lines": len(feed.marks), "torrent": torrent}).encode()


def read_head(value: bytes) -> tuple[int, str] | None:
    """Lines and torrent, or None if the value says something else."""
    try:
        body = json.loads(value) if len(value) <= HEAD else None
        return (
            (whole_of(body, "lines", MAX_LINES), hash_of(body, "torrent")) if isinstance(body, dict) else None
        )
    except (ValueError, RecursionError):
        return None


def pointer(feed: Feed, torrent: str) -> bytes:
    """The value of the account's data entry: exactly the 64 bytes that it can have."""
    return feed.key + bytes.fromhex(torrent)


def read_pointer(value: bytes) -> tuple[bytes, str]:
    """The feed's key and a torrent of it. Raises Untrusted."""
    if len(value) != 2 * SIZE:
        raise Untrusted(f"The account's data entry {POINTER} names no feed.")
    return value[:SIZE], value[SIZE:].hex()
