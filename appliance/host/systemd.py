# SPDX-License-Identifier: Apache-2.0
"""Notifications to systemd (sd_notify(3)): ready, alive, status. The main thread."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress


class SystemdNotifier:
    """Notifies systemd, if systemd started this process with a notification socket.

    The box is ready once two blocks of sound are out. The watchdog is fed only when sound has progressed since the last
    notification, so a hung performer beside a running main thread counts as a hung box.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._ready = False
        self._played = 0.0
        self._words = ""

    @property
    def wanted(self) -> bool:
        """Whether systemd expects notifications from this process."""
        return bool(self._address)

    def life(self, played: float, block: float, words: str) -> None:
        """Notify of changes: `played` seconds of sound in blocks of `block` seconds, and the status in `words`."""
        news = []
        if not self._ready and played >= 2 * block:
            self._ready = True
            news.append("READY=1")
        if played > self._played:
            self._played = played
            news.append("WATCHDOG=1")
        if words != self._words:
            self._words = words
            news.append(f"STATUS={words}")
        if news:
            self.say(*news)

    def say(self, *news: str) -> None:
        """Send notifications such as "STOPPING=1". If systemd does not read them, they are dropped."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.setblocking(False)
                datagrams.sendto("\n".join(news).encode(), self._address)
