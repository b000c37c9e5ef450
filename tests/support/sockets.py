# SPDX-License-Identifier: Apache-2.0
"""The sockets on which a process accepts connections or datagrams, as Linux lists them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LISTENS = "0A"  # TCP_LISTEN in /proc/net/tcp
ACCEPTS = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix
ANYBODY = re.compile(r"0+:0000")  # the peer of a socket that has none


def doors(process: int) -> list[str]:
    """Each open socket of a process: its kind and its address."""
    own = set(_inodes(process))
    return [f"{kind} {address}" for kind, address, inode in _open(process) if inode in own]


def _inodes(process: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if held := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                yield held[1]


def _open(process: int) -> Iterator[tuple[str, str, str]]:
    net = Path(f"/proc/{process}/net")
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in _lines(net / kind):
            fields = line.split()
            # A UDP or raw socket without a peer receives from everybody.
            if fields[3] == LISTENS if kind.startswith("tcp") else ANYBODY.fullmatch(fields[2]):
                yield kind, fields[1], fields[9]
    for line in _lines(net / "unix"):
        fields = line.split()
        if int(fields[3], 16) & ACCEPTS:
            yield "unix", fields[7] if len(fields) > 7 else "", fields[6]


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:] if table.exists() else []


def free_port() -> int:
    """A port of the loopback that nothing listens on at present."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def free_udp_port() -> int:
    """The same for UDP."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
