# SPDX-License-Identifier: Apache-2.0
"""The power: switches it off when MUTE has been held, and watches for undervoltage.

The box runs the command of `panel.power_off` and plays on; the system decides, and ends the box with a SIGTERM like any
other service. The main thread's loop.
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
SENSOR, ALARM = "rpi_volt", "in0_lcrit_alarm"  # of the kernel's raspberrypi-hwmon; 1 below 4.63 V
CALM = 60.0  # s without undervoltage until the supply counts as sufficient
WEAK = (
    "The power supply is too weak: the voltage fell below 4.63 V. The box plays on; use the supply that is sold with "
    "the board, and a short cable."
)
PHRASE = 1.5  # s that the phrase of six notes takes which confirms it


async def power_off(command: str, after: float = PHRASE) -> None:
    """Run the command that switches the power off, `after` s from now. A failure is logged."""
    if not command:
        log.info("MUTE was held, but panel.power_off is empty: the power stays on.")
        return
    log.info("MUTE was held: switching the power off.")
    await asyncio.sleep(after)
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
        _, errors = await process.communicate()
    except OSError as error:
        why = str(error)
    else:
        if not process.returncode:
            return
        why = errors.decode(errors="replace").strip().partition("\n")[0] or f"exit code {process.returncode}"
    log.error(
        "Cannot switch the power off: %s. The box plays on; allow its user to run %r, or set another command in "
        "panel.power_off.",
        why,
        command,
    )


def too_weak(sensors: Path = HWMON) -> bool | None:
    """Whether the board reports undervoltage at this moment; None for a board without that sensor."""
    with suppress(OSError):
        for name in sensors.glob("*/name"):
            if name.read_text().strip() == SENSOR:
                return name.with_name(ALARM).read_text().strip() == "1"
    return None


class UndervoltageMonitor:
    """Debounces the undervoltage sensor: weak from the first alarm until there has been none for CALM seconds.

    A weak supply sags with the music, every few seconds. Without this each alarm would be a line in the log, and no
    lamp would show it, because they show a state only after it has lasted.
    """

    def __init__(self, sensors: Path = HWMON) -> None:
        self._sensors, self._last = sensors, -math.inf

    def weak(self, seconds: float) -> bool:
        """Read the sensor at a moment of a clock that never jumps. Whether the supply counts as weak."""
        if too_weak(self._sensors):
            self._last = seconds
        return seconds - self._last < CALM
