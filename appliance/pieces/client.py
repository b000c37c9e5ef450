# SPDX-License-Identifier: Apache-2.0
"""Asks the process of the pieces through its socket (server.py). Loads no library. The command line's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.control import Client

SOCKET = "pieces.sock"
SERVICE = Path("/run/stellar-wind-pieces")  # RuntimeDirectory of deploy/systemd/stellar-wind-pieces.service
PATIENCE = 180.0  # s for an answer: a piece is found, and then fetched
ANSWER = 8 << 20  # bytes


class PieceClient(Client):
    """A connection to the process of the pieces."""

    name, longest = SOCKET, ANSWER
    absent = "The pieces are off. `stellar-wind piece --help` says how to switch them on."

    def ask(self, command: str, **fields: str) -> dict[str, Any]:
        """The answer to a command. Raises Refused and NoBox."""
        return self.request({"do": command, **fields}, PATIENCE)
