# SPDX-License-Identifier: Apache-2.0
"""Feeds: what they say, and every way to forge one."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from appliance.pieces import feed as feeds
from appliance.pieces import keys
from appliance.pieces.feed import MAX_FEED, MAX_LINE, MAX_LINES, PREFIX, Feed, read, text_of
from appliance.pieces.keys import Untrusted
from tests.support.artists import AT, TORRENT, Artist, draft

P = "cd" * 32  # the id of a piece


def lines(feed: Feed) -> list[bytes]:
    return feed.text.splitlines(keepends=True)


def signed(secret: bytes, before: bytes, text: bytes) -> bytes:
    return b64encode(keys.sign(secret, PREFIX["feed"] + before + text)) + b" " + text + b"\n"


@pytest.fixture(scope="module")
def ada() -> Artist:
    artist = Artist()
    for title in ("one", "two", "three"):
        artist.publishes(draft(title))
    return artist


def test_a_feed_says_whose_it_is_and_what_there_is(ada: Artist) -> None:
    found = read(ada.key, ada.feed.text)
    assert found == ada.feed
    assert (found.artist, found.words, found.account) == ("Ada", "Evenings.", ada.account)
    assert [entry.title for entry in found.entries.values()] == ["one", "two", "three"]
    assert {entry.torrent for entry in found.entries.values()} == {TORRENT}


def test_a_known_feed_grows() -> None:
    artist = Artist()
    before = artist.says(piece=P, torrent=TORRENT, bytes=9, title="one")
    after = artist.says(gone=P)
    assert read(artist.key, after.text, before) == after
    assert read(artist.key, after.text, after) == after
    assert (list(before.gone), list(after.gone)) == ([], [P])


def test_a_price_can_be_changed_by_a_new_line() -> None:
    artist = Artist()
    artist.says(piece=P, torrent=TORRENT, bytes=9, title="one")
    assert artist.feed.price(P) is None
    artist.sells(P, "5")
    artist.sells(P, "2.5", at=AT + 60)
    price = read(artist.key, artist.feed.text).price(P)
    assert price
    assert (price.stroops, price.asset, price.at) == (25_000_000, "native", AT + 60)
    assert artist.feed.price("ef" * 32) is None


def test_a_delivery_is_found_by_its_memo() -> None:
    artist = Artist()
    artist.says(order="12" * 32, piece=P, sealed=b64encode(b"key").decode())
    assert read(artist.key, artist.feed.text).delivered == {"12" * 32: b"key"}


def test_a_line_of_a_later_version_is_ignored() -> None:
    artist = Artist()
    artist.says(weather="calm")
    artist.says(piece=P, torrent=TORRENT, bytes=9, title="one", mood=["new"])
    assert list(read(artist.key, artist.feed.text).entries) == [P]


def test_text_cannot_steer_a_terminal() -> None:
    artist = Artist("A\x1b[2Jda")
    assert artist.feed.artist == "A [2Jda"


def forgeries(ada: Artist) -> dict[str, Callable[[], object]]:
    thief, key, text = Artist("Eve"), ada.key, ada.feed.text
    first, one, two, three = lines(ada.feed)
    older, other = read(key, first + one), Artist()
    other.wallet, other.secret, other.account, other.key = ada.wallet, ada.secret, ada.account, ada.key
    other.feed = read(key, first)
    for title in ("one", "other", "three", "four"):
        other.says(piece=P, torrent=TORRENT, bytes=9, title=title)
    by_thief = feeds.begin(thief.secret, thief.account, thief.certificate(), "Ada", "").text
    stolen = Feed(thief.key)  # A's certificate in the thief's feed
    certificate = b64encode(ada.certificate()).decode()
    zero, mark = bytes(32), ada.feed.mark
    return {
        "signed by another key": lambda: read(key, signed(thief.secret, zero, first.partition(b" ")[2])),
        "another's feed under this key": lambda: read(key, by_thief),
        "a letter changed": lambda: read(key, text.replace(b'"two"', b'"tow"')),
        "a line left out": lambda: read(key, first + one + three),
        "two lines exchanged": lambda: read(key, first + two + one + three),
        "a line twice": lambda: read(key, text + three),
        "a line cut off": lambda: read(key, text[:-10]),
        "no newline": lambda: read(key, text[:-1]),
        "a piece's signature as a line": lambda: read(
            key, text + feeds.signed_line("piece", ada.secret, mark, {"n": 4})
        ),
        "a wrong number": lambda: read(key, text + signed(ada.secret, mark, b'{"n":9}')),
        "no number": lambda: read(key, text + signed(ada.secret, mark, b"{}")),
        "no account behind it": lambda: Feed(key).written(ada.secret, {"feed": 1}),
        "another's certificate": lambda: stolen.written(
            thief.secret, {"feed": 1, "account": ada.account, "certificate": certificate}
        ),
        "another format": lambda: Feed(key).written(
            ada.secret, {"feed": 2, "account": ada.account, "certificate": certificate}
        ),
        "older than known": lambda: read(key, first + one, ada.feed),
        "another past, and longer": lambda: read(key, other.feed.text, ada.feed),
        "another past of the same length": lambda: read(key, b"".join(lines(other.feed)[:2]), older),
        "a line of 9 kB": lambda: read(
            key, text + signed(ada.secret, mark, b'{"n":4,"x":"%s"}' % (b"x" * 9000))
        ),
        "2 MB": lambda: read(key, b"\n" * (2 << 20)),
        "too many lines": lambda: read(key, b"\n" * (MAX_LINES + 1)),
        "deep JSON": lambda: read(key, signed(ada.secret, zero, b"[" * 7000)),
        "no JSON": lambda: read(key, signed(ada.secret, zero, b"\xff\x00")),
        "a list": lambda: read(key, signed(ada.secret, zero, b"[]")),
        "no text": lambda: read(key, b""),
        "noise": lambda: read(key, bytes(range(256)) * 8),
    }


def test_every_forgery_is_refused(ada: Artist) -> None:
    taken = []
    for name, forge in forgeries(ada).items():
        try:
            forge()
        except Untrusted:
            continue
        taken.append(name)
    assert taken == []
    assert len(forgeries(ada)) >= 24


@pytest.mark.parametrize(
    "wrong",
    [
        {"piece": P, "torrent": "short", "bytes": 9, "title": "x"},
        {"piece": P.upper(), "torrent": TORRENT, "bytes": 9, "title": "x"},
        {"piece": P, "torrent": TORRENT, "bytes": -1, "title": "x"},
        {"piece": P, "torrent": TORRENT, "bytes": True, "title": "x"},
        {"piece": P, "torrent": TORRENT, "bytes": 9, "title": 7},
        {"piece": P, "torrent": TORRENT, "bytes": 9, "title": "x" * 201},
        {"sale": 4096, "piece": P, "network": "public", "amount": "5", "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "0", "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "-5", "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "1e9", "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": 5, "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "999999999999", "asset": "native", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "5", "asset": "EUR", "key": P},
        {"sale": 1, "piece": P, "network": "public", "amount": "5", "asset": "EUR:G" + "A" * 55, "key": P},
        {"order": "12", "piece": P, "sealed": ""},
        {"gone": P, "at": "today"},
    ],
)
def test_a_line_out_of_its_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Untrusted):
        Artist().says(**wrong)


def test_a_number_sells_one_piece() -> None:
    artist = Artist()
    artist.sells(P)
    with pytest.raises(Untrusted):
        artist.sells("ef" * 32)
    with pytest.raises(Untrusted):
        artist.sells(P, content_key=b"x" * 32)


def test_a_line_that_is_too_long_is_not_written() -> None:
    with pytest.raises(Untrusted):
        Artist().says(x="x" * MAX_LINE)


def test_a_full_feed_is_not_written() -> None:
    artist = Artist()
    while len(artist.feed.text) < MAX_FEED - 7200:
        artist.says(x="x" * 7000)
    with pytest.raises(Untrusted):
        artist.says(x="x" * 7000)


def test_the_largest_feed_is_read_in_seconds() -> None:
    artist, text, mark = Artist(), [], b""
    text.append(artist.feed.text)
    mark = artist.feed.mark
    for number in range(1, MAX_LINES):
        line = feeds.signed_line(
            "feed",
            artist.secret,
            mark,
            {
                "n": number,
                "at": AT,
                "piece": f"{number:064x}",
                "torrent": TORRENT,
                "bytes": 9,
                "title": "x" * 90,
            },
        )
        mark = sha256(line).digest()
        text.append(line)
    began = time.process_time()
    assert len(read(artist.key, b"".join(text)).entries) == MAX_LINES - 1
    assert time.process_time() - began < 5


# --- where the newest one is --------------------------------------------------------------------------------


def test_a_head_and_a_pointer_name_the_feed(ada: Artist) -> None:
    assert feeds.read_head(feeds.head(ada.feed, TORRENT)) == (4, TORRENT)
    assert feeds.read_pointer(feeds.pointer(ada.feed, TORRENT)) == (ada.key, TORRENT)
    assert len(feeds.pointer(ada.feed, TORRENT)) == 64  # the most that an account's data entry can have


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        b"[]",
        b"[" * 900,
        b'{"lines":1}',
        b'{"lines":1,"torrent":"x"}',
        b'{"lines":-1,"torrent":"%s"}' % (b"ab" * 32),
        b" " * 2000,
    ],
)
def test_a_head_that_says_something_else_is_none(value: bytes) -> None:
    assert feeds.read_head(value) is None


def test_a_pointer_of_another_length_is_refused() -> None:
    with pytest.raises(Untrusted):
        feeds.read_pointer(bytes(63))


def test_amounts_are_written_as_wallets_do() -> None:
    for text, stroops in (("5", 50_000_000), ("0.5", 5_000_000), ("0.0000001", 1), ("120", 1_200_000_000)):
        assert feeds.stroops_of(text) == stroops
        assert feeds.amount_of(stroops) == text


def test_only_words_have_several_lines() -> None:
    said = {"title": "One\nSTOPPING=1\x1b[2J", "words": "One.\nTwo."}
    assert text_of(said, "title") == "One STOPPING=1 [2J"
    assert text_of(said, "words") == "One.\nTwo."
