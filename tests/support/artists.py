# SPDX-License-Identifier: Apache-2.0
"""An artist with an account and a feed, and scores to publish."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from appliance.pieces import accounts, feed, keys
from appliance.pieces.feed import Feed
from appliance.pieces.piece import Draft, described, draft_of, id_of
from appliance.score.files import packed
from appliance.score.format import Header, Line
from appliance.values import Bed, Context, Note, NoteEvent, Voice

AT = 1_790_000_000  # s since 1970
TORRENT = "ab" * 32
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    + (600).to_bytes(4, "big")
    + (400).to_bytes(4, "big")
    + bytes(50)
    + b"IEND\xaeB`\x82"
)


class Artist:
    """An account (its wallet, really), and a feed that it has certified."""

    def __init__(self, name: str = "Ada") -> None:
        self.wallet, self.secret = keys.new_secret(), keys.new_secret()
        self.account = accounts.encode(keys.public_of(self.wallet))
        self.key = keys.public_of(self.secret)
        self.feed = feed.begin(self.secret, self.account, self.certificate(), name, "Evenings.")

    def certificate(self, key: bytes | None = None) -> bytes:
        """What the wallet signs."""
        text = feed.sentence(self.account, key or self.key)
        return keys.sign(self.wallet, accounts.message_hash(text))

    def wallet_signs(self, sentence: str) -> str:
        """What the wallet answers, as it shows it."""
        return b64encode(keys.sign(self.wallet, accounts.message_hash(sentence))).decode()

    def says(self, **body: Any) -> Feed:
        """Append a line."""
        self.feed = self.feed.written(self.secret, {"at": AT, **body})
        return self.feed

    def publishes(self, draft: Draft, content_key: bytes = b"") -> tuple[str, Mapping[str, bytes]]:
        """Append a piece; its id and its files."""
        files = described(draft, self.secret, self.feed.artist, AT, content_key)
        piece = id_of(files["piece.json"])
        self.says(piece=piece, torrent=TORRENT, bytes=sum(map(len, files.values())), title=draft.title)
        return piece, files

    def sells(self, piece: str, amount: str = "5", content_key: bytes = b"k" * 32, **more: Any) -> None:
        """Append a price."""
        body = {"sale": 7, "piece": piece, "network": "public", "amount": amount, "asset": "native"}
        self.says(**body | {"key": keys.promise(content_key)} | more)


def score(title: str = "Evening", seconds: float = 20.0, pitch: int = 60) -> bytes:
    """A score of a few notes."""
    lines = [Line(0.0, Bed(0.5, 0.4, 0.6))]
    for beat in range(int(seconds)):
        note = Note(pitch + beat % 5, 0.5, 1.0, Voice.BELL)
        lines.append(Line(float(beat), NoteEvent(note, float(beat), float(beat), 1.0)))
    return packed(Header(Context("public", "wind", "wind", "C", 60.0), seconds, "1.0", title), lines)


def draft(title: str = "Evening", tracks: int = 1, cover: bytes = b"", **more: Any) -> Draft:
    """A piece to publish."""
    scores = [(f"Part {number}", score(title, pitch=60 + number, **more)) for number in range(tracks)]
    return draft_of(title, "Of a calm sea.", scores, cover)
