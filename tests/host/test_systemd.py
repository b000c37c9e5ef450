# SPDX-License-Identifier: Apache-2.0
"""What systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.host.systemd import SystemdNotifier


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    """The socket that systemd listens on, in the namespace without files."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0stellar-wind-{os.getpid()}")
        listening.setblocking(False)
        yield listening


def received(systemd: socket.socket) -> list[list[str]]:
    """The notifications that have arrived, as lines."""
    notifications = []
    with suppress(BlockingIOError):
        while True:
            notifications.append(systemd.recv(4096).decode().split("\n"))
    return notifications


def notifier_of(systemd: socket.socket) -> SystemdNotifier:
    return SystemdNotifier({"NOTIFY_SOCKET": "@" + systemd.getsockname()[1:].decode()})


def test_ready_is_sent_once_and_only_with_two_blocks_of_sound_out(systemd: socket.socket) -> None:
    notifier = notifier_of(systemd)
    for played in (0.0, 0.01, 0.02, 0.03):
        notifier.life(played, 0.01, "")
    assert received(systemd) == [["WATCHDOG=1"], ["READY=1", "WATCHDOG=1"], ["WATCHDOG=1"]]


def test_without_progress_the_watchdog_is_not_fed(systemd: socket.socket) -> None:
    notifier = notifier_of(systemd)
    notifier.life(5.0, 0.01, "public: live")
    assert received(systemd) == [["READY=1", "WATCHDOG=1", "STATUS=public: live"]]
    notifier.life(5.0, 0.01, "public: live")
    assert received(systemd) == []
    notifier.life(5.0, 0.01, "muted")
    assert received(systemd) == [["STATUS=muted"]]


def test_without_systemd_nothing_is_sent(tmp_path: Path) -> None:
    assert not SystemdNotifier({}).wanted
    SystemdNotifier({}).say("READY=1")
    gone = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert gone.wanted
    gone.say("READY=1")


def test_a_systemd_that_does_not_read_holds_nothing_up(systemd: socket.socket) -> None:
    notifier = notifier_of(systemd)
    for number in range(10_000):
        notifier.say(f"STATUS={number}")
    assert 0 < len(received(systemd)) < 10_000
