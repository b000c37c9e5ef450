# SPDX-License-Identifier: Apache-2.0
"""The whole box as its owner starts it, in a process of its own, on a simulated sound card; and an output without one.

A LiveBox is observed from outside: its log, its processor time, the samples on its card, its notices to systemd.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.ledger.tape import bundled
from appliance.sound.outputs.silent import AHEAD, Silent
from appliance.sound.outputs.speaker import OutputStatus
from tests.support.fault_cards import Card, Cards

TICKS = os.sysconf("SC_CLK_TCK")
URGENCY = ("nice", "-n", "-10")  # as in deploy/systemd; without the right to it, nice runs the box as it is
TIMEOUT = 60.0  # s, for what takes a few on an idle machine


class SilentCard(Silent):
    """An output that takes blocks at the pace of a card and says that it is one."""

    @property
    def status(self) -> OutputStatus:
        """A card that never runs dry."""
        return OutputStatus("a silent card", "", 0, AHEAD)


class LiveBox:
    """The whole box on a card, as `words` and settings ("key=value") say, started through the command `urgency`."""

    def __init__(
        self, cards: Cards, card: Card, words: Sequence[str], settings: Sequence[str], urgency: Sequence[str]
    ) -> None:
        words = list(words)
        for setting in (f"sound.device={card.device}", f"state_dir={card.folder}", *settings):
            words += ["--set", setting]
        self._card = card
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(f"{card.folder}/notify-{time.monotonic_ns()}")
        self._systemd.setblocking(False)
        self._status = ""
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [*urgency, sys.executable, "-m", "appliance", "run", *words],
            env=os.environ | cards.environ | {"NOTIFY_SOCKET": self._systemd.getsockname()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stderr:
            with self.process.stderr as lines:
                self.lines.extend(line.rstrip() for line in lines)

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def underruns(self) -> int:
        """How often its card has run dry, from its status for systemd."""
        with suppress(BlockingIOError):
            while notice := self._systemd.recv(4096).decode():
                if "STATUS=" in notice:
                    self._status = notice
        return int(found[1]) if (found := re.search(r"ran dry (\d+) times", self._status)) else 0

    def until(self, seen: Callable[[], object]) -> float:
        """Wait until `seen` is true, and return how many seconds it took."""
        begun = time.monotonic()
        while not seen():
            if time.monotonic() - begun > TIMEOUT:
                raise TimeoutError("\n".join(self.lines))
            time.sleep(0.005)
        return time.monotonic() - begun

    def until_heard(self) -> float:
        """Wait for the card to play on."""
        before = self._card.heard
        return self.until(lambda: self._card.heard > before)

    def usage(self, seconds: float) -> float:
        """Its load in per cent of a core, over some seconds."""
        before, begun = self.cpu, time.monotonic()
        time.sleep(seconds)
        return 100 * (self.cpu - before) / (time.monotonic() - begun)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal if it runs, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(TIMEOUT)
        self._reader.join()
        self._systemd.close()
        return code


@contextmanager
def playing(
    cards: Cards, card: Card, *settings: str, words: Sequence[str] = (), urgency: Sequence[str] = URGENCY
) -> Iterator[LiveBox]:
    """A box that plays; the bundled tape, unless `words` name something else."""
    box = LiveBox(cards, card, words or (str(bundled().path),), settings, urgency)
    try:
        yield box
    finally:
        box.stop(signal.SIGKILL)
