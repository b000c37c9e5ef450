# SPDX-License-Identifier: Apache-2.0
"""The control socket: a real server on a real socket, and clients that behave well, badly and not at all."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control import (
    CLIENTS,
    LINE,
    MOST_DETENTS,
    SAMPLES,
    SOCKET,
    BadCommand,
    Client,
    ControlServer,
    NoBox,
    Refused,
    command_of,
    gesture_of,
    note_fields,
    runtime_dir,
)
from appliance.values import (
    FASTEST,
    SLOWEST,
    Amount,
    BoxError,
    Button,
    Chosen,
    Doubled,
    Gesture,
    Held,
    Kind,
    Knob,
    Ledger,
    Moved,
    Note,
    NoteEvent,
    Pressed,
    Turned,
    Voice,
)
from tests.support.statuses import STATUS

pytestmark = pytest.mark.process

NETWORKS, SCENES = ("public", "testnet"), ("wind", "night")
NOTE = NoteEvent(Note(67, 0.5, 1.0, Voice.BELL, amount=Amount(25, Kind.PAYMENT, True, 7)), 1.0, 1.0, 0.75)


BLOCK = 4096  # bytes of samples


class Box:
    """A box that remembers what it was asked."""

    level = -20.0

    def __init__(self) -> None:
        self.now, self.obeyed, self.keeping = STATUS, list[Gesture](), 0
        self.played = list[tuple[list[str], str]]()

    def status(self) -> Any:
        return self.now

    def obey(self, gesture: Gesture) -> None:
        self.obeyed.append(gesture)

    async def play(self, paths: Sequence[Path], title: str) -> None:
        self.played.append(([*map(str, paths)], title))

    async def keep(self, form: str = "") -> Path:
        self.keeping += 1
        if self.keeping > 1:
            raise BoxError("The disk is full.")
        return Path("/kept/evening.score.gz")


class Wire:
    """A client of bytes. `serving` closes those that are still open."""

    open: ClassVar[list[Wire]] = []

    def __init__(self, path: Path) -> None:
        self.path = path

    async def connect(self) -> Wire:
        self.reader, self.writer = await asyncio.open_unix_connection(str(self.path), limit=1 << 20)
        self.open.append(self)
        return self

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def line(self) -> Any:
        """The next line; None at the end."""
        async with asyncio.timeout(60):
            text = await self.reader.readline()
        return json.loads(text) if text else None

    async def ask(self, **command: object) -> Any:
        await self.send(json.dumps(command).encode() + b"\n")
        return await self.line()


@asynccontextmanager
async def serving(folder: Path, **options: float) -> AsyncIterator[tuple[Box, ControlServer, Path]]:
    box = Box()
    server = ControlServer(folder / SOCKET, box, NETWORKS, SCENES, **options)
    try:
        async with server.running():
            yield box, server, folder / SOCKET
    finally:
        for wire in Wire.open:
            wire.writer.transport.abort()
        Wire.open.clear()
        await asyncio.sleep(0)  # until the loop has noticed


def serve(
    folder: Path, test: Callable[[Box, ControlServer, Path], Awaitable[None]], **options: float
) -> None:
    async def run() -> None:
        async with serving(folder, **options) as (box, server, path):
            await test(box, server, path)

    asyncio.run(run())


async def connected(path: Path) -> Wire:
    """A client that is served, once there is room for it."""
    while True:
        client = await Wire(path).connect()
        with suppress(ConnectionError):
            answer = await client.ask(do="status")
            if answer and answer["ok"]:
                return client


# --- commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gesture",
    [
        *(kind(button) for kind in (Pressed, Doubled, Held) for button in Button),
        Turned(Knob.VOLUME, 3),
        Turned(Knob.TEMPO, -2),
        Chosen("volume", 0.25),
        Chosen("tempo", 72.0),
        Chosen("network", "testnet"),
        Chosen("scene", "night"),
        Chosen("mute", True),
        Chosen("sleep", 30),
    ],
)
def test_a_gesture_survives_its_command(gesture: Gesture) -> None:
    assert gesture_of(json.loads(json.dumps(command_of(gesture))), NETWORKS, SCENES) == gesture


def test_a_position_has_no_command() -> None:
    with pytest.raises(BadCommand):
        command_of(Moved(Knob.VOLUME, 0.5))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ({}, "{}"),
        ({"do": "dance"}, "dance"),
        ({"do": "press"}, "press"),
        ({"do": "press", "button": "volume"}, "volume"),
        ({"do": "press", "button": ["mute"]}, "mute"),
        ({"do": "turn", "knob": "mute", "detents": 1}, "mute"),
        ({"do": "turn", "knob": "volume", "detents": MOST_DETENTS + 1}, "detents"),
        ({"do": "turn", "knob": "volume", "detents": 1.5}, "1.5"),
        ({"do": "set", "control": "volume", "value": 1.1}, "1.1"),
        ({"do": "set", "control": "volume", "value": True}, "True"),
        ({"do": "set", "control": "volume", "value": float("nan")}, "nan"),
        ({"do": "set", "control": "volume", "value": 2**2000}, "volume"),
        ({"do": "set", "control": "tempo", "value": SLOWEST - 1}, "29"),
        ({"do": "set", "control": "tempo", "value": "72"}, "72"),
        ({"do": "set", "control": "network", "value": "mine"}, "mine"),
        ({"do": "set", "control": "network", "value": 0}, "public"),
        ({"do": "set", "control": "scene", "value": "storm"}, "wind, night"),
        ({"do": "set", "control": "mute", "value": 1}, "true, false"),
        ({"do": "set", "control": "sleep", "value": 31}, "0, 30, 60, 90"),
        ({"do": "set", "control": "sleep", "value": False}, "False"),
        ({"do": "set", "control": "light", "value": 1}, "light"),
        ({"do": "set", "control": 1, "value": 1}, "set"),
    ],
)
def test_a_wrong_command_is_refused_with_its_value(command: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCommand) as caught:
        gesture_of(command, NETWORKS, SCENES)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 200


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "do": st.sampled_from(["set", "press", "turn", "hold", "double"]) | json_values,
            "control": st.sampled_from(["volume", "tempo", "network", "scene", "mute", "sleep"])
            | json_values,
            "knob": st.sampled_from(list(Knob)) | json_values,
            "button": st.sampled_from(list(Button)) | json_values,
            "detents": json_values,
            "value": json_values,
        },
    )
)
def test_any_command_is_a_valid_gesture_or_a_bad_command(command: dict[str, Any]) -> None:
    try:
        gesture = gesture_of(command, NETWORKS, SCENES)
    except BadCommand:
        return
    if isinstance(gesture, Chosen) and gesture.control == "volume":
        assert isinstance(gesture.value, float)
        assert 0 <= gesture.value <= 1
    if isinstance(gesture, Chosen) and gesture.control == "tempo":
        assert isinstance(gesture.value, float)
        assert SLOWEST <= gesture.value <= FASTEST


def test_a_note_says_what_it_sounds() -> None:
    assert note_fields(NOTE, 3) == {
        "pitch": 67,
        "tone": 3,
        "velocity": 0.5,
        "length": 0.75,
        "pan": 0.0,
        "voice": "bell",
        "kind": "payment",
        "stroops": 25,
        "native": True,
    }
    assert "kind" not in note_fields(replace(NOTE, note=replace(NOTE.note, amount=None)), 0)


# --- clients that behave ------------------------------------------------------------------------------------


def test_the_status_is_told_and_gestures_are_obeyed(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        assert (await client.ask(do="status")) == {
            "ok": True,
            "status": json.loads(json.dumps(STATUS.as_json())),
        }
        assert await client.ask(do="press", button="mute") == {"ok": True}
        assert await client.ask(do="set", control="tempo", value=72) == {"ok": True}
        assert box.obeyed == [Pressed(Button.MUTE), Chosen("tempo", 72.0)]
        refused = await client.ask(do="set", control="tempo", value=7)
        assert (refused["ok"], "7" in refused["error"]) == (False, True)
        assert len(box.obeyed) == 2

    serve(tmp_path, test)


def test_a_format_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await connected(path)
        for form in ("wav", "../x", 7, 0, False, [], ["mid"], None):
            answer = await client.ask(do="keep", format=form)
            assert answer["ok"] == (form is None)  # null is none

    serve(tmp_path, test)


def test_a_ledger_is_told_when_it_is_heard(tmp_path: Path) -> None:
    async def test(_: Box, server: ControlServer, path: Path) -> None:
        client = await connected(path)
        await client.ask(do="watch")
        await client.line()  # the status
        heard = asyncio.get_running_loop().time() + 0.05
        server.ledger(heard, Ledger(7, 0, 3, 1, 0, ()))
        while "ledger" not in (event := await client.line()):
            pass
        assert event == {"ledger": {"sequence": 7, "operations": 3}}
        assert asyncio.get_running_loop().time() >= heard

    serve(tmp_path, test)


def test_who_listens_gets_whole_blocks_and_one_that_does_not_read_misses_some(tmp_path: Path) -> None:
    async def test(_: Box, server: ControlServer, path: Path) -> None:
        assert not server.listened
        client = await connected(path)
        assert await client.ask(do="listen") == {"ok": True}
        assert server.listened
        blocks = 16 * SAMPLES // BLOCK  # 4 MB; the client's own reader takes 2 before it stops
        for number in range(blocks):
            server.samples(bytes([number % 256]) * BLOCK)
            if number % 16 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        client.writer.write_eof()
        got = await client.reader.read(-1)
        assert len(got) % BLOCK == 0
        assert SAMPLES < len(got) < blocks * BLOCK
        assert all(len(set(got[at : at + BLOCK])) == 1 for at in range(0, len(got), BLOCK))
        async with asyncio.timeout(60):
            while server.listened:
                await asyncio.sleep(0.005)

    serve(tmp_path, test)


def test_what_is_kept_is_told_and_so_is_why_not(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        assert await client.ask(do="keep") == {"ok": True, "kept": "/kept/evening.score.gz"}
        assert await client.ask(do="keep") == {"ok": False, "error": "The disk is full."}

    serve(tmp_path, test)


def test_scores_are_played_and_stopped(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        assert await client.ask(do="play", paths=["/a.gz", "/b.gz"], title="Evening") == {"ok": True}
        assert await client.ask(do="stop") == {"ok": True}
        assert box.played == [(["/a.gz", "/b.gz"], "Evening"), ([], "")]
        wrongs: list[dict[str, Any]] = [
            {},
            {"paths": []},
            {"paths": [7]},
            {"paths": "/a.gz"},
            {"paths": ["/a.gz"] * 17},
        ]
        for wrong in wrongs:
            assert not (await client.ask(do="play", **wrong))["ok"]
        assert not (await client.ask(do="play", paths=["/a.gz"], title=7))["ok"]
        assert len(box.played) == 2

    serve(tmp_path, test)


def test_a_client_that_watches_gets_changes_notes_levels_and_the_log(tmp_path: Path) -> None:
    async def test(box: Box, server: ControlServer, path: Path) -> None:
        client, seen = await Wire(path).connect(), list[dict[str, Any]]()
        assert await client.ask(do="watch") == {"ok": True}
        assert "status" in await client.line()
        now = asyncio.get_running_loop().time
        heard = now() + 0.03
        server.note(heard, NOTE, 3)
        while not seen or "note" not in seen[-1]:
            seen.append(await client.line())
        assert now() >= heard
        assert seen[-1]["note"] == note_fields(NOTE, 3)
        server.log("a line of the log")
        box.now = replace(STATUS, volume=0.125)
        wanted = {"level", "log"}
        while wanted or not any(event.get("status", {}).get("volume") == 0.125 for event in seen):
            event = await client.line()
            seen.append(event)
            wanted -= set(event)
        assert sum("status" in event for event in seen) == 1  # only when it changes
        assert await client.ask(do="press", button="network") is not None  # it can steer as well

    serve(tmp_path, test)


def test_a_box_that_ends_ends_its_clients_and_takes_its_socket_away(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (_, _, path):
            client = await Wire(path).connect()
            await client.ask(do="watch")
        while await client.line() is not None:
            pass
        assert not path.exists()

    asyncio.run(run())


# --- clients that do not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"dance\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b'{"do":"set"}\n',
        b"null\n",
        b"1e999\n",
    ],
)
def test_garbage_is_answered_and_the_next_command_obeyed(tmp_path: Path, garbage: bytes) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        await client.send(garbage)
        assert (await client.line())["ok"] is False
        assert await client.ask(do="press", button="mute") == {"ok": True}

    serve(tmp_path, test)


def test_a_line_without_end_is_told_and_dropped(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        await client.send(b"x" * (LINE + 1))
        assert str(LINE) in (await client.line())["error"]
        assert await client.line() is None
        endless = await Wire(path).connect()

        async def flood() -> None:
            while True:
                await endless.send(b"x" * LINE)

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await flood()

    serve(tmp_path, test)


def test_half_a_line_and_a_death_leave_nothing_behind(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        for _index in range(3 * CLIENTS):  # more than there is room for at once
            client = await Wire(path).connect()
            with suppress(ConnectionError):  # there is no room
                await client.send(b'{"do":"press","but')
            client.writer.transport.abort()
        await connected(path)
        assert box.obeyed == []

    serve(tmp_path, test)


def test_there_is_room_for_so_many_clients_and_the_next_one_is_told(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        clients = [await Wire(path).connect() for _ in range(CLIENTS)]
        for client in clients:
            assert (await client.ask(do="status"))["ok"]
        late = await Wire(path).connect()
        assert str(CLIENTS) in (await late.line())["error"]
        assert await late.line() is None
        clients[0].writer.transport.abort()
        await connected(path)

    serve(tmp_path, test)


def test_a_client_that_says_nothing_makes_room_and_one_that_watches_may_be_silent(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        watcher = await Wire(path).connect()
        await watcher.ask(do="watch")
        client = await Wire(path).connect()
        assert (await client.line())["ok"] is False
        assert await client.line() is None
        assert await watcher.line() is not None
        assert await watcher.ask(do="press", button="mute") is not None
        assert box.obeyed == [Pressed(Button.MUTE)]

    serve(tmp_path, test, idle=0.04)


def test_a_slow_reader_loses_events_and_delays_no_other(tmp_path: Path) -> None:
    async def test(box: Box, server: ControlServer, path: Path) -> None:
        quick, sent, got = await Wire(path).connect(), 4000, 0
        await quick.ask(do="watch")
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(str(path))
            slow.sendall(b'{"do":"watch"}\n')
            lines = slow.makefile("rb")
            assert await asyncio.to_thread(lines.readline) == b'{"ok":true}\n'
            for number in range(sent):
                server.log(f"{number:01000}")
                while number % 50 == 49 and got <= number:
                    got += "log" in await quick.line()
            logs = lost = 0
            while not lost:
                event = json.loads(await asyncio.to_thread(lines.readline))
                logs += "log" in event
                lost = event.get("lost", 0)
            lines.close()
        assert got == sent  # the other one has them all
        assert 0 < logs < 1000  # of 1 kB each: what its buffers hold
        assert lost + logs >= sent

    serve(tmp_path, test)


def test_a_status_that_a_slow_client_has_missed_is_told_again(tmp_path: Path) -> None:
    async def test(box: Box, server: ControlServer, path: Path) -> None:
        with Client.connect([tmp_path]) as slow:
            events = slow.watch()
            quick = await Wire(path).connect()
            await quick.ask(do="watch")
            first = await asyncio.to_thread(next, events)
            assert first["status"]["volume"] == STATUS.volume
            for _ in range(2000):  # more than the kernel and the server hold for it
                server.log("x" * 1000)
            box.now = replace(STATUS, volume=0.125)
            while (await quick.line()).get("status", {}).get("volume") != 0.125:
                pass
            last: dict[str, Any] = {}
            async with asyncio.timeout(60):
                while last.get("volume") != 0.125:
                    last = (await asyncio.to_thread(next, events)).get("status", last)

    serve(tmp_path, test)


def test_commands_that_come_too_fast_wait_their_turn(tmp_path: Path) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        await client.send(b'{"do":"turn","knob":"volume","detents":1}\n' * 2000)
        begun = asyncio.get_running_loop().time()
        for _index in range(20):
            assert await client.line() == {"ok": True}
        rate = 20 / (asyncio.get_running_loop().time() - begun)
        assert rate < 60
        assert len(box.obeyed) < 100

    serve(tmp_path, test)


AS_ANOTHER = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[2])
from appliance.control import Client, Refused
os.setgid(65534); os.setuid(65534)
try:
    Client.connect([pathlib.Path(sys.argv[1])]).request({"do": "press", "button": "mute"})
except Refused as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_another_user_is_told_to_use_sudo() -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        os.chmod(path.parent, 0o755)  # noqa: S103 - the folder and the file would keep them out already
        path.chmod(0o666)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AS_ANOTHER, str(path.parent), os.getcwd()), stdout=subprocess.PIPE
        )
        answer, _stderr = await process.communicate()
        assert b"sudo" in answer
        assert box.obeyed == []

    with tempfile.TemporaryDirectory() as folder:
        serve(Path(folder), test)


# --- the socket itself --------------------------------------------------------------------------------------


def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET))
    left.close()

    async def test(box: Box, _: ControlServer, path: Path) -> None:
        client = await Wire(path).connect()
        assert (await client.ask(do="status"))["ok"]

    serve(tmp_path, test)


@pytest.mark.parametrize("turns", range(6))
def test_a_client_that_connects_as_the_box_stops_is_disconnected(turns: int, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:

        async def test(_box: Box, _server: ControlServer, path: Path) -> None:
            for _ in range(3):  # until the server waits for clients
                await asyncio.sleep(0)
            client.connect(str(path))
            for _ in range(turns):  # of the loop, which accepts and serves it in the meantime
                await asyncio.sleep(0)

        serve(tmp_path, test)
        gc.collect()  # a connection that is not closed is a warning, and so an error
        client.settimeout(60)
        with suppress(ConnectionError):
            assert client.recv(1) == b""


def test_a_second_box_leaves_the_socket_of_the_first_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(box: Box, _: ControlServer, path: Path) -> None:
        second = Box()
        async with ControlServer(path, second, NETWORKS, SCENES).running():
            pass
        assert str(path) in caplog.text
        client = await Wire(path).connect()
        assert await client.ask(do="press", button="mute") == {"ok": True}
        assert (box.obeyed, second.obeyed) == ([Pressed(Button.MUTE)], [])

    serve(tmp_path, test)


def test_two_boxes_with_two_folders_do_not_meet(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path / "one") as (one, _, path), serving(tmp_path / "two") as (two, _, _):
            client = await Wire(path).connect()
            await client.ask(do="press", button="mute")
            assert (len(one.obeyed), len(two.obeyed)) == (1, 0)

    asyncio.run(run())


def test_a_folder_that_cannot_be_written_is_one_line_and_the_box_plays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()

    async def run() -> None:
        async with serving(tmp_path / "file" / "folder"):
            pass

    asyncio.run(run())
    assert len(caplog.records) == 1


def test_a_path_that_is_too_long_for_an_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)

    async def test(box: Box, _: ControlServer, path: Path) -> None:
        def ask() -> float:
            with Client.connect([folder]) as client:
                return client.status().volume

        assert await asyncio.to_thread(ask) == STATUS.volume

    serve(folder, test)


# --- the client ---------------------------------------------------------------------------------------------


def test_the_client_asks_and_watches(tmp_path: Path) -> None:
    async def test(box: Box, server: ControlServer, path: Path) -> None:
        def use() -> list[dict[str, Any]]:
            with Client.connect([None, tmp_path / "nowhere", tmp_path]) as client:
                assert client.status() == STATUS
                assert client.keep() == Path("/kept/evening.score.gz")
                with pytest.raises(Refused):
                    client.request({"do": "dance"})
                client.send({"do": "press", "button": "mute"})
                events = client.watch()
                return [next(events) for _ in range(2)]

        events = await asyncio.to_thread(use)
        assert "status" in events[0]
        assert box.obeyed == [Pressed(Button.MUTE)]

    serve(tmp_path, test)


def test_where_no_box_is_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoBox):
        Client.connect([tmp_path, None])


def test_a_box_that_goes_away_or_never_answers_is_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()
        with Client.connect([tmp_path]) as client:
            with pytest.raises(NoBox):
                client.request({"do": "status"}, patience=0.01)
            listening.accept()[0].close()
            with pytest.raises(NoBox):
                client.request({"do": "status"})
        begun = time.monotonic()
        with Client.connect([tmp_path]) as client:
            accepted, _ = listening.accept()
            accepted.sendall(b'{"ok":true,"status":{"state":"dancing"}}\n')
            with pytest.raises(NoBox):
                client.status()
            accepted.close()
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("state_dir", "environ", "expected"),
    [
        ("/srv/wind", {"RUNTIME_DIRECTORY": "/run/x"}, "/srv/wind"),
        ("", {"RUNTIME_DIRECTORY": "/run/x:/run/y", "HOME": "/h"}, "/run/x"),
        ("", {"XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/h"}, "/run/user/1/stellar-wind"),
        ("", {"XDG_RUNTIME_DIR": "relative", "HOME": "/h"}, "/h/.local/state/stellar-wind"),
        ("", {"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/stellar-wind"),
        ("", {}, None),
    ],
)
def test_the_folder_of_the_socket(state_dir: str, environ: dict[str, str], expected: str | None) -> None:
    assert runtime_dir(state_dir, environ) == (Path(expected) if expected else None)
