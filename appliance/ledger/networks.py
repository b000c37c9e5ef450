# SPDX-License-Identifier: Apache-2.0
"""The Stellar networks that the box knows without settings, and the addresses of their servers.

A network is identified by its passphrase: a server that states another one is not used. Settings can add networks and
replace these endpoints. Constants only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

RPC = "rpc+"  # precedes the address of a Stellar RPC server; any other address is a Horizon server's


@dataclass(frozen=True, slots=True)
class Network:
    """A Stellar network and its servers."""

    name: str  # in settings, tapes and on lamps
    passphrase: str  # every server states it on request
    endpoints: tuple[str, ...]  # at least one root address, in the order of preference
    # Sent to each endpoint that is not public. They can hold keys, so they are in no text.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers_for(self, endpoint: str) -> Mapping[str, str]:
        """The additional headers for one of the endpoints."""
        return {} if is_public(endpoint) else self.headers


# Addresses: Stellar's documentation of networks and API providers, 2026. The second public one is the only
# other Horizon there that needs no key.
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
# The servers that are anybody's. Every other one is the owner's.
_PUBLIC_HOSTS = {urlsplit(endpoint).hostname for network in KNOWN.values() for endpoint in network.endpoints}


def is_public(endpoint: str) -> bool:
    """Whether an endpoint is one of the servers that the box knows without settings."""
    return urlsplit(endpoint).hostname in _PUBLIC_HOSTS
