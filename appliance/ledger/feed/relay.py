# SPDX-License-Identifier: Apache-2.0
"""The relay: connects the supervisor to a listener that is a systemd unit of its own.

Under systemd the listener is a separate unit, so that systemd can deny the player the network and the listener all
devices. The supervisor then starts this process instead of a listener. It sends the first command and copies everything
else unchanged. A process of 5 MB with one thread, which imports only the standard library.

    python -m appliance.ledger.feed.relay /run/stellar-wind/listener public

    {"network":"public"} ──▶ ┌────────┐
    standard input  ───────▶ │ socket │  systemd starts a listener for each connection;
    standard output ◀─────── └────────┘  when either side ends, the other one ends too
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from contextlib import suppress


def relay(path: str, network: str) -> None:
    """Relay between the listener at the Unix socket `path` and our standard streams, until either ends.

    Raises OSError if there is no listener at `path`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.connect(path)
        listener.sendall(json.dumps({"network": network}).encode() + b"\n")
        outputs = {sys.stdin.fileno(): listener.fileno(), listener.fileno(): sys.stdout.fileno()}
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                for source in select.select(outputs, (), ())[0]:
                    chunk = os.read(source, 1 << 16)
                    if not chunk:
                        return
                    while chunk:
                        chunk = chunk[os.write(outputs[source], chunk) :]


if __name__ == "__main__":
    try:
        relay(*sys.argv[1:])
    except OSError as error:
        sys.exit(
            f"No listener answers at {sys.argv[1]} ({error.strerror}): is stellar-wind-listener.socket active?"
        )
