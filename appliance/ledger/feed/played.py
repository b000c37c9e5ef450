# SPDX-License-Identifier: Apache-2.0
"""Which ledgers the box has played: a new listener begins with the last closed one, which must not be played twice.

A listener does not repeat ledgers (`reader.session.resume`), but it knows nothing of the one before it. So a ledger is
dropped if, when the listener started or changed its network,

    it was the last one played, by network and sequence    also before a restart of the box: both are in state.json
    or it closed up to `LATE` before the last one played   in this run; sequences start again when a network is reset

Everything else a listener sends is played, also a second part of the same ledger. Pure; the main thread.
"""

from __future__ import annotations

from appliance.values import Ledger

NEVER = -1  # before any ledger's close time
LATE = 600  # s that a server can be behind another one; beyond, the last ledger's own time is taken as wrong


class Played:
    """The last ledger played. `last` is its network and sequence, before a restart of the box."""

    def __init__(self, last: tuple[str, int] | None) -> None:
        self.last = last
        self._closed_at = NEVER  # of the last ledger played, not the latest: a server can be wrong once
        self._known = last, NEVER

    def listener_started(self) -> None:
        """Another listener begins, with ledgers that were perhaps played."""
        self._known = self.last, self._closed_at

    def network_changed(self) -> None:
        """The listener begins with another network, whose times are its own."""
        self._closed_at = NEVER
        self.listener_started()

    def add(self, network: str, ledger: Ledger) -> bool:
        """Whether to play a ledger; from then on it is the last one played."""
        found = network, ledger.sequence
        last, closed_at = self._known
        if found == last or 0 <= closed_at - ledger.closed_at <= LATE:
            return False
        self.last, self._closed_at = found, ledger.closed_at
        return True
