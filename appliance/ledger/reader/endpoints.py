# SPDX-License-Identifier: Apache-2.0
"""Opens a session with the server at an endpoint: a Horizon server, or a Stellar RPC server by its `rpc+`.

The only place that makes this choice. The RPC side (rpc, soroban, xdr) is imported with the first RPC endpoint, so that
a box that uses Horizon never loads it, nor stellar_sdk. The listener's process.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.ledger.networks import RPC
from appliance.ledger.reader.budget import Allowance
from appliance.ledger.reader.horizon import Horizon
from appliance.ledger.reader.session import ListenOptions, Session


def open_session(
    endpoint: str, options: ListenOptions, allowance: Allowance, headers: Mapping[str, str] | None = None
) -> Session:
    """A session with the server at `endpoint`, which takes what it asks for from `allowance`. Connects to nothing yet.

    `headers` are sent with every request. Call it from a running event loop.
    """
    if endpoint.startswith(RPC):
        from appliance.ledger.reader.rpc import Rpc

        return Rpc(endpoint.removeprefix(RPC), options, allowance, headers)
    return Horizon(endpoint, options, allowance, headers)
