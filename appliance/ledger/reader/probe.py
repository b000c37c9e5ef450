# SPDX-License-Identifier: Apache-2.0
"""Probes each server of a network once: does it answer, is it on the right network, which ledger is its last?

It asks what a session asks first and nothing more, of all servers at once, with short timeouts, because a person waits
for the result. Runs in `stellar-wind doctor`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from appliance.ledger.networks import Network
from appliance.ledger.reader.budget import public
from appliance.ledger.reader.endpoints import open_session
from appliance.ledger.reader.session import ListenOptions, Lost, Timeouts, Tip

# A server on the other side of the world answers within 2 s; a Zero 2 W needs 1 s for TLS alone.
SHORT = Timeouts(connect=5.0, answer=5.0, page=5.0)
LONGEST = 12.0  # s for all questions to one server; an RPC server is asked three


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one server answered."""

    endpoint: str
    tip: Tip | None  # its last ledger; None if it did not answer as it should
    why: str  # it did not, in words that follow the server's name
    seconds: float  # until the answer


async def probe(network: Network, timeouts: Timeouts = SHORT, longest: float = LONGEST) -> list[ProbeResult]:
    """Probe every endpoint of `network`; the results are in their order."""
    probes = (_probe(network, endpoint, timeouts, longest) for endpoint in network.endpoints)
    return list(await asyncio.gather(*probes))


async def _probe(network: Network, endpoint: str, timeouts: Timeouts, longest: float) -> ProbeResult:
    now = asyncio.get_running_loop().time
    begun = now()
    session = open_session(endpoint, ListenOptions(timeouts=timeouts), public())
    try:
        async with asyncio.timeout(longest):
            return ProbeResult(endpoint, await session.tip(network), "", now() - begun)
    except Lost as lost:
        return ProbeResult(endpoint, None, str(lost), now() - begun)
    except TimeoutError:
        return ProbeResult(endpoint, None, f"does not answer within {longest:.0f} s", now() - begun)
    finally:
        await session.close()
