# SPDX-License-Identifier: Apache-2.0
"""What a box seeds when it starts again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import libtorrent as lt
import pytest

from appliance.pieces import piece
from appliance.pieces.piece import FOLDER
from appliance.pieces.seeds import Seeds
from appliance.pieces.shelf import Shelf
from appliance.pieces.swarm import Swarm
from tests.support.artists import AT, Artist, draft


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"")


def cut(folder: Path) -> None:
    path = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-9])


def bare(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def whole(folder: Path) -> None:
    assert folder.is_dir()


@pytest.mark.parametrize(("torn", "stays"), [(emptied, False), (cut, False), (bare, False), (whole, True)])
def test_a_piece_that_a_power_cut_has_torn_is_removed(
    torn: Callable[[Path], None], stays: bool, tmp_path: Path
) -> None:
    artist = Artist()
    files = piece.described(draft(), artist.secret, "Ada", AT)

    async def run() -> None:
        shelf = Shelf(tmp_path)
        swarm = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            torrent = Seeds(shelf, swarm, 1.0).share_piece(files)
        shelf.save_own(artist.says(piece="ab" * 32, torrent=torrent, bytes=9, title="Evening"))
        torn(shelf.torrents / torrent / FOLDER)
        again = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with again.running():
            await Seeds(shelf, again, 1.0).begin()
            assert again.holds(torrent) == stays
        assert (shelf.torrents / torrent).exists() == stays

    asyncio.run(run())


def test_the_pieces_of_a_feed_that_is_missing_stay_until_it_is_put_back(tmp_path: Path) -> None:
    """Sealed again they would differ from what was sold."""
    artist = Artist()
    files = piece.described(draft(), artist.secret, "Ada", AT)

    async def begun(*, stays: bool) -> None:
        shelf = Shelf(tmp_path)
        swarm = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            await Seeds(shelf, swarm, 1.0).begin()
        assert any(path.name == FOLDER for path in shelf.held()) == stays

    async def run() -> None:
        shelf = Shelf(tmp_path)
        swarm = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            torrent = Seeds(shelf, swarm, 1.0).share_piece(files)
        shelf.save_secret(artist.secret)
        shelf.save_own(artist.says(piece="ab" * 32, torrent=torrent, bytes=9, title="Evening"))
        own = tmp_path / "own.feed"
        good = own.read_bytes()
        own.unlink()
        await begun(stays=True)
        own.write_bytes(good[:-9])
        await begun(stays=True)  # and the damaged file is put aside
        own.write_bytes(good)
        await begun(stays=True)
        (tmp_path / "own.feed.bad").unlink()
        own.unlink()
        (tmp_path / "feed.key").unlink()  # another feed is to begin
        await begun(stays=False)

    asyncio.run(run())


def test_a_piece_is_read_once_when_it_is_published_and_once_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist, names, hashes = Artist(), list[str](), lt.set_piece_hashes

    def counted(torrent: lt.create_torrent, folder: str) -> None:
        hashes(torrent, folder)
        names.append(Path(folder).name)

    monkeypatch.setattr(lt, "set_piece_hashes", counted)

    async def run() -> None:
        shelf = Shelf(tmp_path)
        swarm = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with swarm.running():
            names.clear()  # the file by which boxes meet
            torrent = Seeds(shelf, swarm, 1.0).share_piece(piece.described(draft(), artist.secret, "Ada", AT))
            assert names == ["new"]
        shelf.save_own(artist.says(piece="ab" * 32, torrent=torrent, bytes=9, title="Evening"))
        again = Swarm(shelf.torrents, 0, private=True, listen="127.0.0.1")
        async with again.running():
            names.clear()
            await Seeds(shelf, again, 1.0).begin()
            assert names.count(torrent) == 1
            assert again.holds(torrent)

    asyncio.run(run())
