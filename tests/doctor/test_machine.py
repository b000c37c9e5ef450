# SPDX-License-Identifier: Apache-2.0
"""What the doctor asks a computer: real files, real programs, and a real control socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from appliance.control import SOCKET, ControlServer
from appliance.doctor import machine
from appliance.doctor.machine import box_status
from appliance.status import Status
from appliance.values import Gesture
from tests.support.patient import patient
from tests.support.statuses import STATUS

pytestmark = pytest.mark.process


def test_files_are_read_below_the_root_and_a_missing_one_is_nothing(tmp_path: Path) -> None:
    it = patient(tmp_path, {"/a/b1": " text\0\n", "/a/b0": "0x10\n"})
    assert (it.read("/a/b1"), it.read("/a/c"), it.read("/a")) == ("text", "", "")
    assert (it.number("/a/b0"), it.number("/a/b1"), it.number("/a/c")) == (16, None, None)
    assert it.find("/a/b*") == ["/a/b0", "/a/b1"]
    assert (it.has("/a"), it.has("/b")) == (True, False)


ANOTHER_USER = """
import os, sys
from pathlib import Path
from appliance.doctor.examine import CHECKS
from appliance.doctor.parts import PARTS
from appliance.doctor.privacy import private
from appliance.settings import load
from tests.support.patient import patient

root, settings = Path(sys.argv[1]), load({}, {}).settings
machine = patient(root, environ={"HOME": "/srv/x", "XDG_RUNTIME_DIR": f"{root}/run/user/1000"})
os.seteuid(65534)
for check in (check for part in PARTS for check in CHECKS.get(part, ())):
    for finding in check(machine, settings):
        print(finding.check, finding.says)
private(machine, settings)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_files_that_this_user_cannot_read_are_as_good_as_none() -> None:
    closed = ("var/lib/stellar-wind", "run/user/1000", "etc/NetworkManager/system-connections")
    with TemporaryDirectory() as root:  # pytest's own folders are all closed
        Path(root).chmod(0o755)
        patient(Path(root), {f"{folder}/state.json.bad": "x" for folder in closed})
        for folder in closed:
            Path(root, folder).chmod(0o700)
        examined = subprocess.run(
            [sys.executable, "-c", ANOTHER_USER, root], capture_output=True, text=True, check=False
        )
    assert examined.returncode == 0, examined.stderr
    assert "/var/lib/stellar-wind" in examined.stdout
    assert "state.json.bad" not in examined.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ((sys.executable, "-c", "print('here')"), "here"),
        ((sys.executable, "-c", "raise SystemExit(3)"), None),
        (("no-such-program",), None),
    ],
)
def test_the_output_of_a_program_or_none(words: tuple[str, ...], answer: str | None) -> None:
    assert machine.ask(words, timeout=60.0) == answer


def test_a_program_that_hangs_has_no_output() -> None:
    assert machine.ask((sys.executable, "-c", "import time; time.sleep(60)"), timeout=0.05) is None


def test_the_space_of_a_disk_is_known_for_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    left = machine.space(tmp_path / "a/b/c")
    assert left
    assert left.writable
    assert left.free > 0
    assert machine.space(tmp_path / ("x" * 300)) is None  # longer than a name can be


# --- the box ------------------------------------------------------------------------------------------------


class Box:
    """As much of a box as the control socket needs."""

    level = -20.0

    def status(self) -> Status:
        return STATUS

    def obey(self, gesture: Gesture) -> None:
        raise AssertionError

    async def keep(self, form: str = "") -> Path:
        raise AssertionError

    async def play(self, paths: Sequence[Path], title: str) -> None:
        raise AssertionError


def test_a_box_that_plays_is_asked_once(tmp_path: Path) -> None:
    async def run() -> None:
        server = ControlServer(tmp_path / SOCKET, Box(), STATUS.networks, ("wind",))
        status = box_status(str(tmp_path), {})
        async with server.running():
            assert await asyncio.to_thread(status) == STATUS
        assert status() == STATUS  # the answer is remembered
        assert box_status(str(tmp_path), {})() is None

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer", [b"", b'{"ok":true}\n', b'{"ok":true,"status":{}}\n', b"[]\n", b"nonsense\n", b'{"ok":false}\n']
)
def test_a_box_that_answers_something_else_is_none(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert box_status(str(tmp_path), {})() is None
        thread.join()
