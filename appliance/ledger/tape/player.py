# SPDX-License-Identifier: Apache-2.0
"""Plays a tape: returns its ledgers when they are due. Time is an argument; one thread, the performer's or main."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from appliance.ledger.tape.format import Line
from appliance.values import Ledger

SHORTEST = 1.0  # s of one round; a tape of no length would loop for ever
AT_ONCE = (
    4  # lines that one call reads: a tape with millions of them at one moment must not hold up its caller
)


class TapePlayer:
    """Returns a tape's ledgers when they are due. With `loop` it begins again at the end.

    `start` is the second of the tape at which to begin. `ended` is true after the last ledger of a tape without `loop`.
    """

    def __init__(
        self, lines: Callable[[], Iterator[Line]], *, loop: bool = False, start: float = 0.0
    ) -> None:
        self._lines, self._loop = lines, loop
        self._round = lines()
        self._begun = -start  # s, when second 0 of this round is
        self._next = self._read()
        while start and self._next and self._next.seconds < start:
            self._next = self._read()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._next is None

    def until(self, seconds: float) -> list[Ledger]:
        """The ledgers due by now, `seconds` after the player was made; each is returned once.

        It reads at most AT_ONCE lines; what else is due comes with the next call.
        """
        due: list[Ledger] = []
        for _ in range(AT_ONCE):
            line = self._next
            if line is None or self._begun + line.seconds > seconds:
                break
            if isinstance(line.entry, Ledger):
                due.append(line.entry)
            self._next = self._read()
            if self._next is None and self._loop:
                # The pause between the last ledger and the first is as long as the one before the first.
                self._begun += max(line.seconds, SHORTEST)
                self._round = self._lines()
                self._next = self._read()
        return due

    def _read(self) -> Line | None:
        return next(self._round, None)
