# SPDX-License-Identifier: Apache-2.0
"""A real Mosquitto on the loopback, with a user and a password, over TLS if it is asked for."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiomqtt import Client, MqttError

from tests.support.sockets import free_port

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") or ""
USER, PASSWORD = "box", "pass word ü"
LIMIT = 60.0  # s, to end a hang


class Mosquitto:
    """A broker in a folder. Its stored messages outlive it if it is told to stop, and not if it is killed."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self.port, self._folder = free_port(), folder
        passwords = folder / "passwords"
        made = ["mosquitto_passwd", "-b", "-c", str(passwords), USER, PASSWORD]
        subprocess.run(made, check=True, capture_output=True)
        passwords.chmod(0o600)
        lines = [f"listener {self.port} 127.0.0.1", f"password_file {passwords}", "allow_anonymous false"]
        lines += ["user root", "persistence true", f"persistence_location {folder}/"]
        if certificate:
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        (folder / "conf").write_text("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self._folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-c", str(self._folder / "conf")], stdout=log, stderr=log
            )
        async with asyncio.timeout(LIMIT):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self.process.poll() is None, (self._folder / "log").read_text()
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def kill(self) -> None:
        """End it without a goodbye."""
        self.process.kill()
        self.process.wait(LIMIT)

    @asynccontextmanager
    async def home(self) -> AsyncIterator[Home]:
        """Another client, which sees and says everything."""
        deadline = time.monotonic() + LIMIT
        client = Client("127.0.0.1", self.port, username=USER, password=PASSWORD)
        while True:
            try:
                await client.__aenter__()
                break
            except MqttError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        try:
            home = Home(client)
            await client.subscribe("#", qos=1)
            task = asyncio.create_task(home.listen())
            yield home
            task.cancel()
        finally:
            await client.__aexit__(None, None, None)


class Home:
    """What a client of the broker has been told, by topic."""

    def __init__(self, client: Client) -> None:
        self.client, self.told, self.retained = client, dict[str, str](), dict[str, str]()

    async def listen(self) -> None:
        """Take every message, until the broker has gone."""
        try:
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                self.told[message.topic.value] = message.payload.decode(errors="replace")
        except MqttError:
            pass

    async def until(self, topic: str, value: str) -> None:
        """Wait until a topic has this value."""
        async with asyncio.timeout(LIMIT):
            while self.told.get(topic) != value:
                await asyncio.sleep(0.01)

    async def say(self, topic: str, value: str | bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Publish."""
        await self.client.publish(topic, value, qos=qos, retain=retain)
