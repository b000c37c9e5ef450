# SPDX-License-Identifier: Apache-2.0
"""The README's picture of the panel in a terminal, drawn by a client of a box that plays the bundled recording.

The box plays without a card; the panel is the real one, connected to the box's control socket, without a terminal. The
picture is taken when enough lamps are lit. `python -m benchmarks.screenshot docs/desk.svg`, a minute.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from appliance.box import Box, Start
from appliance.control import SOCKET, Client, command_of
from appliance.ledger.tape import bundled
from appliance.panel.lamps import NOTE_LAMPS
from appliance.panel.tui import STEPS, LampRow, TerminalPanel
from appliance.settings import load
from benchmarks.live_box import SilentCard

SIZE = (84, 28)  # columns and rows
PLAYED = 36.0  # s until the score is full
TIMEOUT = 90.0  # s more for a moment with enough light
LIT = STEPS // 3  # of a lamp
# A reader's own monospace font will do; these would be loaded from a server.
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


async def picture(folder: Path) -> str:
    """Play, and return the picture as SVG."""
    start = Start(bundled(), runtime_dir=folder)
    box = Box(load({}, {}).settings, start, output=lambda _: SilentCard())
    playing = asyncio.create_task(box.run())
    while not (folder / SOCKET).exists():
        await asyncio.sleep(0.1)
    client = await asyncio.to_thread(Client.connect, [folder])
    status = await asyncio.to_thread(client.status)
    panel = TerminalPanel(status, lambda gesture: client.send(command_of(gesture)))

    def listen() -> None:
        with suppress(Exception):  # the panel has ended first
            for event in client.watch():
                panel.call_from_thread(panel.take, event)

    showing = asyncio.create_task(panel.run_async(headless=True, size=SIZE))
    threading.Thread(target=listen, daemon=True).start()
    await asyncio.sleep(PLAYED)
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            while not bright(panel.query_one(LampRow).drawn):
                await asyncio.sleep(0.01)
    drawn = FONTS.sub("", panel.export_screenshot(title="stellar-wind run"))
    panel.exit()
    await showing
    box.stop()
    await playing
    return drawn


def bright(steps: tuple[int, ...]) -> bool:
    """Whether two note lamps and the first network's are lit."""
    return sum(step > LIT for step in steps[:NOTE_LAMPS]) >= 2 and steps[NOTE_LAMPS] > LIT


def main(path: Path) -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        path.write_text(asyncio.run(picture(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
