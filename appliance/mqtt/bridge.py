# SPDX-License-Identifier: Apache-2.0
"""Joins the box and an MQTT broker, and comes back to either whenever it returns. The loop of `stellar-wind mqtt`.

    box ──events──▶ what has changed ──publish──▶ broker
    box ◀─command── the last wish for each control ◀─────

Only the last message to a control is kept until it is its turn, and the box is asked PACE seconds apart, so a flood of
commands costs this process some time and the box nothing. The broker refuses a message of more than LARGEST bytes; a
broker that sends larger ones all the same, which the client would keep in memory, ends this process. A command that the
broker has stored (retained) is of the past and ignored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiomqtt import Client, Message, MqttError, ProtocolVersion, Will
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from appliance.control import KEEPING, PATIENCE
from appliance.follower import Event, Follower
from appliance.mqtt.topics import (
    AVAILABLE,
    COMMANDS,
    OFFLINE,
    ONLINE,
    command,
    command_topic,
    discovery,
    values,
)
from appliance.saved.files import write
from appliance.status import Status
from appliance.values import BoxError

log = logging.getLogger(__name__)

SOONEST, LATEST = 1.0, 60.0  # s between two attempts to connect, doubled from one to the next
STEADY = 30.0  # s of a connection after which the next attempt is soon again
PACE = 0.1  # s between two commands
NOTES = 10.0  # s between two numbers of notes a minute, each of which Home Assistant stores
LARGEST = 4096  # bytes of a message
WAITING = 64  # messages
GROWTH = 40 << 20  # bytes by which the process can grow; it begins with some 40 MB
LOOK = 0.1  # s between two looks at that
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
AT_LEAST_ONCE = 1  # quality of service
LOGIN = "Check mqtt.user and mqtt.password_file."
ADVICE = {132: "It must speak MQTT 5, as Mosquitto does.", 134: LOGIN, 135: LOGIN}  # by the broker's reason
NAME_FILE = "mqtt-id"
NAME = re.compile(r"stellar-wind-[0-9a-f]{12}")


class NoName(BoxError, OSError):
    """The name of the box for the broker can be neither read nor written."""


class NoPassword(BoxError, OSError):
    """The password file cannot be read."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and how to log in there."""

    host: str
    port: int
    tls: bool
    user: str
    password_file: str

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def password(self) -> str | None:
        """The first line of the password file, read again each time. Raises NoPassword."""
        if not self.password_file:
            return None
        try:
            text = Path(self.password_file).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise NoPassword(f"Cannot read the password in {self.password_file}: {reason}.") from error
        return text.partition("\n")[0].rstrip("\r")


def own_name(folder: Path) -> str:
    """The random name of this box, made the first time. Raises NoName."""
    file = folder / NAME_FILE
    try:
        with suppress(FileNotFoundError):
            found = file.read_text(encoding="utf-8", errors="replace").strip()
            if NAME.fullmatch(found):
                return found
        name = f"stellar-wind-{secrets.token_hex(6)}"
        folder.mkdir(parents=True, exist_ok=True)
        write(file, f"{name}\n".encode())
    except OSError as error:
        raise NoName(f"Cannot keep the box's name for MQTT in {file}: {error.strerror or error}.") from error
    return name


class Bridge:
    """Joins the box of `follower` and `broker`, as `name`. `tell` is called with a line when the connection changes.

    `prefix` is before the topics of the box, `discovery_prefix` before those of discovery; "" switches that off.
    `soonest` is in s.
    """

    def __init__(
        self,
        follower: Follower,
        broker: Broker,
        name: str,
        *,
        prefix: str,
        discovery_prefix: str,
        scenes: Iterable[str],
        version: str = "",
        tell: Callable[[str], None] = lambda _: None,
        soonest: float = SOONEST,
    ) -> None:
        self._follower, self._broker, self._name, self._tell = follower, broker, name, tell
        self._base, self._discovery_prefix = f"{prefix}/{name}", discovery_prefix
        self._scenes, self._version, self._soonest = tuple(scenes), version, soonest
        self._wanted: dict[str, bytes] = {}  # the last message to each control that is not obeyed yet
        self._woken = asyncio.Event()
        self._said = ""

    async def run(self) -> None:
        """Join them, for ever."""
        pause = self._soonest
        while True:
            began, connected = time.monotonic(), False
            try:
                async with self._client() as client:
                    connected = True
                    self._say(logging.INFO, f"Connected to the MQTT server {self._broker}.")
                    await self._serve(client)
            except (MqttError, NoPassword) as error:
                self._say(logging.WARNING, _complaint(self._broker, error, connected=connected))
            _heed_cancellation()
            if time.monotonic() - began > STEADY:
                pause = self._soonest
            await asyncio.sleep(pause)
            pause = min(2 * pause, LATEST)

    def _client(self) -> Client:
        """A client for one connection. Raises NoPassword."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
        properties.MaximumPacketSize = LARGEST
        return Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.user or None,
            password=self._broker.password(),
            identifier=self._name,
            protocol=ProtocolVersion.V5,
            properties=properties,
            will=Will(f"{self._base}/{AVAILABLE}", OFFLINE, AT_LEAST_ONCE, retain=True),
            tls_context=ssl.create_default_context() if self._broker.tls else None,
            max_queued_incoming_messages=WAITING,
        )

    async def _serve(self, client: Client) -> None:
        """Serve both sides until one connection fails. Raises MqttError."""
        for name in COMMANDS:
            await client.subscribe(f"{self._base}/{command_topic(name)}", qos=AT_LEAST_ONCE)
            _heed_cancellation()
        tasks = [
            asyncio.create_task(each) for each in (self._publish(client), self._receive(client), self._obey())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(MqttError):  # an end that is asked for has no last will
                await self._put(client, AVAILABLE, OFFLINE)

    async def _publish(self, client: Client) -> None:
        """Publish each value that changes."""
        told: dict[str, str] = {}
        networks: tuple[str, ...] = ()
        counted = -NOTES
        async for event in self._follower.events():
            status = _status(event)
            news = values(status) if status else _other(event)
            now = time.monotonic()
            if status and status.networks != networks:
                networks = status.networks
                await self._announce(client, networks)
            if "notes" in news and now - counted < NOTES:
                del news["notes"]
            for topic, value in news.items():
                if told.get(topic) != value:
                    await self._put(client, topic, value)
                    _heed_cancellation()
                    told[topic] = value
                    counted = now if topic == "notes" else counted

    async def _announce(self, client: Client, networks: Iterable[str]) -> None:
        if self._discovery_prefix:
            found = discovery(self._base, self._name, self._version, networks, self._scenes)
            for topic, config in found.items():
                await client.publish(f"{self._discovery_prefix}/{topic}", config, AT_LEAST_ONCE, retain=True)
                _heed_cancellation()

    async def _put(self, client: Client, topic: str, value: str) -> None:
        await client.publish(f"{self._base}/{topic}", value, AT_LEAST_ONCE, retain=True)

    async def _receive(self, client: Client) -> None:
        """Take the messages of the broker."""
        async for message in client.messages:
            self._take(message)

    def _take(self, message: Message) -> None:
        name = message.topic.value.removeprefix(f"{self._base}/").partition("/")[0]
        if name in COMMANDS and not message.retain and isinstance(message.payload, bytes):
            self._wanted.pop(name, None)  # the last one is the last to be obeyed
            self._wanted[name] = message.payload
            self._woken.set()

    async def _obey(self) -> None:
        """Ask the box for what is wanted, one thing after another."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._wanted:
                name = next(iter(self._wanted))
                payload = self._wanted.pop(name)
                try:
                    patience = KEEPING if name == "keep" else PATIENCE
                    await self._follower.request(command(name, payload), patience)
                except BoxError as error:
                    log.warning("A message to %s is not obeyed: %s", command_topic(name), error)
                await asyncio.sleep(PACE)

    def _say(self, level: int, line: str) -> None:
        """Log a line and tell it, unless it was the last one."""
        if line != self._said:
            self._said = line
            log.log(level, "%s", line)
            self._tell(line)


async def serve(bridge: Bridge, broker: Broker) -> None:
    """Run the bridge, and end the process at once if the broker fills its memory."""
    most, running = _resident() + GROWTH, asyncio.create_task(bridge.run())
    while not running.done():
        if _resident() > most:
            log.error(
                "The MQTT server %s sends what the box has not asked for, and fills its memory: this process ends. "
                "Check that mqtt.server names the right server.",
                broker,
            )
            os._exit(1)  # while a connection is ended politely, the client would read on
        await asyncio.wait([running], timeout=LOOK)
    running.result()


def _resident() -> int:
    """How much of this process is in memory, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def _heed_cancellation() -> None:
    """Raise CancelledError in a task that is being cancelled.

    Until Python 3.12, asyncio.wait_for, which the client calls, loses a cancellation that comes with the result.
    """
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


def _status(event: Event) -> Status | None:
    with suppress(KeyError, TypeError, ValueError):  # of another version
        return Status.from_json(event["status"])
    return None


def _other(event: Event) -> dict[str, str]:
    """What is published of an event that is no status."""
    match event:
        case {"box": bool(there)}:
            return {AVAILABLE: ONLINE if there else OFFLINE}
        case {"ledger": {"sequence": int(sequence)}}:
            return {"ledger": str(sequence)}
    return {}


def _complaint(broker: Broker, error: MqttError | NoPassword, *, connected: bool) -> str:
    if connected:  # the client's own words are of its inside: "Disconnected during message iteration"
        return (
            f"The MQTT server {broker} has closed the connection, or the network has failed. "
            "The box connects again within a minute."
        )
    if isinstance(error, NoPassword):
        return f"{error} Correct mqtt.password_file; the MQTT server {broker} is tried again."
    if isinstance(error, MqttConnectError):
        advice = ADVICE.get(getattr(error.rc, "value", 0), "It is tried again.")
        return f"The MQTT server {broker} refuses the box: {error}. {advice}"
    return f"There is no connection to the MQTT server {broker}: {error}. It is tried again."
