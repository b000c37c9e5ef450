# SPDX-License-Identifier: Apache-2.0
"""The process of the pieces, as tests start it: in a namespace or on this machine, asked through its own socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.control import NoBox, Refused
from appliance.pieces.client import PieceClient
from appliance.pieces.node import OPTIONS
from appliance.pieces.piece import Draft, pack
from tests.support.artists import Artist

PACE = {"refresh": 1.0, "announce": 2.0, "poll": 0.2, "waiting": 0.5, "again": 0.5, "patience": 20.0}
PASSPHRASE = "Test Ledger"  # noqa: S105 - it names a network
TIMEOUT = 120.0  # s for a stalled machine


class PieceBox:
    """One box in `folder`; `inside` is what starts a process in its namespace."""

    def __init__(self, folder: Path, inside: Sequence[str] = (), **more: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._inside = folder, [*inside]
        options: dict[str, Any] = {
            "state": str(folder / "pieces"),
            "runtime": str(folder),
            "boxes": [str(folder)],
        }
        options |= {
            "network": "mine",
            "passphrase": PASSPHRASE,
            "endpoints": ["http://127.0.0.1:9"],
            "pace": PACE,
        }
        self._options = options | more
        self.log = folder / "log"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-P", "-m", "appliance.pieces"]
        environ = {**os.environ, OPTIONS: json.dumps(self._options)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._inside, *command], stdin=subprocess.DEVNULL, stderr=log, env=environ
            )
        try:
            self.until(lambda: self.ask("status"), NoBox)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> PieceBox:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def ask(self, command: str, **fields: str) -> dict[str, Any]:
        """The answer to a command. Raises Refused."""
        with PieceClient.connect([self.folder]) as client:
            return client.ask(command, **fields)

    def until(self, ask: Callable[[], Any], *errors: type[Exception]) -> Any:
        """What `ask` gives, once it is true; it can raise `errors` until then."""
        ends, expected = time.monotonic() + TIMEOUT, errors or (Refused,)
        while True:
            try:
                if found := ask():
                    return found
            except expected:
                if self.process.poll() is not None:
                    raise
            assert time.monotonic() < ends, self.log.read_text()[-2000:]
            time.sleep(0.05)

    def is_artist(self, artist: Artist) -> str:
        """Begin the feed of an artist's account; its key."""
        sentence = self.ask("artist", account=artist.account)["sentence"]
        certificate = artist.wallet_signs(sentence)
        fields = {"account": artist.account, "name": "Ada", "words": "Evenings.", "certificate": certificate}
        key: str = self.ask("artist", **fields)["feed"]
        return key

    def publish(self, draft: Draft, **price: str) -> str:
        """Publish a draft; the id of the piece."""
        piece: str = self.ask("publish", draft=pack(draft).decode(), **price)["piece"]
        return piece

    def pieces(self) -> dict[str, dict[str, Any]]:
        """All pieces that it knows, by id."""
        return {piece["piece"]: piece for feed in self.ask("list")["feeds"] for piece in feed["pieces"]}

    def knows(self, piece: str) -> bool:
        """Wait until it knows of a piece."""
        return bool(self.until(lambda: piece in self.pieces()))
