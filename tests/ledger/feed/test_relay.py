# SPDX-License-Identifier: Apache-2.0
"""The relay to a listener in a unit of its own: real processes, and a socket that serves as systemd's would."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.ledger.feed.supervisor import Supervisor
from appliance.ledger.tape import Line, encode
from appliance.values import Amount, Kind, Ledger, Link, LinkState

pytestmark = pytest.mark.process

LEDGER = Ledger(7, 0, 1, 1, 0, (Amount(5, Kind.PAYMENT, True, 7),))

# A listener: it writes lines of the network that the last command named, and ends with its input.
LISTENER = f"""
import json, sys
for command in sys.stdin:
    network = json.loads(command)["network"]
    print({encode(Line(0.0, Link(LinkState.LIVE, "NETWORK")))!r}.replace("NETWORK", network), flush=True)
    print({encode(Line(0.0, LEDGER))!r}, flush=True)
print("ended", file=sys.stderr)
"""


class Unit:
    """A socket unit with Accept=yes: each connection is the standard input and output of a process of its own."""

    def __init__(self, folder: Path, program: str) -> None:
        self.path = str(folder / "listener")
        self.listeners: list[subprocess.Popen[bytes]] = []
        self._program = program
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if self._closing(connection):
                    return
                command = [sys.executable, "-S", "-c", self._program]
                self.listeners.append(
                    subprocess.Popen(
                        command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=subprocess.PIPE
                    )
                )

    def _closing(self, connection: socket.socket) -> bool:
        return connection.recv(1, socket.MSG_PEEK) == b"x"

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
            last.sendall(b"x")
            self._thread.join()
        self._socket.close()
        for listener in self.listeners:
            listener.kill()
            listener.communicate()


@contextmanager
def unit(folder: Path, program: str = LISTENER) -> Iterator[Unit]:
    served = Unit(folder, program)
    try:
        yield served
    finally:
        served.close()


def relay(path: str) -> list[str]:
    return [sys.executable, "-m", "appliance.ledger.feed.relay", path]


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[tuple[Unit, subprocess.Popen[bytes]]]:
    with unit(tmp_path) as served:
        command = [*relay(served.path), "testnet"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert b'"testnet"' in process.stdout.readline()
            process.stdout.readline()
            yield served, process


def test_it_passes_commands_and_lines(connected: tuple[Unit, subprocess.Popen[bytes]]) -> None:
    _, process = connected
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"network": "public"}).encode() + b"\n")
    process.stdin.flush()
    assert b'"public"' in process.stdout.readline()


def test_the_end_of_the_box_is_the_end_of_the_listener(
    connected: tuple[Unit, subprocess.Popen[bytes]],
) -> None:
    served, process = connected
    assert process.stdin
    process.stdin.close()
    assert process.wait(60) == 0
    assert b"ended" in served.listeners[0].communicate(timeout=60)[1]


def test_a_killed_connection_is_the_end_of_the_listener(
    connected: tuple[Unit, subprocess.Popen[bytes]],
) -> None:
    served, process = connected
    process.kill()
    assert b"ended" in served.listeners[0].communicate(timeout=60)[1]


def test_the_end_of_the_listener_is_its_own(connected: tuple[Unit, subprocess.Popen[bytes]]) -> None:
    served, process = connected
    served.listeners[0].kill()
    assert process.wait(60) == 0


def test_no_listener_there(tmp_path: Path) -> None:
    command = [*relay(str(tmp_path / "unused")), "public"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "is stellar-wind-listener.socket active?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_supervisor_treats_it_as_a_listener(tmp_path: Path) -> None:
    """The relay ends when its listener ends, and the supervisor starts another one."""
    entries: list[Ledger | Link] = []

    async def run(served: Unit) -> None:
        supervisor = Supervisor(relay(served.path), "public", entries.append, pause=0.01)
        task = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(60):
            while LEDGER not in entries:
                await asyncio.sleep(0.01)
            served.listeners[0].kill()
            while entries.count(Link(LinkState.LIVE, "public")) < 2:
                await asyncio.sleep(0.01)
            supervisor.switch("testnet")
            while Link(LinkState.LIVE, "testnet") not in entries:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with unit(tmp_path) as served:
        asyncio.run(run(served))
    assert len(served.listeners) == 2
    assert Link(LinkState.OFFLINE, "public", "exit code 0", 0.01) in entries
