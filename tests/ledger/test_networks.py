# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib

from appliance.ledger.networks import KNOWN, PUBLIC


def test_the_known_networks_by_their_ids() -> None:
    # A network's id, which every signature on it covers, is the hash of its passphrase.
    ids = {name: hashlib.sha256(network.passphrase.encode()).hexdigest() for name, network in KNOWN.items()}
    assert ids == {
        "public": "7ac33997544e3175d266bd022439b22cdb16508c01163f26e5cb2a3e1045a979",
        "testnet": "cee0302d59844d32bdca915c8203dd44b33fbb7edc19051ea37abedf28ecd472",
        "futurenet": "a3a1c6a78286713e29be0e9785670fa838d13917cd8eaeb4a3579ff1debc7fd5",
    }


def test_every_endpoint_is_https_and_every_network_has_one() -> None:
    for name, network in KNOWN.items():
        assert network.name == name
        assert network.endpoints
        assert all(endpoint.startswith("https://") for endpoint in network.endpoints)
    assert len(PUBLIC.endpoints) == 2
