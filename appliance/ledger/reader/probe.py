# SPDX-License-Identifier: Apache-2.0
"""One look at each server of a network: whether it answers, is on the right network, and which ledger is its last.

The one rule: it asks what a listener asks first and nothing more, at all servers at once, and with little patience:
somebody waits for the answer. Runs where the listener's imports are wanted: in `stellar-wind doctor`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from appliance.ledger.networks import RPC, Network
from appliance.ledger.reader.budget import public
from appliance.ledger.reader.horizon import Horizon
from appliance.ledger.reader.rpc import Rpc
from appliance.ledger.reader.session import ListenOptions, Lost, Session, Timeouts, Tip

# In seconds. A server on the other side of the world answers within two; a Zero 2 W needs one for TLS alone.
HASTE = Timeouts(connect=5.0, answer=5.0, page=5.0)
LONGEST = 12.0  # s for all that is asked of one server; an RPC server is asked three things


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one look at a server has shown."""

    endpoint: str
    tip: Tip | None  # its last ledger; None where there was no such answer
    why: str  # there was none, in words that go on after the server's name
    seconds: float  # until the answer


async def probe(network: Network, haste: Timeouts = HASTE, longest: float = LONGEST) -> list[ProbeResult]:
    """A look at every endpoint of `network`, in their order."""
    return list(
        await asyncio.gather(*(_look(network, endpoint, haste, longest) for endpoint in network.endpoints))
    )


async def _look(network: Network, endpoint: str, haste: Timeouts, longest: float) -> ProbeResult:
    now = asyncio.get_running_loop().time
    begun, way = now(), ListenOptions(patience=haste)
    visit: Session
    if endpoint.startswith(RPC):
        visit = Rpc(endpoint.removeprefix(RPC), way, public())
    else:
        visit = Horizon(endpoint, way, public())
    try:
        async with asyncio.timeout(longest):
            return ProbeResult(endpoint, await visit.tip(network), "", now() - begun)
    except Lost as lost:
        return ProbeResult(endpoint, None, str(lost), now() - begun)
    except TimeoutError:
        return ProbeResult(endpoint, None, f"does not answer within {longest:.0f} s", now() - begun)
    finally:
        await visit.close()
