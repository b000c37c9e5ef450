# SPDX-License-Identifier: Apache-2.0
"""The room of the pieces: what the page shows of them and asks for, on a real socket of the pieces' process."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from appliance.follower import Follower
from appliance.page.pieces import MAX_COVER, MOST, NEWEST, Pieces, shown
from appliance.pieces.client import ANSWER
from appliance.pieces.client import SOCKET as PIECES
from appliance.pieces.server import PieceServer
from appliance.values import BoxError, Gesture
from tests.support.artists import PNG
from tests.support.pages import served, until
from tests.support.statuses import STATUS
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

IDS = ["ab" * 32, "cd" * 32, "ef" * 32]


def listed(piece: str, **more: Any) -> dict[str, Any]:
    """A piece, as the process of the pieces lists it."""
    known = {"piece": piece, "title": "Evening", "torrent": f"t{piece}", "bytes": 9, "at": 9}
    return known | {"here": False, "cover": False, "bought": False} | more


def feed(*pieces: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"feed": "f" * 64, "artist": "Ada", "words": "", "account": "GABC", "own": False}
    return said | {"count": len(pieces), "pieces": list(pieces)} | more


STATE = {"reach": "lan", "port": 9, "peers": 3, "searching": ["x"], "announced": 2, "unpaid": [IDS[2]]}
SEEDING = {"torrent": f"t{IDS[0]}", "name": "Evening", "progress": 1.0, "peers": 2, "up": 900, "down": 0}
PRICE = {"amount": "5", "asset": "native", "network": "public"}


class Room:
    """What a process of the pieces would answer, and what it was asked."""

    def __init__(self) -> None:
        self.feeds = [feed(listed(IDS[0], here=True, cover=True), listed(IDS[1], **PRICE))]
        self.covers = {IDS[0]: PNG}
        self.asked: list[tuple[str, str]] = []
        self.found = asyncio.Event()

    async def list(self) -> dict[str, Any]:
        self.asked.append(("list", ""))
        return {"feeds": self.feeds}

    async def status(self) -> dict[str, Any]:
        return STATE | {"seeding": [SEEDING]}

    async def cover(self, named: str) -> dict[str, Any]:
        if named not in self.covers:
            raise BoxError("It is not here.")
        return {"cover": b64encode(self.covers[named]).decode()}

    async def play(self, named: str) -> dict[str, Any]:
        self.asked.append(("play", named))
        await self.found.wait()
        return {}

    @asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[None]:
        commands = {name: getattr(self, name) for name in ("list", "status", "cover", "play")}
        async with PieceServer(folder, commands).running():
            yield


class Box:
    """A box that can stop a piece."""

    level = -20.0

    def __init__(self) -> None:
        self.played: list[tuple[Sequence[Path], str]] = []

    def status(self) -> Any:
        return STATUS

    def obey(self, gesture: Gesture) -> None:
        raise AssertionError(gesture)

    async def play(self, paths: Sequence[Path], title: str) -> None:
        self.played.append((paths, title))

    async def keep(self, form: str = "") -> Path:
        raise AssertionError(form)


class Serving:
    """A page, and a client in front of it."""

    def __init__(self, folder: Path, box: Box, http: aiohttp.ClientSession, url: str) -> None:
        self.folder, self.box, self.http, self.url = folder, box, http, url
        self.room = Room()

    async def shown(self) -> Any:
        async with self.http.get(f"{self.url}/pieces.json") as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
            return await answer.json()

    async def cover(self, piece: str) -> tuple[int, str, bytes]:
        async with self.http.get(f"{self.url}/pieces/{piece}.png") as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            return answer.status, answer.content_type, await answer.read()


def serve(folder: Path, test: Callable[[Serving], Awaitable[None]], *, steer: bool = True) -> None:
    async def run() -> None:
        box, pieces = Box(), Pieces(Follower([folder], name=PIECES, longest=ANSWER))
        async with served(folder, box, pieces, (), steer=steer) as (_, port, http):
            await test(Serving(folder, box, http, f"http://127.0.0.1:{port}"))

    asyncio.run(run())


def test_the_room_shows_what_there_is_and_nothing_of_money_that_was_paid() -> None:
    feeds = [
        feed(listed(IDS[0], here=True, cover=True)),
        feed(listed(IDS[1], **PRICE, bought=True), own=True),
    ]
    found = shown({"feeds": feeds}, STATE | {"seeding": [SEEDING]})
    assert (found["seeding"], found["peers"], found["up"], found["searching"]) == (1, 3, 900, 1)
    (one,), (two,) = (each["pieces"] for each in found["feeds"])
    assert (one["here"], one["cover"], one["peers"], one["progress"]) == (True, True, 2, 1.0)
    assert (two["here"], two["peers"]) == (False, 0)
    for hidden in ("GABC", "unpaid", IDS[2], "bought", "amount"):
        assert hidden not in json.dumps(found)


def test_a_price_is_shown_until_it_is_paid() -> None:
    for more, sold in ({}, True), ({"bought": True}, False):
        (found,) = shown({"feeds": [feed(listed(IDS[0], **PRICE, **more))]}, STATE | {"seeding": []})["feeds"]
        assert ("amount" in found["pieces"][0]) is sold


def test_the_newest_pieces_are_shown_and_not_all_of_them() -> None:
    pieces = [listed(f"{number:064x}") for number in range(100)]
    feeds = shown({"feeds": [feed(*pieces) for _ in range(200)]}, STATE | {"seeding": []})["feeds"]
    assert len(feeds) == 200
    assert [each["piece"] for each in feeds[0]["pieces"]] == [
        each["piece"] for each in pieces[: -NEWEST - 1 : -1]
    ]
    assert sum(len(each["pieces"]) for each in feeds) == MOST


def test_the_list_is_asked_for_once_for_all_viewers(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.room.running(tmp_path):
            found = await asyncio.gather(*(serving.shown() for _ in range(8)))
        assert [each["piece"] for each in found[0]["feeds"][0]["pieces"]] == [IDS[1], IDS[0]]
        assert found == [found[0]] * 8
        assert serving.room.asked == [("list", "")]

    serve(tmp_path, test)


def test_a_cover_is_a_png_of_a_bounded_size(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.room.running(tmp_path):
            assert await serving.cover(IDS[0]) == (200, "image/png", PNG)
            large, page = PNG + bytes(MAX_COVER), b"<!doctype html><script>alert(1)</script>"
            serving.room.covers |= {IDS[1]: large, IDS[2]: page}
            for piece in (IDS[1], IDS[2], "12" * 32, "AB" * 32, "ab", "../etc/passwd"):
                status, kind, content = await serving.cover(piece)
                assert (status, kind, content not in (large, page)) == (404, "text/plain", True)

    serve(tmp_path, test)


def test_a_piece_is_played_and_stopped_where_the_page_steers(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        room = serving.room
        async with room.running(tmp_path), serving.http.ws_connect(f"{serving.url}/events") as viewer:
            await viewer.send_json({"do": "play", "piece": IDS[0], "paths": ["/etc/passwd"], "title": "x"})
            await eventually(lambda: room.asked)
            await viewer.send_json({"do": "play", "piece": IDS[1]})
            assert "Another" in await until(viewer, "error")  # it takes minutes until one is found
            room.found.set()
            assert await until(viewer, "played") == IDS[0]
            for wrong in ("", "ab", "../" * 10, 7, [IDS[0]]):
                await viewer.send_json({"do": "play", "piece": wrong})
                await until(viewer, "error")
            await viewer.send_json({"do": "stop"})
            await eventually(lambda: serving.box.played)
        assert room.asked == [("play", IDS[0])]
        assert serving.box.played == [([], "")]

    serve(tmp_path, test)


def test_without_steering_nothing_is_played_or_stopped(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        room = serving.room
        async with room.running(tmp_path), serving.http.ws_connect(f"{serving.url}/events") as viewer:
            for command in ({"do": "play", "piece": IDS[0]}, {"do": "stop"}):
                await viewer.send_json(command)
                assert "page.steer" in await until(viewer, "error")
            assert (await serving.shown())["feeds"]  # everybody can look
        assert room.asked == [("list", "")]
        assert serving.box.played == []

    serve(tmp_path, test, steer=False)


def test_the_room_comes_and_goes_with_the_pieces(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.http.ws_connect(f"{serving.url}/events") as viewer:
            assert await until(viewer, "room") is False
            assert "error" in await serving.shown()
            assert (await serving.cover(IDS[0]))[0] == 404
            await viewer.send_json({"do": "play", "piece": IDS[0]})
            await until(viewer, "error")
            async with serving.room.running(tmp_path):
                assert await until(viewer, "room") is True
                assert (await serving.shown())["feeds"]
                serving.room.feeds = [{"new": "version"}]
                async with asyncio.timeout(60):
                    while "error" not in await serving.shown():
                        await asyncio.sleep(0.05)
            assert await until(viewer, "room") is False

    serve(tmp_path, test)
