# SPDX-License-Identifier: Apache-2.0
"""The source of ledgers: the live network if there is one, the recording if there is none.

The box is never silent because of the network. It begins with the recording, switches to the network with its first
ledger, and back to the recording when no ledger has come for 20 seconds. A ledger without amounts counts: a quiet
network is not a dead one. Time is an argument; the main thread.

              first ledger
    RECORDING ────────────▶ LIVE
        ▲                    │
        └────────────────────┘
          20 s without a ledger
"""

from __future__ import annotations

from appliance.ledger.staleness import AWAY_AFTER
from appliance.ledger.tape import TapePlayer
from appliance.values import Ledger


class Source:
    """Chooses between the live network and a recording. `seconds` is any clock that starts at 0 and never jumps."""

    def __init__(self, recording: TapePlayer) -> None:
        self._recording = recording
        self._played = 0.0  # s of the recording
        self._asked = 0.0  # when `due` was last called
        self._last_live: float | None = None

    @property
    def live(self) -> bool:
        """Whether the network is the source."""
        return self._last_live is not None

    def ledger_came(self, seconds: float) -> None:
        """A ledger has come from the live network."""
        self._last_live = seconds

    def network_changed(self) -> None:
        """Another network was chosen, and no ledger has come from it yet."""
        self._last_live = None

    def due(self, seconds: float) -> list[Ledger]:
        """The recording's ledgers due by now; none while the network is live. It goes on where it stopped."""
        if self._last_live is not None and seconds - self._last_live >= AWAY_AFTER:
            self._last_live = None
        if not self.live:
            self._played += seconds - self._asked
        self._asked = seconds
        return [] if self.live else self._recording.until(self._played)
