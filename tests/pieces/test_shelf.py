# SPDX-License-Identifier: Apache-2.0
"""What the pieces keep on the disk: what was written is read, and a file that is damaged is put aside."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from appliance.pieces import keys
from appliance.pieces.shelf import Order, Shelf
from tests.support.artists import Artist, draft

KEY = "ab" * 32


def test_what_is_written_is_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.save_secret(secret := keys.new_secret())
    shelf.save_content(7, b"k" * 32)
    shelf.follows.feeds.append(KEY)
    shelf.follows.blocked.append(KEY)
    shelf.save_follows()
    shelf.orders[KEY] = Order(KEY, KEY, KEY, KEY)
    shelf.save_orders()
    again = Shelf(tmp_path)
    assert (again.secret, again.contents, again.follows) == (secret, {"7": (b"k" * 32).hex()}, shelf.follows)
    assert again.orders == shelf.orders
    assert not list(tmp_path.glob("*.bad"))


def test_what_was_bought_stays_when_it_is_withdrawn(tmp_path: Path) -> None:
    shelf, artist = Shelf(tmp_path), Artist()
    free, _ = artist.publishes(draft("Free"))
    sold, _ = artist.publishes(draft("Sold"))
    shelf.orders[KEY] = Order(KEY, sold, artist.key.hex(), KEY, content_key=KEY)
    assert [entry.piece for entry in shelf.pieces_of(artist.feed)] == [free, sold]
    artist.says(gone=free)
    assert [entry.piece for entry in shelf.pieces_of(artist.says(gone=sold))] == [sold]


def test_a_feed_that_names_the_piece_of_another_one_does_not_hide_it(tmp_path: Path) -> None:
    shelf, ada, mallory = Shelf(tmp_path), Artist(), Artist("Mallory")
    piece, _ = ada.publishes(draft())
    mallory.says(piece=piece, torrent="cd" * 32, bytes=9, title="Mine")
    for artist in (ada, mallory):
        shelf.save_feed(artist.feed)
    assert shelf.find(piece) == (ada.feed, ada.feed.entries[piece])
    assert shelf.find(piece[:8]) == (ada.feed, ada.feed.entries[piece])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.key", "zz"),
        ("own.feed", "no line"),
        ("contents.json", '{"7":5}'),
        ("contents.json", f'{{"x":"{KEY}"}}'),
        ("contents.json", "[7]"),
        ("till.json", '{"paid":5}'),
        ("follows.json", "[" * 10_000),
        ("follows.json", '{"feeds":[7]}'),
        ("follows.json", '{"feeds":["../../x"]}'),
        ("follows.json", '{"feeds":{}}'),
        ("follows.json", '{"feeds":null}'),
        ("follows.json", '{"blocked":3}'),
        ("follows.json", '{"port":"x"}'),
        ("follows.json", '{"port":70000}'),
        ("follows.json", '{"colour":"red"}'),
        ("orders.json", f'{{"{KEY}":{{"secret":"zz","piece":"","feed":"","promise":""}}}}'),
        ("orders.json", f'{{"{KEY}":{{}}}}'),
    ],
)
def test_a_damaged_file_is_put_aside_and_the_box_starts(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "feed.key").write_text(keys.new_secret().hex())
    (tmp_path / name).write_text(content)
    shelf = Shelf(tmp_path)
    assert (tmp_path / f"{name}.bad").read_text() == content
    assert (shelf.follows.feeds, shelf.follows.blocked, shelf.orders, shelf.contents) == ([], [], {}, {})
    assert shelf.follows.port


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.follows.feeds.append(KEY)
    shelf.save_follows()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # so that every open() fails
    try:
        with pytest.raises(OSError, match="Too many open files"):
            Shelf(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
