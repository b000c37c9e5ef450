# SPDX-License-Identifier: Apache-2.0
"""Tapes: what a network did, as JSON lines. The format is all that the listener and the player have in common.

The listener's process writes tape lines to a pipe; `stellar-wind record` writes them to a file. The player reads both.
A tape holds numbers and words of our own only, so that no account, hash, asset or memo can be in one: there is no field
for it.
"""

from appliance.ledger.tape.files import Tape, TapeWriter, bundled, open_tape, require_ledger, with_fallback
from appliance.ledger.tape.format import BadLine, BadTape, Header, Heartbeat, Line, decode, encode
from appliance.ledger.tape.player import TapePlayer

__all__ = [
    "BadLine",
    "BadTape",
    "Header",
    "Heartbeat",
    "Line",
    "Tape",
    "TapePlayer",
    "TapeWriter",
    "bundled",
    "decode",
    "encode",
    "open_tape",
    "require_ledger",
    "with_fallback",
]
