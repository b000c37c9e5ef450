# SPDX-License-Identifier: Apache-2.0
"""Switching the power off, when MUTE has been held.

The one rule: the box asks and goes on playing; whether it may is the system's to say, and when it does, a SIGTERM ends
the box as ever. The main thread's loop.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from asyncio.subprocess import DEVNULL, PIPE

log = logging.getLogger(__name__)

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
