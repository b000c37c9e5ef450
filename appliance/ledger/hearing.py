# SPDX-License-Identifier: Apache-2.0
"""What the box hears: a network, through a listener that is kept alive, or the recording in its place.

The one rule: every ledger is passed on once, whatever listeners die or restarts come between, and a network that goes
away is told once, and once that it is back. The main thread's loop.

    Keeper ──ledgers, states──▶ Hearing ──▶ put
    recording ──────Source─────────┘
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from appliance.ledger.keeper import Keeper
from appliance.ledger.source import Source
from appliance.ledger.tape import Player
from appliance.values import Ledger, Link, LinkState

log = logging.getLogger(__name__)

TROUBLED = (LinkState.BACKING_OFF, LinkState.OFFLINE, LinkState.STALE, LinkState.UNPLUGGED)


class Hearing:
    """Passes ledgers on to `put`, from `network` while it speaks.

    `listener` is the command that starts a listener; without one there is only the recording. `last` is the network and
    the sequence of the ledger that was heard last, before a restart; `clock` the seconds of sound so far.
    """

    def __init__(
        self,
        recording: Player,
        listener: Sequence[str] | None,
        network: str,
        last: tuple[str, int] | None,
        *,
        put: Callable[[Ledger], None],
        clock: Callable[[], float],
    ) -> None:
        self._listener, self._network, self._put, self._clock = listener, network, put, clock
        self._source = Source(recording)
        self._keeper: Keeper | None = None
        self._why = ""  # the network may be away
        self._was_live = False
        self.away = listener is None  # the network is away, and that has been said
        self.unplugged = False  # no way leads out of this computer
        self.last = last

    @property
    def live(self) -> bool:
        """Whether the network is what is heard."""
        return self._source.live

    def begin(self) -> None:
        """Say what plays at first."""
        log.info(
            "Playing %s.", "the recording until the network answers" if self._listener else "the recording"
        )

    async def listen(self, *, quiet: bool) -> None:
        """Keep a listener until cancelled, if there is one to keep. `quiet` drops what it logs."""
        if self._listener:
            self._keeper = Keeper(self._listener, self._network, self.hear, quiet=quiet)
            await self._keeper.run()

    def switch(self, network: str) -> None:
        """Listen to another network from now on; until it speaks, the recording plays."""
        self._network = network
        self.away = self._listener is None
        self._was_live, self._why = False, ""
        self._source.lose()
        if self._keeper:
            self._keeper.switch(network)

    def play(self) -> None:
        """Pass on what of the recording is due, if it is the recording that plays. To be called again and again."""
        for ledger in self._source.due(self._clock()):
            self._put(ledger)
        if self._was_live and not self.live:
            self._tell_away()
        self._was_live = self.live

    def hear(self, entry: Ledger | Link) -> None:
        """Take what a listener says."""
        if isinstance(entry, Link):
            if entry.state is not LinkState.CONNECTING:  # each attempt begins with that
                self.unplugged = entry.state is LinkState.UNPLUGGED
            if entry.state in TROUBLED:
                self._why = entry.reason
                if not self.live and not self.away:
                    self._tell_away()
            return
        if self.last == (last := (self._network, entry.sequence)):
            return  # each listener begins with the last closed ledger, which we may have played before a restart
        self.last = last
        if not self.live:
            log.info("Live: playing the %s network.", self._network)
        self.away, self.unplugged, self._why = False, False, ""
        self._source.hear(self._clock())
        self._put(entry)

    def _tell_away(self) -> None:
        """Say that the network is away, once until it is back: failures while its ledgers still play are no news."""
        self.away = True
        why = self._why or "it has said nothing for a while"
        log.warning("The %s network is away: %s. The recording plays.", self._network, why)
