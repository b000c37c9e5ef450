# SPDX-License-Identifier: Apache-2.0
"""The panel in a terminal, on both sides: the player starts it as a process of its own, and that process shows it.

The panel's process owns the terminal; the player neither reads nor writes it meanwhile, so a terminal that is stopped,
slow or gone can hold up the panel only. The player ends when its panel is closed or the terminal hangs up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from appliance.companion import end
from appliance.control import Client, command_of
from appliance.host.log import not_on_standard_error
from appliance.host.python import command
from appliance.values import BoxError, Gesture

log = logging.getLogger(__name__)

AT_END = 1.0  # s for the panel to restore the terminal
CHECK = 0.5  # s between two looks whether the terminal is still there


class NoTerminal(BoxError, OSError):
    """The panel cannot be shown here."""


def check_usable() -> None:
    """Raise NoTerminal if there is no terminal to read and to write, or no Textual to draw the panel with."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoTerminal("The panel needs a terminal for its input and output; `status --watch` does not.")
    if not find_spec("textual"):
        raise NoTerminal("The panel needs Textual: install it with `.venv/bin/pip install 'textual>=8,<9'`.")


def usable() -> bool:
    """Whether the panel can be shown here."""
    try:
        check_usable()
    except NoTerminal:
        return False
    return True


def hung_up(descriptor: int = 0) -> bool:
    """Whether a terminal has gone, such as that of a closed window."""
    try:
        termios.tcgetattr(descriptor)
    except (termios.error, OSError):
        return True
    return False


class Terminal:
    """The panel's process, as the player sees it. `folder` is that of the control socket."""

    def __init__(self, folder: Path) -> None:
        self._command = command("appliance", "panel", "--set", f"state_dir={folder}")

    @asynccontextmanager
    async def running(self, closed: Callable[[], None]) -> AsyncIterator[None]:
        """Show the panel while in the `with`; call `closed` when its user closes it or the terminal hangs up."""
        before = termios.tcgetattr(0)
        with not_on_standard_error():
            process = await asyncio.create_subprocess_exec(*self._command)
            waiting = asyncio.create_task(self._wait(process, closed))
            try:
                yield
            finally:
                waiting.cancel()
                await end(process, AT_END)
                with suppress(termios.error):  # it has hung up
                    termios.tcsetattr(0, termios.TCSANOW, before)

    async def _wait(self, process: asyncio.subprocess.Process, closed: Callable[[], None]) -> None:
        code = await process.wait()
        if code and not hung_up():
            log.warning(
                "The panel in the terminal has failed (exit code %d); the box plays on without it.", code
            )
        else:
            closed()


def show(client: Client) -> None:
    """Show the panel of the box that `client` is connected to, until its user closes it or the box ends."""
    from appliance.panel.tui import TerminalPanel

    def send(gesture: Gesture) -> None:
        client.send(command_of(gesture))

    panel = TerminalPanel(client.status(), send)

    def listen() -> None:
        panel.ready.wait()
        try:
            for event in client.watch():
                try:
                    panel.call_from_thread(panel.take, event)
                except RuntimeError:  # the panel has ended first
                    return
        finally:
            with suppress(RuntimeError):  # the panel has ended first
                panel.call_from_thread(panel.exit)

    def watch() -> None:
        while not hung_up():
            time.sleep(CHECK)
        os._exit(1)  # Textual would wait for ever for a terminal that no longer reads

    for work in (listen, watch):
        threading.Thread(target=work, name=work.__name__, daemon=True).start()
    panel.run()
    if panel.last_log:
        print(panel.last_log)  # noqa: T201 - where a file was kept, for instance
