# SPDX-License-Identifier: Apache-2.0
"""The Stellar networks that the box knows by itself, and where their servers answer.

The one rule: a network is its passphrase; an endpoint that states another one is not listened to. Pure
values; any thread. Settings may add networks or put other endpoints in place of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RPC = "rpc+"  # before the address of a Stellar RPC server; any other is a Horizon's


@dataclass(frozen=True, slots=True)
class Network:
    """A Stellar network and the servers that tell of it."""

    name: str  # as settings, tapes and lamps call it
    passphrase: str  # what tells one network from another; every server states it when it is asked
    endpoints: tuple[str, ...]  # at least one root address, in the order of preference


# Addresses: Stellar's documentation of networks and API providers, 2026. The second public one is the only
# other Horizon there that wants no key.
PUBLIC = Network(
    "public",
    "Public Global Stellar Network ; September 2015",
    ("https://horizon.stellar.org", "https://horizon.stellar.lobstr.co"),
)
TESTNET = Network("testnet", "Test SDF Network ; September 2015", ("https://horizon-testnet.stellar.org",))
FUTURENET = Network(
    "futurenet", "Test SDF Future Network ; October 2022", ("https://horizon-futurenet.stellar.org",)
)
KNOWN: Mapping[str, Network] = {network.name: network for network in (PUBLIC, TESTNET, FUTURENET)}
