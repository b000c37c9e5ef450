# SPDX-License-Identifier: Apache-2.0
"""The terminal panel of a box that has much to say."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.control import SOCKET, ControlServer
from appliance.values import Gesture
from tests.support.ending import ended
from tests.support.statuses import STATUS

pytestmark = pytest.mark.process


class Box:
    """A box that only shows itself."""

    level = -20.0

    def status(self) -> Any:
        return STATUS

    def obey(self, gesture: Gesture) -> None:
        pass

    async def keep(self, form: str = "") -> Path:
        raise AssertionError

    async def play(self, paths: Sequence[Path], title: str) -> None:
        raise AssertionError


def test_a_panel_that_is_closed_while_events_come_says_nothing_of_it(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 120))
    screen = bytearray()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = ControlServer(tmp_path / SOCKET, Box(), STATUS.networks, ("wind",))
        async with server.running(), asyncio.timeout(120):
            loop.add_reader(master, lambda: screen.extend(os.read(master, 4096)))
            words = [sys.executable, "-m", "appliance", "panel", "--set", f"state_dir={tmp_path}"]
            panel = await asyncio.create_subprocess_exec(*words, stdin=slave, stdout=slave, stderr=slave)
            async with ended(panel):
                while b"volume 70%" not in screen:
                    await asyncio.sleep(0.02)
                os.write(master, b"q")
                while panel.returncode is None:
                    server.log("a line")
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)  # for what it has written last
            loop.remove_reader(master)

    try:
        asyncio.run(run())
    finally:
        os.close(master)
        os.close(slave)
    assert b"Traceback" not in screen
