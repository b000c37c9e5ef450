# SPDX-License-Identifier: Apache-2.0
"""A BitTorrent client that knows nothing of the box. It fetches a torrent from one peer, and asks nobody else.

python -m tests.support.torrent_client TORRENT FOLDER HOST PORT
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import libtorrent as lt

LIMIT = 110.0  # s, to end a hang


def fetch(torrent: str, folder: Path, host: str, port: int) -> bool:
    """Fetch the torrent with this hash (64 hexadecimal digits) into `folder`; whether it is complete in time."""
    # Nothing else is sent to any network: no DHT, no multicast, no router.
    session = lt.session(
        {
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,  # TCP can be forwarded
            "listen_interfaces": "0.0.0.0:0",  # without a port of its own, it connects to nobody
        }
    )
    parameters = lt.parse_magnet_uri(f"magnet:?xt=urn:btmh:1220{torrent}")
    parameters.save_path = str(folder)
    handle = session.add_torrent(parameters)
    ends = time.monotonic() + LIMIT
    while not handle.status().is_seeding and time.monotonic() < ends:
        if not handle.status().num_peers:
            handle.connect_peer((host, port))
        time.sleep(0.05)
    handle.flush_cache()
    while handle.status().is_seeding and not list(folder.rglob("*.gz")) and time.monotonic() < ends:
        time.sleep(0.05)
    return bool(handle.status().is_seeding)


if __name__ == "__main__":
    sys.exit(not fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
