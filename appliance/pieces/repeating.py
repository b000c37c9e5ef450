# SPDX-License-Identifier: Apache-2.0
"""Work that is done again and again, and how often. The process's loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from appliance.values import BoxError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is done, in s."""

    refresh: float = 600.0  # a feed that is followed
    announce: float = 600.0  # our own feed
    poll: float = 60.0  # payments
    waiting: float = 30.0  # a feed that is not found yet, or that owes us a key
    again: float = 10.0  # our own feed, while no node has taken it
    patience: float = 60.0  # to find something, and then without progress; behind NAT 43 s were measured


class Repeating:
    """Does `work` after as many seconds as it returned, after `again` if it failed, or at once when it is woken."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, float]], again: float) -> None:
        self._work, self._again = work, again
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Do it now."""
        self._woken.set()

    async def run(self) -> None:
        """Go on until it is cancelled."""
        while True:
            self._woken.clear()
            try:
                seconds = await self._work()
            except (BoxError, OSError) as error:  # OSError: the disk is full, for instance
                log.warning("%s It is tried again.", error)
                seconds = self._again
            except Exception:
                log.exception("An unexpected error in a repeated task; it is tried again.")
                seconds = self._again
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
