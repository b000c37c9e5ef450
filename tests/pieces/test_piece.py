# SPDX-License-Identifier: Apache-2.0
"""Pieces: what is made is taken, and what is changed, too large or something else is not."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.pieces import keys
from appliance.pieces.feed import signed_line
from appliance.pieces.keys import Untrusted
from appliance.pieces.piece import (
    MAX_DRAFT,
    MAX_SCORE,
    check_cover,
    check_names,
    check_score,
    described,
    draft_of,
    id_of,
    loaded,
    opened,
    pack,
    scores,
    unpack,
)
from appliance.score.format import BadScore
from tests.support.artists import AT, PNG, Artist, draft, score

KEY = b"k" * 32


def test_all_that_an_artist_says_comes_back() -> None:
    ada = Artist()
    made = unpack(pack(draft("Evening", tracks=2, cover=PNG)))
    piece, files = ada.publishes(made)
    found = opened(files, ada.key, piece)
    assert (found.title, found.artist, found.words, found.cover) == ("Evening", "Ada", "Of a calm sea.", PNG)
    assert [(track.title, track.seconds) for track in found.tracks] == [("Part 0", 20.0), ("Part 1", 20.0)]
    assert scores(found) == [track.content for track in made.tracks]


def test_only_sealed_bytes_of_a_sold_piece_exist() -> None:
    ada, made = Artist(), draft()
    piece, files = ada.publishes(made, KEY)
    assert not any(made.tracks[0].content in content for content in files.values())
    found = opened(files, ada.key, piece)
    assert found.promise == keys.promise(KEY)
    assert scores(found, KEY) == [made.tracks[0].content]
    for wrong in (b"", b"x" * 32):
        with pytest.raises(Untrusted):
            scores(found, wrong)


def changed(**more: Any) -> Callable[[dict[str, bytes], Artist], dict[str, bytes]]:
    """The same piece with another description, which its artist has signed too."""

    def change(files: dict[str, bytes], ada: Artist) -> dict[str, bytes]:
        body = json.loads(files["piece.json"].partition(b" ")[2]) | more
        return {**files, "piece.json": signed_line("piece", ada.secret, b"", body)}

    return change


def said(name: str = "track-01.score.gz", **more: Any) -> dict[str, Any]:
    return {name: {"bytes": 9, "sha256": "0" * 64} | more}


CHANGES: dict[str, Callable[[dict[str, bytes], Artist], dict[str, bytes]]] = {
    "signed by somebody else": lambda files, ada: described(draft(), Artist("Eve").secret, "Ada", AT),
    "one bit": lambda files, ada: {**files, "track-01.score.gz": b"x" + files["track-01.score.gz"][1:]},
    "a file more": lambda files, ada: {**files, "cover.png": PNG},
    "a file less": lambda files, ada: {"piece.json": files["piece.json"]},
    "no description": lambda files, ada: {"track-01.score.gz": files["track-01.score.gz"]},
    "another format": changed(piece=2),
    "no files": changed(files=None),
    "a list of files": changed(files=[]),
    "a file that is not described": changed(files={"track-01.score.gz": "x"}),
    "another hash": changed(files=said()),
    "no hash": changed(files=said(sha256=None)),
    "no tracks": changed(tracks=[]),
    "tracks that are none": changed(tracks="x"),
    "300 tracks": changed(tracks=[{"title": "x", "seconds": 1, "file": "track-01.score.gz"}] * 100),
    "a track that is none": changed(tracks=["x"]),
    "a track without a file": changed(tracks=[{"title": "x", "seconds": 1}]),
    "a track elsewhere": changed(tracks=[{"title": "x", "seconds": 1, "file": "../../etc/passwd"}]),
    "a track that is missing": changed(tracks=[{"title": "x", "seconds": 1, "file": "track-02.score.gz"}]),
    "a track without a length": changed(tracks=[{"title": "x", "file": "track-01.score.gz"}]),
    "an endless track": changed(tracks=[{"title": "x", "seconds": 1e300, "file": "track-01.score.gz"}]),
    "a title that is none": changed(title=["x"]),
    "a key that is none": changed(key="x"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_piece_that_is_not_what_was_signed_is_refused(name: str) -> None:
    ada = Artist()
    _, files = ada.publishes(draft())
    forged = CHANGES[name](dict(files), ada)
    with pytest.raises(Untrusted):
        opened(forged, ada.key, id_of(forged.get("piece.json", b"")))


def test_another_piece_than_the_feed_names_is_refused() -> None:
    ada = Artist()
    _, files = ada.publishes(draft())
    other, _ = ada.publishes(draft("Morning"))
    with pytest.raises(Untrusted):
        opened(files, ada.key, other)


def test_a_signed_cover_is_checked_too() -> None:
    ada = Artist()
    made = draft(cover=PNG)
    files = described(type(made)(made.title, "", made.tracks, b"GIF89a"), ada.secret, "Ada", AT)
    with pytest.raises(Untrusted):
        opened(files, ada.key, id_of(files["piece.json"]))


def test_a_signed_file_that_is_too_large_is_refused() -> None:
    ada, made = Artist(), draft()
    large = type(made.tracks[0])("x", 1.0, bytes(MAX_SCORE + 2048))
    files = described(type(made)(made.title, "", (large,)), ada.secret, "Ada", AT)
    with pytest.raises(Untrusted):
        opened(files, ada.key, id_of(files["piece.json"]))


# --- before a byte is fetched -------------------------------------------------------------------------------


def test_names_and_sizes_of_a_piece_are_taken() -> None:
    check_names({"piece/piece.json": 900, "piece/track-01.score.gz": 90_000, "piece/cover.png": 1000})


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"piece.json": 900},
        {"piece/track-01.score.gz": 900},
        {"piece/piece.json": 900, "piece/run.sh": 10},
        {"piece/piece.json": 900, "piece/../x": 10},
        {"piece/piece.json": 900, "other/track-01.sealed": 10},
        {"piece/piece.json": 9000},
        {"piece/piece.json": 900, "piece/track-01.score.gz": 3 << 20},
        {"piece/piece.json": 900, "piece/cover.png": 2 << 20},
        {"piece/piece.json": 900, **{f"piece/track-{number:02}.sealed": 9 for number in range(99)}},
        {"piece/piece.json": 900, **{f"piece/track-{number:02}.sealed": 2 << 20 for number in range(9)}},
    ],
)
def test_what_is_no_piece_is_refused_by_its_names_and_sizes(sizes: dict[str, int]) -> None:
    with pytest.raises(Untrusted):
        check_names(sizes)


# --- drafts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"[]",
        b"[" * 10_000,
        b'{"draft":2}',
        b'{"draft":1,"tracks":[1]}',
        b'{"draft":1,"tracks":[],"title":"x"}',
        b'{"draft":1,"title":"x","tracks":[' + b"{}," * 1_000_000 + b"{}]}",
        pack(draft()) + b" " * MAX_DRAFT,
    ],
)
def test_what_is_no_draft_is_refused(content: bytes) -> None:
    with pytest.raises(Untrusted):
        unpack(content)


def test_json_of_very_many_values_is_not_read() -> None:
    tracemalloc.start()
    try:
        for mark in (b"{},", b"[],", b"0,"):
            content = b"[" + mark * 1_000_000 + b"0]"
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            assert loaded(content) is None
            assert tracemalloc.get_traced_memory()[1] - before < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_text_of_commas_and_brackets_is_a_draft() -> None:
    made = draft_of("," * 200, "[{," * 600, [("]" * 200, score())] * 16)
    assert unpack(pack(made)) == made


def test_the_score_that_is_wrong_is_named() -> None:
    pair = [("One", score()), ("Two", b"junk")]
    with pytest.raises(BadScore, match=r"two\.score\.gz"):
        draft_of("x", "", pair, sources=["one.score.gz", "two.score.gz"])
    with pytest.raises(BadScore, match="Track 2"):
        draft_of("x", "", pair)


def test_a_draft_without_a_title_or_with_too_much_is_refused() -> None:
    with pytest.raises(Untrusted):
        draft_of(" ", "", [("x", score())])
    with pytest.raises(Untrusted):
        draft_of("x", "", [("x", score())] * 17)
    heavy = START + (b'{"t":1,"brightness":0,"wind":0,"space":0,"x":"%s"}\n' % (b"x" * 60_000)) * 17
    with pytest.raises(Untrusted):
        draft_of("x", "", [("x", heavy)] * 9)


@pytest.mark.parametrize(
    "cover",
    [
        b"",
        b"GIF89a",
        PNG[:-1],
        PNG.replace((600).to_bytes(4, "big"), (9000).to_bytes(4, "big")),
        PNG[:40] + bytes(1 << 20) + PNG[40:],
    ],
)
def test_what_is_no_cover_is_refused(cover: bytes) -> None:
    with pytest.raises(Untrusted):
        check_cover(cover)


# --- bombs --------------------------------------------------------------------------------------------------

START = b'{"score":1,"network":"public","scene":"wind","scale":"wind","root":"C","tempo":60,"seconds":9}\n'
BOMBS = {
    "one endless line": lambda: START + b" " * (200 << 20),
    "many short lines": lambda: START + b"{}\n" * (60 << 20),
    "deep JSON": lambda: START + b"[" * 60_000,
    "a crowd of beds": lambda: START + b'{"t":1,"brightness":0,"wind":0,"space":0}\n' * 200_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little(name: str) -> None:
    content = gzip.compress(BOMBS[name]())
    assert len(content) < MAX_SCORE
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises((BadScore, Untrusted)):
            check_score(content, Path("bomb.score.gz"))
        assert time.process_time() - began < 5  # s
        assert tracemalloc.get_traced_memory()[1] < 100e6  # bytes
    finally:
        tracemalloc.stop()


def test_a_score_that_is_too_large_is_refused() -> None:
    with pytest.raises(Untrusted):
        check_score(bytes(MAX_SCORE + 1), Path("x"))
