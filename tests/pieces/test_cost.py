# SPDX-License-Identifier: Apache-2.0
"""What the process of the pieces costs: when nothing happens, and when feeds name 100,000 torrents."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
from pathlib import Path

import pytest

from appliance.control import Refused
from appliance.pieces.feed import MAX_FEED, MAX_LINES, signed_line
from appliance.pieces.keys import sha256
from appliance.pieces.piece import MAX_SCORE, draft_of
from appliance.pieces.shelf import MAX_ALL_LINES, Shelf, ShelfFull
from tests.support.artists import AT, Artist, score
from tests.support.horizon_tls import authority, https
from tests.support.piece_boxes import PieceBox

pytestmark = pytest.mark.process

TORRENTS = 100_000
TICK = os.sysconf("SC_CLK_TCK")  # a second


def megabytes(box: PieceBox, field: str) -> float:
    status = Path(f"/proc/{box.process.pid}/status").read_text()
    return int(re.findall(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1000


def seconds(box: PieceBox) -> float:
    """The processor time that it has taken since its start."""
    fields = Path(f"/proc/{box.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def test_an_idle_process_is_small_and_loads_tls_when_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, _ = authority(tmp_path)
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        # To measure its coverage, a process loads hashlib, and with it OpenSSL.
        monkeypatch.delenv(name, raising=False)

    async def run() -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", ssl=https(ca, "unknown"))
        port = server.sockets[0].getsockname()[1]
        try:
            await asyncio.to_thread(ask, f"https://127.0.0.1:{port}")
        finally:
            server.close()

    def ask(horizon: str) -> None:
        with PieceBox(tmp_path / "box", listen="127.0.0.1", endpoints=[horizon]) as box:
            maps = Path(f"/proc/{box.process.pid}/maps")
            assert not re.search(r"libcrypto|libssl|pydantic", maps.read_text())
            assert megabytes(box, "VmRSS") < 46  # 38 are measured with Python 3.11, 43 with 3.13
            with pytest.raises(Refused) as caught:
                box.ask("follow", who=Artist().account)
            assert "certificate" in str(caught.value).lower()
            assert re.search(r"libssl", maps.read_text())

    asyncio.run(run())


def large(score: bytes, size: int) -> bytes:
    """A score after empty members of gzip whose extra fields fill `size` bytes."""
    extra, empty = bytes(60_000), gzip.compress(b"", mtime=0)[10:]
    member = b"\x1f\x8b\x08\x04" + bytes(4) + b"\0\xff" + len(extra).to_bytes(2, "little") + extra + empty
    return member * (size // len(member)) + score


def test_the_memory_of_drafts_returns_to_the_system(tmp_path: Path) -> None:
    scores = [("", large(score(), MAX_SCORE - 100_000)) for _ in range(3)]
    with PieceBox(tmp_path, listen="127.0.0.1") as box:
        box.is_artist(Artist())
        before = megabytes(box, "RssAnon")
        for title in ("One", "Two", "Three"):
            box.publish(draft_of(title, "", scores, b""))
        box.until(lambda: megabytes(box, "RssAnon") < before + 12)  # 26 more stayed in the heap


def full_feed(artist: Artist) -> bytes:
    """As many lines as a feed can have, each with a piece in a torrent of its own."""
    lines, mark = [artist.feed.text], artist.feed.mark
    for number in range(1, MAX_LINES):
        piece, torrent = (sha256(artist.key + bytes([of]) + number.to_bytes(2, "big")).hex() for of in (0, 1))
        body = {"n": number, "at": AT, "piece": piece, "torrent": torrent, "bytes": 9000, "title": "x"}
        lines.append(signed_line("feed", artist.secret, mark, body))
        mark = sha256(lines[-1])
    text = b"".join(lines)
    assert len(text) <= MAX_FEED
    return text


def fill(folder: Path) -> None:
    """Write as many feeds as a box takes."""
    (folder / "pieces" / "feeds").mkdir(parents=True)
    artists = [Artist() for _ in range(MAX_ALL_LINES // MAX_LINES)]
    for artist in artists:
        (folder / "pieces" / "feeds" / f"{artist.key.hex()}.feed").write_bytes(full_feed(artist))
    follows = {"feeds": [artist.key.hex() for artist in artists], "blocked": [], "port": 0}
    (folder / "pieces" / "follows.json").write_text(json.dumps(follows))


@pytest.mark.slow
def test_a_hundred_thousand_torrents_are_bounded(tmp_path: Path) -> None:
    """A fifth of them is taken, in less than 100 MB and 5 s; the others are refused before a line is verified."""
    fill(tmp_path)
    with PieceBox(tmp_path, listen="127.0.0.1", pace={"refresh": 600.0}) as box:
        (feed, *_) = feeds = box.ask("list")["feeds"]
        assert sum(each["count"] for each in feeds) == MAX_ALL_LINES - len(feeds)
        assert box.ask("status")["searching"] == []
        with pytest.raises(Refused):
            box.ask("cover", named=feed["pieces"][0]["piece"])
        assert megabytes(box, "VmHWM") < 100
        assert seconds(box) < 5
    shelf, another = Shelf(tmp_path / "pieces"), full_feed(Artist())
    for number in range((TORRENTS - MAX_ALL_LINES) // MAX_LINES):
        with pytest.raises(ShelfFull):
            shelf.check_feed(f"{number:064x}", another)
