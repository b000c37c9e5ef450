# SPDX-License-Identifier: Apache-2.0
"""The page's web server on a real control socket: what it serves, what it refuses, and what a hostile client gets."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest
import soundfile

from appliance.control import SOCKET, ControlServer
from appliance.follower import Follower
from appliance.page.guard import host_allowed
from appliance.page.pieces import Pieces
from appliance.page.server import (
    AHEAD,
    CONNECTIONS,
    KEPT,
    LISTENERS,
    VIEWERS,
    CannotListen,
    Page,
    own_names,
    url,
)
from appliance.sound import SAMPLE_RATE
from appliance.values import BoxError, Button, Chosen, Gesture, Ledger, Note, NoteEvent, Pressed, Voice
from tests.support.pages import served, until
from tests.support.statuses import STATUS
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

NOTE = NoteEvent(Note(67, 0.5, 1.0, Voice.BELL), 1.0, 1.0, 0.75)
NAMES = ("box.local",)
BLOCK = 512  # frames
UPGRADE = (
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Box:
    """A box that remembers what it was asked, and keeps files in `folder`."""

    level = -20.0

    def __init__(self, folder: Path) -> None:
        self._folder, self.obeyed, self.forms = folder, list[Gesture](), list[str]()

    def status(self) -> Any:
        return STATUS

    def obey(self, gesture: Gesture) -> None:
        self.obeyed.append(gesture)

    async def play(self, paths: Sequence[Path], title: str) -> None:
        raise AssertionError

    async def keep(self, form: str = "") -> Path:
        self.forms.append(form)
        if form == "flac":
            raise BoxError("The disk is full.")
        kept = self._folder / f"2026-11-29-1815{len(self.forms):02}.score.gz"
        kept.write_bytes(b"score")
        return kept


class Serving:
    """A page, the box behind it, and an HTTP client in front of it."""

    def __init__(self, box: Box, control: ControlServer, port: int, http: aiohttp.ClientSession) -> None:
        self.box, self.control, self.http, self.port = box, control, http, port
        self.url = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def viewer(self, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.http.ws_connect(f"{self.url}/events", headers=headers) as seen:
            yield seen

    async def status(self, path: str, **headers: str) -> int:
        async with self.http.get(self.url + path, headers=headers) as answer:
            return answer.status


def serve(
    folder: Path,
    test: Callable[[Serving], Awaitable[None]],
    *,
    steer: bool = True,
    names: tuple[str, ...] = NAMES,
) -> None:
    async def run() -> None:
        box, pieces = Box(folder), Pieces(Follower([folder], name="pieces.sock"))
        async with served(folder, box, pieces, names, steer=steer) as (control, port, http):
            await test(Serving(box, control, port, http))

    asyncio.run(run())


def test_three_files_are_the_page(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        size = 0
        for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
            async with serving.http.get(serving.url + path) as answer:
                assert (answer.status, answer.content_type) == (200, kind)
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert not {"Set-Cookie", "Server"} & set(answer.headers)
                text = await answer.text()
                size += len(text.encode())
                outside = [
                    line for line in text.splitlines() if "://" in line and "www.w3.org/2000/svg" not in line
                ]
                assert all("location.protocol" in line for line in outside)
        assert size < 60_000
        for path in ("/static/", "/page.py", "/../etc/passwd", "/%2e%2e/etc/passwd", "/kept/", "/kept/x.mid"):
            assert await serving.status(path) in (403, 404)

    serve(tmp_path, test)


@pytest.mark.parametrize(
    "path", ["/", "/events", "/listen.mp3", "/kept/x.mid", "/pieces.json", "/pieces/x.png"]
)
def test_a_foreign_name_and_a_foreign_page_are_refused(path: str, tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        assert await serving.status(path, Host="attacker.example") == 421
        assert await serving.status(path, Origin="http://attacker.example") == 403
        assert await serving.status(path, Host="box.local", Origin=serving.url) == 403
        assert await serving.status("/", Host="box.local", Origin="http://box.local") == 200

    serve(tmp_path, test)


def test_a_viewer_sees_what_the_box_plays(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.viewer() as seen:
            assert (await until(seen, "hello"))["steer"]
            assert (await until(seen, "status"))["network"] == "public"
            now = asyncio.get_running_loop().time()
            serving.control.note(now, NOTE, 3)
            assert (await until(seen, "note"))["pitch"] == 67
            assert any(await until(seen, "lamps"))
            serving.control.ledger(now, Ledger(7, 0, 3, 1, 0, ()))
            assert await until(seen, "ledger") == {"sequence": 7, "operations": 3}
        async with serving.viewer() as seen:
            assert [note["pitch"] for note in (await until(seen, "hello"))["notes"]] == [67]

    serve(tmp_path, test)


def test_a_box_that_ends_and_starts_again_is_followed(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            Page(Follower([tmp_path], pause=0.01), Pieces(Follower([])), (), steer=False).running(
                "127.0.0.1", 0
            ) as port,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{port}/events") as seen,
        ):
            assert not await until(seen, "box")
            for _ in range(2):
                async with ControlServer(tmp_path / SOCKET, Box(tmp_path), STATUS.networks, ()).running():
                    while not await until(seen, "box"):
                        pass
                while await until(seen, "box"):
                    pass

    asyncio.run(run())


def test_commands_reach_the_box(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.viewer(Origin=serving.url) as seen:
            await seen.send_json({"do": "press", "button": "mute"})
            await seen.send_json({"do": "set", "control": "volume", "value": 0.25})
            await eventually(lambda: len(serving.box.obeyed) == 2)
            assert serving.box.obeyed == [Pressed(Button.MUTE), Chosen("volume", 0.25)]
            await seen.send_json({"do": "set", "control": "volume", "value": 7})
            assert "volume" in await until(seen, "error")

    serve(tmp_path, test)


@pytest.mark.parametrize(
    "text",
    [
        *(
            '{"do":"hold","button":"mute"}',
            '{"do":"double","button":"mute"}',
            '{"do":"listen"}',
            '{"do":"watch"}',
        ),
        *("[]", "1", "null", "{", '{"do":[]}', "[" * 4000),
    ],
)
def test_what_no_viewer_may_ask_is_refused(text: str, tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.viewer() as seen:
            await seen.send_str(text)
            assert await until(seen, "error")
        assert serving.box.obeyed == []

    serve(tmp_path, test)


def test_nothing_steers_where_steering_is_off(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.viewer() as seen:
            assert not (await until(seen, "hello"))["steer"]
            for command in (
                {"do": "press", "button": "mute"},
                {"do": "keep"},
                {"do": "turn", "knob": "volume", "detents": 1},
            ):
                await seen.send_json(command)
                assert "page.steer" in await until(seen, "error")
        assert serving.box.obeyed == []
        assert serving.box.forms == []

    serve(tmp_path, test, steer=False)


def test_what_was_kept_here_can_be_downloaded_and_nothing_else(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        (tmp_path / "state.json").write_text("{}")
        (tmp_path / "other.score.gz").write_bytes(b"another one's")
        async with serving.viewer() as seen:
            await seen.send_json({"do": "keep", "format": "mid"})
            name = await until(seen, "kept")
            assert serving.box.forms == ["mid"]
            async with serving.http.get(f"{serving.url}/kept/{name}.score.gz") as answer:
                assert await answer.read() == b"score"
                assert "attachment" in answer.headers["Content-Disposition"]
            assert await serving.status(f"/kept/{name}.mid") == 202  # not made yet
            (tmp_path / f"{name}.mid").write_bytes(b"MThd")
            assert await serving.status(f"/kept/{name}.mid") == 200
            for wrong in (
                "other.score.gz",
                "state.json",
                f"{name}.json",
                f"..%2f{name}.mid",
                f"{name}.mid%00",
            ):
                assert await serving.status(f"/kept/{wrong}") == 404
            await seen.send_json({"do": "keep", "format": "flac"})
            assert await until(seen, "error") == "The disk is full."
            for _ in range(KEPT):
                await seen.send_json({"do": "keep"})
                await until(seen, "kept")
        assert await serving.status(f"/kept/{name}.mid") == 404  # the oldest

    serve(tmp_path, test)


# --- listening ----------------------------------------------------------------------------------------------


async def play(control: ControlServer, sound: np.ndarray[Any, Any]) -> None:
    """Let the box play `sound`, many times faster than time."""
    for start in range(0, len(sound), BLOCK):
        control.samples(sound[start : start + BLOCK].tobytes())
        if start % (8 * BLOCK) == 0:
            await asyncio.sleep(0.002)


def tone(seconds: float) -> np.ndarray[Any, Any]:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.stack([0.3 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(2 * np.pi * 660 * time)], 1).astype(
        np.float32
    )


def test_a_flac_listener_gets_every_sample(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        sound, start = tone(2.0), round(AHEAD * SAMPLE_RATE)
        async with serving.http.get(f"{serving.url}/listen.flac") as answer:
            assert (answer.status, answer.content_type) == (200, "audio/flac")
            await eventually(lambda: serving.control.listened)
            await play(serving.control, sound)
            frames = start + SAMPLE_RATE  # the encoder holds the last ones back
            got = await _decoded(answer, frames)
        assert np.abs(got[:start]).max() < 2 / 2**15
        assert np.abs(got[start:frames] - sound[:SAMPLE_RATE]).max() < 2 / 2**15
        await eventually(lambda: not serving.control.listened)  # without a listener nothing is sent

    serve(tmp_path, test)


async def _decoded(answer: aiohttp.ClientResponse, frames: int) -> np.ndarray[Any, Any]:
    """The first frames of a FLAC stream."""
    content = b""
    async with asyncio.timeout(60):
        while True:
            content += await answer.content.readany()
            with (
                suppress(soundfile.LibsndfileError, RuntimeError),
                soundfile.SoundFile(io.BytesIO(content)) as file,
            ):
                samples = file.read(frames, dtype="float32")
                if len(samples) == frames:
                    return samples


def test_an_mp3_listener_gets_music_and_costs_nothing_when_it_goes(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.http.get(f"{serving.url}/listen.mp3") as answer:
            assert (answer.status, answer.content_type) == (200, "audio/mpeg")
            await eventually(lambda: serving.control.listened)
            await play(serving.control, tone(3.0))
            content = b""
            async with asyncio.timeout(60):
                while len(content) < 160_000 / 8 * 3:
                    content += await answer.content.readany()
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            samples = file.read(dtype="float32")
        spectrum = np.abs(np.fft.rfft(samples[2 * SAMPLE_RATE :][: SAMPLE_RATE // 2, 0]))
        assert abs(2 * int(spectrum.argmax()) - 440) <= 2  # Hz
        await eventually(lambda: not serving.control.listened)

    serve(tmp_path, test)


def test_listeners_are_bounded(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        answers = [await serving.http.get(f"{serving.url}/listen.flac") for _ in range(LISTENERS)]
        assert [answer.status for answer in answers] == [200] * LISTENERS
        assert await serving.status("/listen.flac") == 503
        async with serving.http.head(f"{serving.url}/listen.mp3") as answer:  # as some radios ask first
            assert (answer.status, answer.content_type) == (200, "audio/mpeg")
        answers[0].close()
        async with asyncio.timeout(60):
            while True:
                async with serving.http.get(f"{serving.url}/listen.flac") as again:
                    if again.status == 200:
                        break
        for answer in answers:
            answer.close()

    serve(tmp_path, test)


# --- hostile clients ----------------------------------------------------------------------------------------


def test_viewers_are_bounded(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        sockets = [await serving.http.ws_connect(f"{serving.url}/events") for _ in range(VIEWERS)]
        for seen in sockets:
            await until(seen, "hello")
        async with serving.viewer() as refused:
            message = await refused.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1013)
        await sockets[0].close()
        async with asyncio.timeout(60):
            while True:
                async with serving.viewer() as seen:
                    if (await seen.receive()).type is aiohttp.WSMsgType.TEXT:
                        break
        for seen in sockets:
            await seen.close()

    serve(tmp_path, test)


def test_a_viewer_that_does_not_read_is_dropped_and_others_see_on(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", serving.port))
            await loop.sock_sendall(deaf, UPGRADE)
            async with serving.viewer() as seeing:
                for _ in range(60):
                    for _ in range(100):
                        serving.control.note(loop.time(), NOTE, 3)
                    for _ in range(100):
                        await until(seeing, "note")
                with suppress(ConnectionError):
                    async with asyncio.timeout(60):
                        while await loop.sock_recv(deaf, 1 << 16):  # what had been sent before
                            pass
                serving.control.note(loop.time(), NOTE, 3)
                assert await until(seeing, "note")

    serve(tmp_path, test)


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000,
        b"GET /" + b"x" * 100_000,
        bytes(range(256)) * 64 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_costs_an_answer_at_most(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(serving: Serving) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        with suppress(ConnectionError):
            writer.write(content)
            async with asyncio.timeout(60):
                assert b" 200 " not in await reader.readline()
        writer.transport.abort()
        assert await serving.status("/") == 200

    serve(tmp_path, test)
    assert caplog.messages == []  # a scan for open ports would fill the log


def test_a_refusal_ends_the_connection(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        assert b" 421 " in answer
        assert b"connection: close" in answer.lower()

    serve(tmp_path, test)


def test_the_address_that_is_told_is_one_that_answers() -> None:
    told = urlsplit(url("", 8017)).netloc
    assert host_allowed(told, own_names())
    assert url("::1", 80) == "http://[::1]:80/"


def test_connections_without_a_request_make_room(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", serving.port) for _ in range(3 * CONNECTIONS)]
        async with serving.viewer() as seen:
            await until(seen, "hello")
            more = [await asyncio.open_connection("127.0.0.1", serving.port) for _ in range(CONNECTIONS)]
            assert await serving.status("/") == 200
            serving.control.note(asyncio.get_running_loop().time(), NOTE, 3)
            assert await until(seen, "note")  # a viewer stays
            async with asyncio.timeout(60):
                assert await idle[0][0].read() == b""  # it was closed
        for _, writer in idle + more:
            writer.transport.abort()

    serve(tmp_path, test)


def test_viewers_that_are_sent_away_make_room(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with AsyncExitStack() as seen:
            for _ in range(VIEWERS):
                await until(await seen.enter_async_context(serving.viewer()), "hello")
            away = []
            for _ in range(CONNECTIONS):
                reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
                writer.write(UPGRADE)
                await reader.readuntil(b"viewers")
                away.append((reader, writer))
            async with asyncio.timeout(5):  # each has 10 s to say goodbye
                await away[0][0].read()
            for _, writer in away:
                writer.transport.abort()

    serve(tmp_path, test)


def test_a_message_that_is_too_long_ends_its_viewer(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        async with serving.viewer() as seen:
            await seen.send_str(json.dumps({"do": "x" * 100_000}))
            async with asyncio.timeout(60):
                while (await seen.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        assert await serving.status("/") == 200

    serve(tmp_path, test)


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async def test(serving: Serving) -> None:
        with pytest.raises(CannotListen, match=f"{serving.port}.*page.listen"):
            async with Page(Follower([tmp_path]), Pieces(Follower([])), (), steer=False).running(
                "127.0.0.1", serving.port
            ):
                pass

    serve(tmp_path, test)
