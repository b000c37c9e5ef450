# SPDX-License-Identifier: Apache-2.0
"""How the log looks to a person, and how to journald; what systemd is told."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.host.log import KINDS, LogRateLimit, SystemdNotifier

PROGRAM = """
import logging, sys
from appliance.host import log
journal.start(verbose="verbose" in sys.argv)
log = logging.getLogger("appliance.somewhere")
log.debug("small")
log.info("the network is %s", "public")
log.warning("odd")
logging.getLogger("aiohttp").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("wrong")
"""


def lines_of(*arguments: str, journald: bool) -> list[str]:
    """What the program above writes to a pipe that is journald's, or only looks as if it were."""
    reading, writing = os.pipe()
    pipe = os.fstat(writing)
    promise = f"{pipe.st_dev}:{pipe.st_ino if journald else pipe.st_ino + 1}"
    environ = os.environ | {"JOURNAL_STREAM": promise}
    with open(reading, encoding="utf-8") as output:
        subprocess.run([sys.executable, "-c", PROGRAM, *arguments], stderr=writing, env=environ, check=True)
        os.close(writing)
        return output.read().splitlines()


def test_a_person_sees_time_and_level() -> None:
    lines = lines_of(journald=False)
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines[:3])
    assert [line[9:] for line in lines[:3]] == ["info the network is public", "warning odd", "error wrong"]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_journald_sees_priorities_and_no_time() -> None:
    lines = lines_of("verbose", journald=True)
    assert lines[:4] == ["<7>small", "<6>the network is public", "<4>odd", "<3>wrong"]
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"
    assert all(line.startswith("<3>") for line in lines[4:])


# --- floods -------------------------------------------------------------------------------------------------


def record(text: str, *arguments: object, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("appliance.x", level, "", 0, text, arguments, None)


def written(flood: LogRateLimit, seconds: float, *records: logging.LogRecord) -> list[str]:
    return [line.getMessage() for each in records for line in flood.admit(each, seconds)]


def test_ten_of_a_kind_a_minute_and_then_only_how_many() -> None:
    flood = LogRateLimit()
    said = [line for n in range(1000) for line in written(flood, n * 0.01, record("card %d", n))]
    assert said == [f"card {n}" for n in range(10)]
    assert written(flood, 59.0, record("another")) == ["another"]
    assert written(flood, 60.0, record("card %d", 1000)) == ["card 999 (repeated 990 times)", "card 1000"]


def test_what_was_held_back_is_told_by_whatever_comes_next() -> None:
    flood = LogRateLimit()
    written(flood, 0.0, *[record("card")] * 11)
    assert written(flood, 61.0, record("another")) == ["card (repeated 1 times)", "another"]
    assert written(flood, 200.0, record("another")) == ["another"]


def test_a_minute_with_ten_lines_holds_nothing_back() -> None:
    flood = LogRateLimit()
    lines = [line for n in range(600) for line in written(flood, n * 6.0, record("card"))]
    assert lines == ["card"] * 600


def test_levels_are_kinds_of_their_own() -> None:
    flood = LogRateLimit()
    written(flood, 0.0, *[record("card")] * 20)
    assert written(flood, 1.0, record("card", level=logging.INFO)) == ["card"]


def test_texts_that_are_never_the_same_are_bounded_too() -> None:
    flood = LogRateLimit()
    said = [line for n in range(100_000) for line in written(flood, n * 1e-4, record(f"card {n}"))]
    assert len(said) == KINDS + 10
    assert written(flood, 70.0, record("another")) == [
        f"card 99999 (repeated {100_000 - KINDS - 10} times)",
        "another",
    ]


FLOOD = """
import logging
from appliance.host import log
journal.start()
log = logging.getLogger("appliance.somewhere")
for n in range(100_000):
    log.error("the same again: %d", n)
"""


def test_a_flood_of_errors_is_ten_lines() -> None:
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    assert len(done.stderr.splitlines()) == 10


def test_a_library_that_crashes_leaves_a_traceback() -> None:
    program = "import os, signal\nfrom appliance.host import log\njournal.start()\nos.kill(os.getpid(), signal.SIGABRT)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr


# --- systemd ------------------------------------------------------------------------------------------------


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    """The socket that systemd listens on, in the namespace without files."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0stellar-wind-{os.getpid()}")
        listening.setblocking(False)
        yield listening


def heard(systemd: socket.socket) -> list[list[str]]:
    told = []
    with suppress(BlockingIOError):
        while True:
            told.append(systemd.recv(4096).decode().split("\n"))
    return told


def notices(systemd: socket.socket) -> SystemdNotifier:
    return SystemdNotifier({"NOTIFY_SOCKET": "@" + systemd.getsockname()[1:].decode()})


def test_ready_is_said_once_and_only_with_sound_out(systemd: socket.socket) -> None:
    to_systemd = notices(systemd)
    for played in (0.0, 0.01, 0.02, 0.03):
        to_systemd.life(played, 0.01, "")
    assert heard(systemd) == [["WATCHDOG=1"], ["READY=1", "WATCHDOG=1"], ["WATCHDOG=1"]]


def test_no_progress_is_no_sign_of_life(systemd: socket.socket) -> None:
    to_systemd = notices(systemd)
    to_systemd.life(5.0, 0.01, "public: live")
    assert heard(systemd) == [["READY=1", "WATCHDOG=1", "STATUS=public: live"]]
    to_systemd.life(5.0, 0.01, "public: live")
    assert heard(systemd) == []
    to_systemd.life(5.0, 0.01, "muted")
    assert heard(systemd) == [["STATUS=muted"]]


def test_nobody_asked_and_nobody_listens(tmp_path: Path) -> None:
    assert not SystemdNotifier({}).wanted
    SystemdNotifier({}).say("READY=1")
    gone = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert gone.wanted
    gone.say("READY=1")
