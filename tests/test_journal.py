# SPDX-License-Identifier: Apache-2.0
"""How the log looks to a person, and how to journald."""

from __future__ import annotations

import os
import re
import subprocess
import sys

PROGRAM = """
import logging, sys
from appliance import journal
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
