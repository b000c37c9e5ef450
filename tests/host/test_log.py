# SPDX-License-Identifier: Apache-2.0
"""How the log looks to a person and to journald, and its rate limit."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys

import pytest

from appliance.host.log import KINDS, LINES, LogRateLimit, also_to

pytestmark = pytest.mark.process

PROGRAM = """
import logging, sys
from appliance.host.log import start
start(verbose="verbose" in sys.argv)
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
    """What the program above writes to a pipe that JOURNAL_STREAM names, or almost names."""
    reading, writing = os.pipe()
    pipe = os.fstat(writing)
    stream = f"{pipe.st_dev}:{pipe.st_ino if journald else pipe.st_ino + 1}"
    environ = os.environ | {"JOURNAL_STREAM": stream}
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


# --- rate limit -------------------------------------------------------------------------------------------------


def record(text: str, *arguments: object, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("appliance.x", level, "", 0, text, arguments, None)


def written(limit: LogRateLimit, seconds: float, *records: logging.LogRecord) -> list[str]:
    return [line.getMessage() for each in records for line in limit.admit(each, seconds)]


def test_ten_lines_of_a_kind_a_minute_and_then_their_number() -> None:
    limit = LogRateLimit()
    said = [line for n in range(1000) for line in written(limit, n * 0.01, record("card %d", n))]
    assert said == [f"card {n}" for n in range(10)]
    assert written(limit, 59.0, record("another")) == ["another"]
    assert written(limit, 60.0, record("card %d", 1000)) == ["card 999 (repeated 990 times)", "card 1000"]


def test_the_number_of_lines_held_back_comes_with_the_next_line() -> None:
    limit = LogRateLimit()
    written(limit, 0.0, *[record("card")] * 11)
    assert written(limit, 61.0, record("another")) == ["card (repeated 1 times)", "another"]
    assert written(limit, 200.0, record("another")) == ["another"]


def test_ten_lines_a_minute_are_all_written() -> None:
    limit = LogRateLimit()
    lines = [line for n in range(600) for line in written(limit, n * 6.0, record("card"))]
    assert lines == ["card"] * 600


def test_levels_are_kinds_of_their_own() -> None:
    limit = LogRateLimit()
    written(limit, 0.0, *[record("card")] * 20)
    assert written(limit, 1.0, record("card", level=logging.INFO)) == ["card"]


def test_the_number_of_kinds_is_bounded() -> None:
    limit = LogRateLimit()
    said = [line for n in range(100_000) for line in written(limit, n * 1e-4, record(f"card {n}"))]
    assert len(said) == KINDS + 10
    assert written(limit, 70.0, record("another")) == [
        f"card 99999 (repeated {100_000 - KINDS - 10} times)",
        "another",
    ]


REPEATED = """
import logging
from appliance.host.log import start
start()
log = logging.getLogger("appliance.somewhere")
for n in range(100_000):
    log.error("the same again: %d", n)
"""


def test_an_error_in_a_loop_is_ten_lines() -> None:
    done = subprocess.run([sys.executable, "-c", REPEATED], capture_output=True, text=True, check=True)
    assert len(done.stderr.splitlines()) == 10


def test_a_library_that_crashes_leaves_a_traceback() -> None:
    program = "import os, signal\nfrom appliance.host.log import start\nstart()\nos.kill(os.getpid(), signal.SIGABRT)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr


# --- elsewhere ----------------------------------------------------------------------------------------------

MUTED = """
import logging
from appliance.host.log import not_on_standard_error, start
start()
log = logging.getLogger("appliance.somewhere")
log.warning("before")
with not_on_standard_error():
    log.warning("meanwhile")
log.warning("after")
"""


def test_nothing_is_written_while_another_process_draws_on_the_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", MUTED], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stderr.splitlines()] == ["before", "after"]


def test_lines_can_be_passed_on_at_the_same_limit() -> None:
    log, lines = logging.getLogger("appliance.somewhere"), list[str]()
    log.setLevel(logging.INFO)
    try:
        with also_to(lines.append):
            for number in range(100):
                log.info("again: %d", number)
            log.debug("a detail")
        log.info("afterwards")
    finally:
        log.setLevel(logging.NOTSET)
    assert [line[9:] for line in lines] == [f"info again: {number}" for number in range(LINES)]
