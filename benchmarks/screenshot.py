# SPDX-License-Identifier: Apache-2.0
"""The README's picture of the panel in a terminal: the box plays the bundled recording, silently, and is looked at.

The one rule: nothing is staged but the moment: the picture is taken when enough of the lamps glow.
`python -m benchmarks.screenshot docs/desk.svg`, most of a minute.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.panel.screen import Screen

from appliance.box import Box
from appliance.ledger.tape import bundled
from appliance.panel.lamps import NOTE_LAMPS
from appliance.settings import load
from benchmarks.panel import Ear

SIZE = (84, 28)  # columns and rows
PLAYED, PATIENCE = 36.0, 90.0  # s: the score is full; no better moment is waited for
GLOW = 0.1  # of the light
# Fonts from somebody's server: a reader's own monospace will do.
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


class Sitter(Box):
    """A box that is drawn while it plays."""

    picture = ""

    def _open(self) -> Ear:  # type: ignore[override] # it is written to and asked for its latency, as a speaker
        return Ear()  # a box without a card would show that instead

    @asynccontextmanager
    async def _showing(self) -> AsyncIterator[None]:
        assert self._mock  # noqa: S101 - it is asked for in the settings below
        screen = Screen(self._status, self._mock, self.obey, self.stop)
        shows = asyncio.create_task(screen.run_async(headless=True, size=SIZE))
        sits = asyncio.create_task(self._sit(screen))
        yield
        await sits
        screen.exit()
        await shows

    async def _sit(self, screen: Screen) -> None:
        mock = self._mock
        assert mock  # noqa: S101 - as above
        await asyncio.sleep(PLAYED)
        for _ in range(round((PATIENCE - PLAYED) / 0.01)):
            lit = mock.lit
            if sum(light > GLOW for light in lit[:NOTE_LAMPS]) >= 2 and lit[NOTE_LAMPS] > GLOW:
                break
            await asyncio.sleep(0.01)
        screen._mock = _Still(lit)  # type: ignore[assignment] # all that is asked of it now
        await asyncio.sleep(0.5)  # until it is drawn
        self.picture = FONTS.sub("", screen.export_screenshot(title="stellar-wind run"))
        self.stop()


@dataclass(frozen=True, slots=True)
class _Still:
    """A panel that holds still for its picture."""

    lit: tuple[float, ...]


def main(path: Path) -> None:
    """Write the picture."""
    box = Sitter(
        load({"panel.pin_factory": "mock", "panel.lamps": "full"}, {}).settings,
        bundled(),
        None,
    )
    asyncio.run(box.run(desk=True))
    path.write_text(box.picture, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
