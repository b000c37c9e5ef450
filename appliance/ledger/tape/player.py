# SPDX-License-Identifier: Apache-2.0
"""Plays a tape: hands its ledgers out as time passes. Time is an argument; any one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from appliance.ledger.tape.format import Line
from appliance.values import Ledger

SHORTEST = 1.0  # s of one round; a tape of no length would go round for ever


class TapePlayer:
    """Hands out a tape's ledgers when they are due. At its end it begins again if `loop` is set.

    `start` is the second of the tape at which to begin; `ended` is true once a tape without `loop` is through.
    """

    def __init__(
        self, lines: Callable[[], Iterator[Line]], *, loop: bool = False, start: float = 0.0
    ) -> None:
        self._lines, self._loop = lines, loop
        self._round = lines()
        self._begun = -start  # s, the moment at which second 0 of this round lies
        self._next = self._read()
        while start and self._next and self._next.seconds < start:
            self._next = self._read()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._next is None

    def until(self, seconds: float) -> list[Ledger]:
        """The ledgers due by now, `seconds` after the player was made; each is handed out once."""
        due: list[Ledger] = []
        while self._next and self._begun + self._next.seconds <= seconds:
            line = self._next
            if isinstance(line.entry, Ledger):
                due.append(line.entry)
            self._next = self._read()
            if self._next is None and self._loop:
                # The pause between the last ledger and the first is as long as the first one's own time.
                self._begun += max(line.seconds, SHORTEST)
                self._round = self._lines()
                self._next = self._read()
        return due

    def _read(self) -> Line | None:
        return next(self._round, None)
