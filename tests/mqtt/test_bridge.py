# SPDX-License-Identifier: Apache-2.0
"""The bridge between a real control socket and a real Mosquitto, and what a hostile broker or client gets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.control import SOCKET, ControlServer
from appliance.follower import Follower
from appliance.mqtt.bridge import NAME, PACE, Bridge, Broker, NoName, own_name
from appliance.mqtt.topics import COMMANDS, values
from appliance.values import BoxError, Chosen, Gesture, Ledger
from tests.support.horizon_tls import authority
from tests.support.mosquitto import PASSWORD, PROGRAM, USER, Mosquitto
from tests.support.statuses import STATUS
from tests.support.waiting import LIMIT, eventually

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not PROGRAM, reason="there is no mosquitto: apt-get install mosquitto"),
]

NETWORKS, SCENES = STATUS.networks, ("wind", "night")
NAMED = "stellar-wind-0123456789ab"
BASE = f"house/{NAMED}"


class Box:
    """A box that remembers what it was asked, and obeys it."""

    level = -20.0

    def __init__(self) -> None:
        self.now, self.obeyed, self.kept = STATUS, list[Gesture](), 0

    def status(self) -> Any:
        return self.now

    def obey(self, gesture: Gesture) -> None:
        self.obeyed.append(gesture)
        if isinstance(gesture, Chosen):
            name = "muted" if gesture.control == "mute" else gesture.control
            changed: dict[str, Any] = {name: gesture.value}
            self.now = replace(self.now, **changed)

    async def keep(self, form: str = "") -> Path:
        self.kept += 1
        if self.kept > 1:
            raise BoxError("The disk is full.")
        return Path("/kept/ada/evening.score.gz")

    async def play(self, scores: Sequence[Path], title: str) -> None:
        raise AssertionError("A broker plays no scores.")


class Joined:
    """A box, a broker and the bridge between them."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.broker, self.box = folder, broker, Box()
        self.control = ControlServer(folder / SOCKET, self.box, NETWORKS, SCENES)
        self.lines: list[str] = []
        (folder / "password").write_text(f"{PASSWORD}\n")

    @asynccontextmanager
    async def bridge(
        self, *, tls: bool = False, discovery_prefix: str = "homeassistant"
    ) -> AsyncIterator[None]:
        broker = Broker("127.0.0.1", self.broker.port, tls, USER, str(self.folder / "password"))
        bridge = Bridge(
            Follower([self.folder], pause=0.02),
            broker,
            NAMED,
            prefix="house",
            discovery_prefix=discovery_prefix,
            scenes=SCENES,
            version="0.1.0",
            tell=self.lines.append,
            soonest=0.02,
        )
        task = asyncio.create_task(bridge.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def line(self, words: str) -> None:
        """Wait for a line about the connection."""
        await eventually(lambda: any(words in line for line in self.lines))


def run(folder: Path, test: Callable[[Joined], Awaitable[None]], **options: Any) -> None:
    async def all_of_it() -> None:
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker", **options)
        await broker.start()
        joined = Joined(folder, broker)
        try:
            async with joined.control.running():
                await test(joined)
        finally:
            broker.kill()

    asyncio.run(all_of_it())


def test_the_box_is_one_device_and_its_values_are_told(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home:
            async with joined.bridge():
                await home.until(f"{BASE}/available", "online")
                for topic, value in values(STATUS).items():
                    await home.until(f"{BASE}/{topic}", value)
                configs = [json.loads(text) for topic, text in home.told.items() if topic.endswith("/config")]
                assert len(configs) == 10
                assert {config["device"]["identifiers"][0] for config in configs} == {NAMED}
                joined.box.now = replace(STATUS, volume=0.25, muted=True)
                await home.until(f"{BASE}/volume", "25")
                await home.until(f"{BASE}/mute", "ON")
                loop = asyncio.get_running_loop()
                joined.control.ledger(loop.time(), Ledger(59_000_001, 1, 2, 3, 4, ()))
                await home.until(f"{BASE}/ledger", "59000001")
            await home.until(f"{BASE}/available", "offline")
        async with joined.broker.home() as later:  # what the broker has stored
            await later.until(f"{BASE}/available", "offline")
            await later.until(f"{BASE}/volume", "25")
            stored = json.dumps(later.told)
        private = {os.uname().nodename, USER, PASSWORD, str(tmp_path), "evening", STATUS.card}
        private |= {Path(name).read_text().strip() for name in ("/etc/machine-id",) if Path(name).exists()}
        assert [word for word in private if word and word in stored] == []

    run(tmp_path, test)


def test_every_control_is_set_and_the_half_hour_kept(tmp_path: Path) -> None:
    wanted: dict[str, tuple[str, Any]] = {
        "volume": ("30", 0.3),
        "tempo": ("90", 90.0),
        "network": ("testnet", "testnet"),
        "scene": ("night", "night"),
        "mute": ("ON", True),
        "sleep": ("60", 60),
    }

    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home, joined.bridge():
            await home.until(f"{BASE}/available", "online")
            for name, (text, _) in wanted.items():
                await home.say(f"{BASE}/{name}/set", text)
            for name, (text, _) in wanted.items():
                await home.until(f"{BASE}/{name}", text)
            assert joined.box.obeyed == [Chosen(name, value) for name, (_, value) in wanted.items()]
            await home.say(f"{BASE}/keep/set", "PRESS")
            await eventually(lambda: joined.box.kept == 1)
            await home.say(f"{BASE}/keep/set", "PRESS")  # which the disk has no room for
            await eventually(lambda: joined.box.kept == 2)
            await home.say(f"{BASE}/tempo/set", "70")
            await home.until(f"{BASE}/tempo", "70")

    run(tmp_path, test)


def test_without_discovery_nothing_is_said_of_it(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home, joined.bridge(discovery_prefix=""):
            await home.until(f"{BASE}/available", "online")
            await home.until(f"{BASE}/notes", "70")
            assert [topic for topic in home.told if not topic.startswith(BASE)] == []

    run(tmp_path, test)


def test_a_broker_that_dies_and_returns_finds_the_box_again(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.bridge():
            for number in range(3):
                async with joined.broker.home() as home:
                    await home.until(
                        f"{BASE}/available", "online"
                    )  # nothing is stored by one that was killed
                    await home.until(f"{BASE}/volume", "70")
                    await home.say(f"{BASE}/tempo/set", str(70 + number))
                    await home.until(f"{BASE}/tempo", str(70 + number))
                    joined.broker.kill()
                    await joined.line("There is no connection")
                joined.lines.clear()
                await joined.broker.start()
                await joined.line("Connected")

    run(tmp_path, test)


def test_a_connection_that_ends_is_told_with_whose_fault_it_is_and_what_comes_next(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.bridge():
            async with joined.broker.home() as home:
                await home.until(f"{BASE}/available", "online")
                joined.broker.kill()
                await eventually(lambda: len(joined.lines) > 1)
            words = (f"server mqtt://127.0.0.1:{joined.broker.port} has closed", "connects again")
            assert all(word in joined.lines[1] for word in words)

    run(tmp_path, test)


def test_a_bridge_that_is_killed_is_told_of_by_its_last_will(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        words = ["mqtt.user=" + USER, f"mqtt.password_file={tmp_path}/password", f"state_dir={tmp_path}"]
        words += [f"mqtt.server=mqtt://127.0.0.1:{joined.broker.port}"]
        options = [option for word in words for option in ("--set", word)]
        command = [sys.executable, "-m", "appliance", "mqtt", *options]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            async with joined.broker.home() as home:
                await eventually((tmp_path / "mqtt-id").exists)
                base = f"stellar-wind/{(tmp_path / 'mqtt-id').read_text().strip()}"
                await home.until(f"{base}/available", "online")
                process.send_signal(signal.SIGKILL)
                await home.until(f"{base}/available", "offline")
        finally:
            process.kill()
            process.wait(LIMIT)

    run(tmp_path, test)


def test_a_box_that_ends_is_offline_and_one_that_returns_is_online(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home, joined.bridge():
            await home.until(f"{BASE}/available", "online")
            other = ControlServer(tmp_path / SOCKET, joined.box, NETWORKS, SCENES)
            (tmp_path / SOCKET).unlink()
            for task in asyncio.all_tasks():  # what the first box does
                if "ControlServer._connected" in repr(task.get_coro()):
                    task.cancel()
            await home.until(f"{BASE}/available", "offline")
            await home.say(f"{BASE}/volume/set", "10")  # no box obeys it
            async with other.running():
                await home.until(f"{BASE}/available", "online")
                await home.say(f"{BASE}/volume/set", "20")
                await home.until(f"{BASE}/volume", "20")

    run(tmp_path, test)


def test_a_wrong_password_is_told_and_a_corrected_one_is_taken(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        password = tmp_path / "password"
        password.write_text("wrong")
        async with joined.bridge():
            await joined.line("mqtt.password_file")
            assert not any("Connected" in line or PASSWORD in line for line in joined.lines)
            password.unlink()
            await joined.line("Cannot read the password")
            password.write_bytes(b"\xff\xfe")
            await joined.line("Cannot read the password")
            password.write_text(f"{PASSWORD}\r\n", encoding="utf-8-sig")
            await joined.line("Connected")

    run(tmp_path, test)


def test_floods_and_garbage_cost_the_box_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    garbage = [
        b"",
        b"\0" * 4000,
        b"\xff\xfe",
        b"{" * 3000,
        b"NaN",
        b"1e999",
        b"-1",
        b"ON\nON",
        b"x" * 100_000,
    ]

    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home, joined.bridge():
            await home.until(f"{BASE}/available", "online")
            began = time.monotonic()
            for name in COMMANDS:
                for payload in garbage:
                    await home.say(f"{BASE}/{name}/set", payload)
            for number in range(5000):
                await home.say(f"{BASE}/volume/set", str(number % 100), qos=0)
            await home.say(f"{BASE}/volume/set/more", "1")
            await home.say(f"{BASE}/volume/set", "41")
            await home.until(f"{BASE}/volume", "41")
            assert len(joined.box.obeyed) <= (time.monotonic() - began) / PACE + 1
            assert joined.box.kept == 0
            await home.say(f"{BASE}/tempo/set", "99")
            await home.until(f"{BASE}/tempo", "99")
        assert not any("no connection" in line for line in joined.lines)

    with caplog.at_level(logging.WARNING):
        run(tmp_path, test)
    assert any("volume/set" in message for message in caplog.messages)
    assert not any("xxx" in message for message in caplog.messages)  # the broker keeps what is too large


def test_a_command_that_the_broker_has_stored_is_of_the_past(tmp_path: Path) -> None:
    async def test(joined: Joined) -> None:
        async with joined.broker.home() as home:
            await home.say(f"{BASE}/volume/set", "100", retain=True)
            await home.say(f"{BASE}/keep/set", "PRESS", retain=True)
            async with joined.bridge():
                await home.until(f"{BASE}/available", "online")
                await home.say(f"{BASE}/tempo/set", "66")
                await home.until(f"{BASE}/tempo", "66")
                assert joined.box.obeyed == [Chosen("tempo", 66.0)]
                assert joined.box.kept == 0

    run(tmp_path, test)


@asynccontextmanager
async def answering(*packets: bytes) -> AsyncIterator[int]:
    """A server that sends these to each client, whatever it says; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(1)
            for packet in packets:
                writer.write(packet)
                await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("reason", "advice"), [(132, "MQTT 5"), (135, "mqtt.user"), (136, "tried again")])
def test_what_a_broker_refuses_is_told_with_what_to_do(reason: int, advice: str, tmp_path: Path) -> None:
    async def test() -> None:
        lines: list[str] = []
        async with answering(bytes((0x20, 3, 0, reason, 0))) as port:
            bridge = Bridge(
                Follower([tmp_path]),
                Broker("127.0.0.1", port, False, "", ""),
                NAMED,
                prefix="house",
                discovery_prefix="",
                scenes=SCENES,
                tell=lines.append,
            )
            task = asyncio.create_task(bridge.run())
            await eventually(lambda: lines)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert advice in lines[0]

    asyncio.run(test())


ACCEPTED = b"\x20\x03\0\0\0"
LARGEST_PACKET = b"\x30\xff\xff\xff\x7f"  # a message of 256 MB
# Messages that a client keeps until the broker releases them (quality of service 2): one of 65,535.
KEPT = [b"\x34\xa7\x1f\0\1a" + number.to_bytes(2, "big") + bytes(4002) for number in range(1, 1 << 16)]


@pytest.mark.parametrize("packets", [[ACCEPTED, LARGEST_PACKET, *[bytes(1 << 20)] * 255], [ACCEPTED, *KEPT]])
def test_a_broker_that_fills_the_memory_ends_the_process(packets: list[bytes], tmp_path: Path) -> None:
    async def test() -> None:
        async with answering(*packets) as port:
            command = [
                sys.executable,
                "-m",
                "appliance",
                "mqtt",
                "--set",
                f"mqtt.server=mqtt://127.0.0.1:{port}",
            ]
            process = await asyncio.create_subprocess_exec(
                *command, "--set", f"state_dir={tmp_path}", stderr=asyncio.subprocess.PIPE
            )
            try:
                async with asyncio.timeout(2 * LIMIT):
                    _, text = await process.communicate()
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
            assert process.returncode == 1
            assert f"127.0.0.1:{port}" in text.decode()
            assert "Traceback" not in text.decode()

    asyncio.run(test())


# paho leaves the socket of a handshake that fails to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_spoken_with_a_server_whose_certificate_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, trusted = authority(tmp_path)
    made = ca.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in made.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)

    async def test(joined: Joined) -> None:
        async with joined.bridge(tls=True):
            await joined.line("certificate verify failed")
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
            await joined.line("Connected")

    run(tmp_path, test, certificate=(tmp_path / "cert.pem", tmp_path / "key.pem"))


def test_the_name_is_random_stays_and_is_made_anew_if_it_is_broken(tmp_path: Path) -> None:
    first, second = own_name(tmp_path / "a"), own_name(tmp_path / "b")
    assert first != second
    assert NAME.fullmatch(first)
    assert own_name(tmp_path / "a") == first
    (tmp_path / "a/mqtt-id").write_bytes(b"\xff\0../#")
    assert NAME.fullmatch(own_name(tmp_path / "a"))
    (tmp_path / "c").write_text("a file")
    with pytest.raises(NoName):
        own_name(tmp_path / "c")
