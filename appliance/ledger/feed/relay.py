# SPDX-License-Identifier: Apache-2.0
"""A connection that stands in for a listener: whoever keeps a listener may keep one of another unit's instead.

The one rule: it adds nothing but the first command, and takes nothing away. Under systemd the listener is a unit of its
own, so that the player may be denied the network and the listener every device; the keeper starts this in its place.
A process of its own, without a thread, that imports next to nothing: it takes 5 MB.

    python -m appliance.ledger.feed.relay /run/stellar-wind/listener public

    {"network":"public"} ──▶ ┌────────┐
    standard input  ───────▶ │ socket │  systemd starts a listener for each connection; the end of either side is
    standard output ◀─────── └────────┘  the end of both
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from contextlib import suppress


def connect(path: str, network: str) -> None:
    """Be the listener at the Unix socket `path`, on `network`, until it or standard input ends.

    Raises OSError when nothing answers at `path`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.connect(path)
        listener.sendall(json.dumps({"network": network}).encode() + b"\n")
        ways = {sys.stdin.fileno(): listener.fileno(), listener.fileno(): sys.stdout.fileno()}
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                for source in select.select(ways, (), ())[0]:
                    chunk = os.read(source, 1 << 16)
                    if not chunk:
                        return
                    while chunk:
                        chunk = chunk[os.write(ways[source], chunk) :]


if __name__ == "__main__":
    try:
        connect(*sys.argv[1:])
    except OSError as error:
        sys.exit(
            f"No listener answers at {sys.argv[1]} ({error.strerror}): is stellar-wind-listener.socket active?"
        )
