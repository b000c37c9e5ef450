# SPDX-License-Identifier: Apache-2.0
"""A BitTorrent client without code of the box: it fetches a torrent from one peer and sends nothing to other addresses.

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
    # Without DHT, multicast and requests to a router, the peer is the only address that it sends to.
    session = lt.session(
        {
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,  # a guest's port is forwarded for TCP only
            "listen_interfaces": "0.0.0.0:0",  # libtorrent connects to a peer only while it listens
            "alert_mask": lt.alert_category.storage,
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
    while time.monotonic() < ends:
        if any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
            return bool(handle.status().is_seeding)
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    sys.exit(not fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
