# SPDX-License-Identifier: Apache-2.0
"""The feed: the ledgers that the box plays, from the live network while it answers, else from a recording.

No ledger is passed on twice, however often the listener restarts. A network that goes away is logged once, and once
when it is back. The main thread's loop.

    Supervisor ──ledgers, states──▶ Feed ── Played ──▶ put
    recording ───────Source──────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from appliance.ledger.feed.played import Played
from appliance.ledger.feed.source import Source
from appliance.ledger.feed.supervisor import Supervisor
from appliance.ledger.tape import TapePlayer
from appliance.values import TROUBLED, BoxState, Ledger, Link, LinkState

log = logging.getLogger(__name__)

TICK = 0.1  # s between two checks of the recording


class Feed:
    """Passes ledgers on to `put`, from `network` while it answers.

    `listener` is the command that starts a listener; without one only the recording plays. `last` is the network and
    the sequence of the ledger that was played last, before a restart; `clock` gives the seconds of sound so far.
    """

    def __init__(
        self,
        recording: TapePlayer,
        listener: Sequence[str] | None,
        network: str,
        last: tuple[str, int] | None,
        *,
        put: Callable[[Ledger], None],
        clock: Callable[[], float],
    ) -> None:
        self._listener, self._network, self._put, self._clock = listener, network, put, clock
        self._source, self._played = Source(recording), Played(last)
        self._supervisor: Supervisor | None = None
        self._why = ""  # why the network could be away
        self._noted = ""  # what did not work as it should, although ledgers came
        self._was_live = False
        self._away = listener is None  # the network is away, and that has been logged
        self._unplugged = False  # this computer has no default route

    @property
    def last(self) -> tuple[str, int] | None:
        """Network and sequence of the ledger that was played last, for the box's next start."""
        return self._played.last

    @property
    def state(self) -> BoxState:
        """LIVE, CONNECTING, OFFLINE or SETUP."""
        if self._source.live:
            return BoxState.LIVE
        if self._unplugged:
            return BoxState.SETUP
        return BoxState.OFFLINE if self._away else BoxState.CONNECTING

    async def run(self) -> None:
        """Pass on what is due until cancelled."""
        first = "the recording until the network answers" if self._listener else "the recording"
        log.info("Playing %s.", first)
        while True:
            self.tick()
            await asyncio.sleep(TICK)

    async def listen(self, *, quiet: bool = False) -> None:
        """Supervise a listener until cancelled, if there is a command for one. `quiet` drops what it logs."""
        if self._listener:
            self._supervisor = Supervisor(
                self._listener, self._network, self.take, started=self._played.listener_started, quiet=quiet
            )
            await self._supervisor.run()

    def switch(self, network: str) -> None:
        """Listen to another network from now on; until it answers, the recording plays."""
        self._network = network
        self._away = self._listener is None
        self._was_live, self._why = False, ""
        self._source.network_changed()
        self._played.network_changed()
        if self._supervisor:
            self._supervisor.switch(network)

    def tick(self) -> None:
        """Pass on the recording's ledgers that are due, if it plays."""
        for ledger in self._source.due(self._clock()):
            self._put(ledger)
        live = self._source.live
        if self._was_live and not live:
            self._log_away()
        self._was_live = live

    def take(self, entry: Ledger | Link) -> None:
        """Take a ledger or a state from the listener."""
        if isinstance(entry, Link):
            if entry.state is not LinkState.CONNECTING:  # each attempt begins with that
                self._unplugged = entry.state is LinkState.UNPLUGGED
            if entry.state in TROUBLED:
                self._why = entry.reason
                if not self._source.live and not self._away:
                    self._log_away()
            elif entry.reason not in ("", self._noted):
                self._noted = entry.reason
                log.warning("The %s network plays, but %s.", self._network, entry.reason)
            return
        if not self._played.add(self._network, entry):
            return
        if not self._source.live:
            log.info("Live: playing the %s network.", self._network)
        self._away, self._unplugged, self._why = False, False, ""
        self._source.ledger_came(self._clock())
        self._put(entry)

    def _log_away(self) -> None:
        self._away = True
        why = self._why or "it has sent nothing for a while"
        log.warning("The %s network is away: %s. The recording plays.", self._network, why)
