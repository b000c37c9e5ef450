# SPDX-License-Identifier: Apache-2.0
"""The power: switching it off, when MUTE has been held, and whether there is enough of it.

The one rule: the box asks and goes on playing; whether it may switch off is the system's to say, and when it does, a
SIGTERM ends the box as ever. The main thread's loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

HWMON = Path("/sys/class/hwmon")
SENSOR, ALARM = "rpi_volt", "in0_lcrit_alarm"  # of the kernel's raspberrypi-hwmon: below 4.63 V it says 1
CALM = 60.0  # s without a sag until the supply counts as well: a weak one sags with the music
WEAK = "The power supply gives too little: use the board's own, and a short cable. The box plays on."
PARTING = 1.5  # s: a phrase of six notes


async def power_off(command: str, after: float = PARTING) -> None:
    """Run what switches the power off, `after` s for the answer to the hand; say why where that may not be."""
    if not command:
        log.info("MUTE was held, but panel.power_off names no command.")
        return
    log.info("MUTE was held: switching the power off.")
    await asyncio.sleep(after)
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
        _, said = await process.communicate()
    except OSError as error:
        why = str(error)
    else:
        if not process.returncode:
            return
        why = said.decode(errors="replace").strip().partition("\n")[0] or f"exit code {process.returncode}"
    log.error("Cannot switch the power off: %s. Allow it, or name another command in panel.power_off.", why)


def too_weak(sensors: Path = HWMON) -> bool | None:
    """Whether the board says that its supply gives too little at this moment; None of a board that says nothing."""
    with suppress(OSError):
        for name in sensors.glob("*/name"):
            if name.read_text().strip() == SENSOR:
                return name.with_name(ALARM).read_text().strip() == "1"
    return None


class UndervoltageMonitor:
    """Says whether the supply is weak: from the first sag until there has been none for CALM seconds.

    Told at each sag and its end, a weak supply would fill the log, and no lamp would ever show it: they wait until a
    state has lasted.
    """

    def __init__(self, sensors: Path = HWMON) -> None:
        self._sensors, self._sagged = sensors, -math.inf

    def weak(self, seconds: float) -> bool:
        """Look, at a moment of any clock that never jumps."""
        if too_weak(self._sensors):
            self._sagged = seconds
        return seconds - self._sagged < CALM
