# SPDX-License-Identifier: Apache-2.0
"""What a stranger in the swarm can try, and what comes of it: one sentence, no file, little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.control import Refused
from appliance.pieces.feed import POINTER
from tests.support.artists import Artist, draft
from tests.support.paying_horizon import PayingHorizon
from tests.support.piece_boxes import PACE, PieceBox
from tests.support.spaces import Spaces, require

pytestmark = pytest.mark.process


class Stranger:
    """The process of tests/support/stranger.py."""

    def __init__(self, folder: Path, inside: list[str]) -> None:
        words = [sys.executable, "-m", "tests.support.stranger", str(folder), "23456"]
        self.process = subprocess.Popen(
            [*inside, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def do(self, *words: str) -> Any:
        assert self.process.stdin
        print(json.dumps(words), file=self.process.stdin, flush=True)
        return self.answer()

    def leave(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def spaces() -> Iterator[Spaces]:
    require()
    with Spaces() as spaces:
        yield spaces


@pytest.fixture
def stranger(spaces: Spaces, tmp_path: Path) -> Iterator[Stranger]:
    spaces.lan("abx")
    stranger = Stranger(tmp_path / "x", spaces.inside("x"))
    yield stranger
    stranger.leave()


def megabytes(box: PieceBox) -> float:
    status = Path(f"/proc/{box.process.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1000


def test_what_no_box_would_make_is_refused(spaces: Spaces, stranger: Stranger, tmp_path: Path) -> None:
    with PieceBox(tmp_path / "b", spaces.inside("b"), pace=PACE | {"patience": 10.0}) as b:
        found = stranger.do("begin")
        b.ask("follow", who=found["feed"])
        for piece in found["ids"].values():
            assert b.knows(piece)
        for what, piece in found["ids"].items():
            b.until(lambda piece=piece: refused(b, piece))  # type: ignore[misc]
            assert not b.pieces()[piece]["here"], what
        files = [file for file in (tmp_path / "b").rglob("*") if file.suffix in (".gz", ".sh")]
        assert files == []
        before = b.pieces()
        assert stranger.do("older")["taken"]
        assert stranger.do("another_past")["taken"]
        b.until(lambda: "contradicts the lines" in b.log.read_text())
        assert stranger.do("endless")["taken"]
        b.until(lambda: "no feed" in b.log.read_text())
        assert b.pieces() == before
        taken = sum(file.stat().st_blocks * 512 for file in (tmp_path / "b").rglob("*") if file.is_file())
        assert taken < 1_000_000
        assert megabytes(b) < 100
    # After a restart it is as it was.
    b.start()
    assert b.pieces() == before
    b.leave()


def refused(box: PieceBox, piece: str) -> bool:
    """Whether a piece is refused for what it is, and not because it has not been found yet."""
    began = time.monotonic()
    with pytest.raises(Refused) as caught:
        box.ask("fetch", named=piece)
    assert time.monotonic() - began < 60
    return "can be reached" not in str(caught.value)


def test_one_bit_that_was_changed_is_refused(spaces: Spaces, stranger: Stranger, tmp_path: Path) -> None:
    """Only the stranger has the piece, and everything else is right."""
    with (
        PieceBox(tmp_path / "a", spaces.inside("a")) as a,
        PieceBox(tmp_path / "b", spaces.inside("b"), pace=PACE | {"patience": 4.0}) as b,
    ):
        key = a.is_artist(Artist())
        piece = a.publish(draft())
        b.ask("follow", who=key)
        assert b.knows(piece)
        assert stranger.do("as_another", key)["taken"] == 0
        torrent = next(each["torrent"] for each in a.ask("status")["seeding"] if each["name"] == "Evening")
        stranger.do("spoil", torrent)
        a.leave()
        with pytest.raises(Refused):
            b.ask("fetch", named=piece)
        assert not b.pieces()[piece]["here"]
        assert list(b.pieces()) == [piece]


def test_a_feed_that_names_the_torrent_of_another_one_takes_nothing_away(tmp_path: Path) -> None:
    with PieceBox(tmp_path, listen="127.0.0.1") as box:
        box.is_artist(Artist())
        ours = box.publish(draft())
        torrent = box.pieces()[ours]["torrent"]
        (feed,) = (each["torrent"] for each in box.ask("status")["seeding"] if each["torrent"] != torrent)
    mallory = Artist("Mallory")
    mallory.says(piece="ab" * 32, torrent=torrent, bytes=9, title="Mine")
    mallory.says(piece="cd" * 32, torrent=feed, bytes=9, title="Mine, too")
    (tmp_path / "pieces" / "feeds").mkdir(exist_ok=True)
    (tmp_path / "pieces" / "feeds" / f"{mallory.key.hex()}.feed").write_bytes(mallory.feed.text)
    follows = {"feeds": [mallory.key.hex()], "blocked": [], "port": 0}
    (tmp_path / "pieces" / "follows.json").write_text(json.dumps(follows))
    box.start()
    try:
        for command in ("fetch", "cover"):
            with pytest.raises(Refused):
                box.ask(command, named="ab" * 32)
        box.ask("forget", named="ab" * 32)
        box.ask("forget", named="cd" * 32)
        box.ask("unfollow", who=mallory.key.hex())
        assert box.ask("fetch", named=ours)["paths"]
        assert {each["torrent"] for each in box.ask("status")["seeding"]} == {torrent, feed}
    finally:
        box.leave()


def test_an_account_that_names_the_feed_of_another_one_takes_nothing_away(tmp_path: Path) -> None:
    mallory, pace = Artist("Mallory"), PACE | {"patience": 0.1}
    with (
        PayingHorizon().running() as server,
        PieceBox(tmp_path, endpoints=[server.url], listen="127.0.0.1", pace=pace) as box,
    ):
        box.is_artist(Artist())
        before = [each["torrent"] for each in box.ask("status")["seeding"]]
        server.ledger.fund(mallory.account)
        server.ledger.accounts[mallory.account].data[POINTER] = mallory.key + bytes.fromhex(before[0])
        with pytest.raises(Refused, match="not signed by the key of its feed"):
            box.ask("follow", who=mallory.account)
        assert [each["torrent"] for each in box.ask("status")["seeding"]] == before
