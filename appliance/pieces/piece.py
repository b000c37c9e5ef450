# SPDX-License-Identifier: Apache-2.0
"""A piece: a signed description, one or several scores, and perhaps a cover. Data, and never code. Pure.

    piece.json        one signed line, see `described`
    track-01.score.gz and so on; track-01.sealed instead, if the piece is sold
    cover.png         its header and size are checked, and it is never decoded here

A draft is what `piece make` writes: the same, neither signed nor sealed, as one JSON file.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.pieces.feed import (
    MAX_TIME,
    from_base64,
    hash_of,
    signed_line,
    text_of,
    verified,
)
from appliance.pieces.keys import Untrusted, locked, promise, public_of, sha256, unlocked
from appliance.score.files import MAX_PACKED, Score, score_in

MAX_SCORE = MAX_PACKED
MAX_COVER = 1 << 20  # bytes
MAX_DESCRIPTION = 8 << 10  # bytes
MAX_TRACKS = 16
MAX_PIECE = 8 << 20  # bytes of all files
MAX_DRAFT = 2 * MAX_PIECE  # bytes; base64 takes a third more
MAX_VALUES = 20_000  # of a draft's JSON: it has 40, and its texts can hold some thousand commas and brackets
MAX_SIDE = 4096  # pixels of a cover
FOLDER, DESCRIPTION, COVER = "piece", "piece.json", "cover.png"

_TRACK = re.compile(r"track-\d\d\.(?:score\.gz|sealed)")


@dataclass(frozen=True, slots=True)
class Track:
    """One score of a piece."""

    title: str
    seconds: float
    content: bytes  # of its file


@dataclass(frozen=True, slots=True)
class Draft:
    """What an artist wants to publish."""

    title: str
    words: str
    tracks: tuple[Track, ...]
    cover: bytes = b""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece that its artist has signed, and whose files are as they were signed."""

    piece: str  # its id
    title: str
    artist: str
    words: str
    tracks: tuple[Track, ...]  # sealed ones, if it is sold
    cover: bytes
    promise: str  # hash of the content key; "" if it is not sealed


# --- making one ---------------------------------------------------------------------------------------------


def draft_of(
    title: str,
    words: str,
    scores: Sequence[tuple[str, bytes]],
    cover: bytes = b"",
    sources: Sequence[object] = (),
) -> Draft:
    """A draft of these scores, each with its title. Raises Untrusted or BadScore for what no box would take.

    `sources` name the scores in errors, if they have other names than their numbers.
    """
    said = {"title": title, "words": words}
    title, words = text_of(said, "title"), text_of(said, "words")
    if not title.strip():
        raise Untrusted("A piece needs a title.")
    check_tracks(len(scores))
    names = [str(source) for source in sources] or [f"Track {number}" for number in range(1, len(scores) + 1)]
    tracks = tuple(_track(*each, Path(name)) for each, name in zip(scores, names, strict=True))
    if cover:
        check_cover(cover)
    if sum(len(track.content) for track in tracks) + len(cover) > MAX_PIECE:
        raise Untrusted(f"The piece is larger than {MAX_PIECE >> 20} MB: publish it in two.")
    return Draft(title, words, tracks, cover)


def check_tracks(count: int) -> None:
    """Raise Untrusted for more or fewer tracks than a piece has."""
    if not 1 <= count <= MAX_TRACKS:
        raise Untrusted(f"A piece has 1 to {MAX_TRACKS} tracks, and not {count}.")


def _track(title: str, content: bytes, path: Path) -> Track:
    score = check_score(content, path)
    return Track(text_of({"title": title}, "title"), round(score.header.seconds, 1), content)


def check_score(content: bytes, path: Path) -> Score:
    """The score in the bytes of a file. Raises Untrusted if it is too large, and BadScore if any of it is wrong."""
    if len(content) > MAX_SCORE:
        raise Untrusted(
            f"{path} is larger than {MAX_SCORE >> 20} MB, the most that a score of a piece can have."
        )
    return score_in(content, path)


def check_cover(content: bytes) -> None:
    """Raise Untrusted for what is no PNG picture, or a larger one than a page shows."""
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    whole = content.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") and content.endswith(b"IEND\xaeB`\x82")
    if len(content) > MAX_COVER or not whole or not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise Untrusted(
            f"The cover is no PNG picture of up to {MAX_SIDE} by {MAX_SIDE} pixels and {MAX_COVER >> 20} MB."
        )


def pack(draft: Draft) -> bytes:
    """A draft as a file."""
    tracks = [{"title": each.title, "score": b64encode(each.content).decode()} for each in draft.tracks]
    fields = {"draft": 1, "title": draft.title, "words": draft.words, "tracks": tracks}
    return json.dumps({**fields, "cover": b64encode(draft.cover).decode()}, indent=1).encode()


def loaded(content: bytes) -> Any:
    """The JSON in a draft, or in a command with one; None for what is none, or would take much memory."""
    values = sum(content.count(mark) for mark in b"[{,")
    if len(content) > MAX_DRAFT or values > MAX_VALUES:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def unpack(content: bytes) -> Draft:
    """The draft in a file. Raises Untrusted or BadScore."""
    found = loaded(content)
    body: dict[str, Any] = found if isinstance(found, dict) and found.get("draft") == 1 else {}
    tracks = body.get("tracks")
    if not isinstance(tracks, list) or not all(isinstance(track, dict) for track in tracks):
        raise Untrusted("The file is no draft: make one with `stellar-wind piece make`.")
    # Popped, as a draft has megabytes.
    scores = [(text_of(track, "title"), from_base64(track.pop("score", None))) for track in tracks]
    title, words = text_of(body, "title"), text_of(body, "words")
    return draft_of(title, words, scores, from_base64(body.get("cover")))


def described(
    draft: Draft, secret: bytes, artist: str, at: int, content_key: bytes = b""
) -> dict[str, bytes]:
    """The files of a piece, signed; sealed too, if there is a content key. Raises Untrusted."""
    files: dict[str, bytes] = {}
    tracks = []
    for number, track in enumerate(draft.tracks, 1):
        name = f"track-{number:02}." + ("sealed" if content_key else "score.gz")
        files[name] = locked(track.content, content_key) if content_key else track.content
        tracks.append({"title": track.title, "seconds": track.seconds, "file": name})
    if draft.cover:
        files[COVER] = draft.cover
    listed = {
        name: {"bytes": len(content), "sha256": sha256(content).hex()} for name, content in files.items()
    }
    body = {"piece": 1, "feed": public_of(secret).hex(), "at": at, "artist": artist, "title": draft.title}
    body |= {"words": draft.words, "tracks": tracks, "files": listed}
    if content_key:
        body["key"] = promise(content_key)
    return {DESCRIPTION: signed_line("piece", secret, b"", body), **files}


def id_of(description: bytes) -> str:
    """The id of a piece, by which its feed names it."""
    return sha256(description).hex()


# --- taking one ---------------------------------------------------------------------------------------------


def most(name: str) -> int:
    """The most bytes that a file of a piece can have. Raises Untrusted for a name that no such file has."""
    if name == DESCRIPTION:
        return MAX_DESCRIPTION
    if name == COVER:
        return MAX_COVER
    if not _TRACK.fullmatch(name):
        raise Untrusted(f"No piece has a file named {name!r:.40}.")
    return MAX_SCORE + 1024  # sealing adds 40 bytes


def check_names(sizes: Mapping[str, int]) -> None:
    """Judge the paths and sizes of a torrent before a byte of it is asked for. Raises Untrusted."""
    if len(sizes) > MAX_TRACKS + 2 or f"{FOLDER}/{DESCRIPTION}" not in sizes:
        raise Untrusted("The torrent is no piece.")
    for path, size in sizes.items():
        folder, _, name = path.partition("/")
        if folder != FOLDER or size > most(name):
            raise Untrusted(f"The torrent is no piece: {path!r:.60} has {size:,} bytes.")
    if sum(sizes.values()) > MAX_PIECE + MAX_DESCRIPTION:
        raise Untrusted(f"The piece is larger than {MAX_PIECE >> 20} MB.")


def opened(files: Mapping[str, bytes], key: bytes, piece: str) -> Piece:
    """The piece in these files. Raises Untrusted if it is another one, not signed by the feed's key, or changed."""
    description = files.get(DESCRIPTION, b"")
    if id_of(description) != piece:
        raise Untrusted("It is another piece than the one that the feed names.")
    body = verified("piece", key, b"", description)
    if body.get("piece") != 1:
        raise Untrusted("The piece has a format that this version does not know.")
    listed = body.get("files")
    if not isinstance(listed, dict) or set(listed) != set(files) - {DESCRIPTION}:
        raise Untrusted("The piece does not have the files that its artist signed.")
    for name, said in listed.items():
        content = files[name]
        if not isinstance(said, dict) or sha256(content).hex() != hash_of(said, "sha256"):
            raise Untrusted(f"{name} is not what the artist signed.")
        if len(content) > most(name):
            raise Untrusted(f"{name} is larger than it can be.")
    cover = files.get(COVER, b"")
    if cover:
        check_cover(cover)
    tracks = body.get("tracks")
    if not isinstance(tracks, list) or not 1 <= len(tracks) <= MAX_TRACKS:
        raise Untrusted(f"The piece does not have 1 to {MAX_TRACKS} tracks.")
    return Piece(
        piece,
        text_of(body, "title"),
        text_of(body, "artist"),
        text_of(body, "words"),
        tuple(_listed(track, files) for track in tracks),
        cover,
        hash_of(body, "key") if "key" in body else "",
    )


def _listed(track: object, files: Mapping[str, bytes]) -> Track:
    name = track.get("file") if isinstance(track, dict) else None
    if (
        not isinstance(track, dict)
        or not isinstance(name, str)
        or not _TRACK.fullmatch(name)
        or name not in files
    ):
        raise Untrusted("A track of the piece has no score.")
    seconds: Any = track.get("seconds")
    if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_TIME:
        raise Untrusted("A track of the piece has no length.")
    return Track(text_of(track, "title"), float(seconds), files[name])


def scores(piece: Piece, content_key: bytes = b"") -> list[bytes]:
    """The bytes of its score files. Raises Untrusted if they are sealed, and this is not the key."""
    if not piece.promise:
        return [track.content for track in piece.tracks]
    if promise(content_key) != piece.promise:
        raise Untrusted(
            "This is not the key that the artist promised: the feed's line and the order prove it."
        )
    return [unlocked(track.content, content_key) for track in piece.tracks]
