# SPDX-License-Identifier: Apache-2.0
"""What the box listens to: the live network when there is one, the recording when there is none.

The one rule: the box is never silent because of the network. It begins with the recording, goes over to the network
with its first ledger, and comes back to the recording when no ledger has come for 20 seconds. A ledger without a
single amount counts: a quiet network is not a dead one. Pure: time is an argument; the main thread.

              first ledger
    RECORDING ────────────▶ LIVE
        ▲                    │
        └────────────────────┘
          20 s without a ledger
"""

from __future__ import annotations

from appliance.ledger.tape import TapePlayer
from appliance.values import Ledger

PATIENCE = 20.0  # s; four ledgers at 5 s. The longest healthy gap between two deliveries of Horizon is 10 s.


class Source:
    """Chooses between the live network and a recording. `seconds` is any clock that starts at 0 and never jumps."""

    def __init__(self, recording: TapePlayer) -> None:
        self._recording = recording
        self._played = 0.0  # s of the recording
        self._looked = 0.0  # when `due` was last asked
        self._last_live: float | None = None

    @property
    def live(self) -> bool:
        """Whether the network is what is heard."""
        return self._last_live is not None

    def hear(self, seconds: float) -> None:
        """A ledger of the live network has come."""
        self._last_live = seconds

    def lose(self) -> None:
        """Another network was chosen, and has said nothing yet."""
        self._last_live = None

    def due(self, seconds: float) -> list[Ledger]:
        """The recording's ledgers that are due by now; none while the network speaks. It goes on where it stopped."""
        if self._last_live is not None and seconds - self._last_live >= PATIENCE:
            self._last_live = None
        if not self.live:
            self._played += seconds - self._looked
        self._looked = seconds
        return [] if self.live else self._recording.until(self._played)
