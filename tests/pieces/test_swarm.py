# SPDX-License-Identifier: Apache-2.0
"""Boxes that share, each in a network namespace of its own: one LAN without the internet, or networks and a router."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.control import NoBox, Refused
from appliance.pieces.piece import pack
from appliance.pieces.swarm import NotFound, Swarm, hashed
from tests.support.artists import PNG, Artist, draft
from tests.support.piece_boxes import PieceBox
from tests.support.sockets import free_udp_port
from tests.support.spaces import Spaces, require

pytestmark = pytest.mark.process

BURST = 4  # s: libtorrent lets a limit save up three, and measures by the tenth of a second
DOWNLOAD = 1 << 20  # bytes a second, of every box


@pytest.fixture
def spaces() -> Iterator[Spaces]:
    require()
    with Spaces() as spaces:
        yield spaces


def test_a_piece_is_passed_on_without_the_internet(spaces: Spaces, tmp_path: Path) -> None:
    """A publishes; B and C have it; A and B leave; D has it of C, by multicast alone."""
    spaces.lan("abcd")
    with ExitStack() as stack:
        a, b, c = (stack.enter_context(PieceBox(tmp_path / name, spaces.inside(name))) for name in "abc")
        key = a.is_artist(Artist())
        made = draft("Evening", tracks=2, cover=PNG)
        piece = a.publish(made)
        for box in (b, c):
            box.ask("follow", who=key)
            assert box.knows(piece)
        shown = b.until(lambda: b.ask("show", named=piece))
        assert (shown["title"], shown["artist"], shown["words"]) == ("Evening", "Ada", "Of a calm sea.")
        assert [track["title"] for track in shown["tracks"]] == ["Part 0", "Part 1"]
        a.until(lambda: a.ask("status")["announced"] >= 2)  # B and C know where the newest feed is
        assert b64decode(b.ask("cover", named=piece)["cover"]) == PNG
        with pytest.raises(Refused):  # it is not here, and nothing is fetched for it
            c.ask("cover", named=piece)
        assert (b.pieces()[piece]["here"], c.pieces()[piece]["here"]) == (True, False)
        a.leave()
        paths = c.until(lambda: c.ask("fetch", named=piece[:8]))["paths"]
        assert [Path(path).read_bytes() for path in paths] == [track.content for track in made.tracks]
        seeding = {each["name"]: each for each in c.ask("status")["seeding"]}
        assert seeding["Evening"]["progress"] == 1.0
        b.leave()
        d = stack.enter_context(PieceBox(tmp_path / "d", spaces.inside("d")))
        d.ask("follow", who=key)
        assert d.knows(piece)
        paths = d.until(lambda: d.ask("fetch", named=piece))["paths"]
        assert [Path(path).read_bytes() for path in paths] == [track.content for track in made.tracks]
        # After a restart it still has, and still seeds, what it had.
        c.leave()
        d.leave()
        d.start()
        assert d.ask("fetch", named=piece)["paths"]
        assert {"Evening", "feed of Ada"} <= {each["name"] for each in d.ask("status")["seeding"]}


def test_an_update_is_seen_and_a_piece_can_be_forgotten(spaces: Spaces, tmp_path: Path) -> None:
    spaces.lan("ab")
    with PieceBox(tmp_path / "a", spaces.inside("a")) as a, PieceBox(tmp_path / "b", spaces.inside("b")) as b:
        key = a.is_artist(Artist())
        one = a.publish(draft("One"))
        b.ask("follow", who=key)
        assert b.knows(one)
        two = a.publish(draft("Two"))
        assert b.knows(two)
        b.until(lambda: b.ask("fetch", named=one))
        b.until(lambda: b.ask("fetch", named=two))
        b.ask("forget", named=one)
        assert one not in b.pieces()
        a.ask("forget", named=two)  # its artist withdraws it
        b.until(lambda: not b.pieces())
        b.until(lambda: not list(b.folder.glob("pieces/torrents/*/piece")))
        b.ask("unfollow", who=key)
        assert b.ask("list")["feeds"] == []
        assert b.ask("status")["seeding"] == []


def test_a_feed_that_cannot_be_written_is_followed_when_it_can(spaces: Spaces, tmp_path: Path) -> None:
    spaces.lan("ab")
    with PieceBox(tmp_path / "a", spaces.inside("a")) as a, PieceBox(tmp_path / "b", spaces.inside("b")) as b:
        key = a.is_artist(Artist())
        piece = a.publish(draft())
        in_the_way = b.folder / "pieces/feeds"
        in_the_way.write_text("no folder")
        with pytest.raises(Refused):
            b.until(lambda: b.ask("follow", who=key)["found"], NoBox)
        b.until(lambda: "was refused" in b.log.read_text())  # by the task that follows, too
        in_the_way.unlink()
        assert b.knows(piece)


@pytest.mark.slow
@pytest.mark.parametrize("nat", ["", "b"])
def test_a_piece_is_passed_on_through_a_router(spaces: Spaces, tmp_path: Path, nat: str) -> None:
    """One bootstrap node; B can be behind NAT. A leaves, and C has it of B."""
    if nat:
        require("nft")
    at = spaces.routed("abcn", nat)
    more = {"reach": "internet", "bootstrap": [f"{at['n']}:6881"]}
    with ExitStack() as stack:
        stack.enter_context(PieceBox(tmp_path / "n", spaces.inside("n"), reach="internet", port=6881))
        a, b = (stack.enter_context(PieceBox(tmp_path / name, spaces.inside(name), **more)) for name in "ab")
        key = a.is_artist(Artist())
        piece = a.publish(draft())
        b.ask("follow", who=key)
        assert b.knows(piece)
        b.until(lambda: b.ask("fetch", named=piece))
        a.until(lambda: a.ask("status")["announced"] >= 2)
        a.leave()
        c = stack.enter_context(PieceBox(tmp_path / "c", spaces.inside("c"), **more))
        c.ask("follow", who=key)
        assert c.knows(piece)
        assert c.until(lambda: c.ask("fetch", named=piece))["paths"]


def test_an_ordinary_client_fetches_the_files(spaces: Spaces, tmp_path: Path) -> None:
    at = spaces.lan("ax")
    with PieceBox(tmp_path / "a", spaces.inside("a")) as a:
        a.is_artist(Artist())
        made = draft()
        torrent = a.ask("publish", draft=pack(made).decode())["torrent"]
        place = tmp_path / "x"
        peer = [at["a"], str(a.ask("status")["port"])]
        client = [*spaces.inside("x"), sys.executable, "-m", "tests.support.torrent_client"]
        subprocess.run([*client, torrent, str(place), *peer], check=True, timeout=150)
        assert (place / "piece" / "track-01.score.gz").read_bytes() == made.tracks[0].content
        assert (place / "piece" / "piece.json").read_bytes()


def sent(box: PieceBox) -> int:
    """Bytes that its namespace has sent."""
    table = Path(f"/proc/{box.process.pid}/net/dev").read_text()
    return int(table.partition("eth0:")[2].split()[8])


def test_the_upload_limit_holds_on_a_lan(spaces: Spaces, tmp_path: Path) -> None:
    spaces.lan("ab")
    limit, cover = 150, PNG[:24] + os.urandom(800_000) + PNG[-8:]
    with (
        PieceBox(tmp_path / "a", spaces.inside("a"), upload=limit) as a,
        PieceBox(tmp_path / "b", spaces.inside("b")) as b,
    ):
        key = a.is_artist(Artist())
        piece = a.publish(draft(cover=cover))
        b.ask("follow", who=key)
        assert b.knows(piece)
        begun, before = time.monotonic(), sent(a)
        b.until(lambda: b.ask("fetch", named=piece))
        moved, took = sent(a) - before, time.monotonic() - begun
    assert len(cover) < moved < (limit << 10) * (took + BURST)


def test_the_download_limit_holds_for_local_addresses(tmp_path: Path) -> None:
    content = os.urandom(DOWNLOAD * (BURST + 1))
    port = free_udp_port()

    async def run() -> float:
        source = Swarm(tmp_path / "a", port, private=True, listen="127.0.0.1", upload=100 * DOWNLOAD)
        target = Swarm(tmp_path / "b", 0, [f"127.0.0.1:{port}"], private=True, listen="127.0.0.1")
        async with source.running(), target.running():
            (tmp_path / "a" / "content").write_bytes(content)
            torrent = source.share(tmp_path / "a" / "content", hashed(tmp_path / "a" / "content"))
            begun = time.monotonic()
            folder = await target.fetch(torrent, lambda _: None, 120.0)
            took = time.monotonic() - begun
            assert (folder / "content").read_bytes() == content
        return took

    took = asyncio.run(run())
    assert len(content) < DOWNLOAD * (took + BURST)


def test_a_slow_transfer_is_waited_for_as_long_as_it_goes_on(tmp_path: Path) -> None:
    content, upload, patience = os.urandom(300 << 10), 20 << 10, 5.0  # bytes; bytes a second; s
    port = free_udp_port()

    async def run() -> float:
        source = Swarm(tmp_path / "a", port, private=True, listen="127.0.0.1", upload=upload)
        target = Swarm(tmp_path / "b", 0, [f"127.0.0.1:{port}"], private=True, listen="127.0.0.1")
        async with source.running(), target.running():
            (tmp_path / "a" / "content").write_bytes(content)
            torrent = source.share(tmp_path / "a" / "content", hashed(tmp_path / "a" / "content"))
            begun = time.monotonic()
            await target.fetch(torrent, lambda _: None, patience)
            return time.monotonic() - begun

    assert asyncio.run(run()) > len(content) / upload - BURST > patience


@pytest.mark.parametrize(
    ("dropped", "error"), [(True, NotFound), (False, asyncio.CancelledError)], ids=["dropped", "ended"]
)
def test_a_fetch_ends_when_it_is_dropped_and_with_the_swarm(
    dropped: bool, error: type[BaseException], tmp_path: Path
) -> None:
    torrent = "ab" * 32

    async def run() -> None:
        swarm = Swarm(tmp_path, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            fetching = asyncio.create_task(swarm.fetch(torrent, lambda _: None, 120.0))
            while torrent not in {each["torrent"] for each in swarm.seeding()}:
                await asyncio.sleep(0)
            if dropped:
                swarm.unshare(torrent)
                await asyncio.wait({fetching})
        with pytest.raises(error):
            await fetching

    asyncio.run(run())
    assert not (tmp_path / torrent).exists()
