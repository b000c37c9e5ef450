# SPDX-License-Identifier: Apache-2.0
"""Probes each server of a network once: is it on the right network, which ledger is its last, does that ledger come?

It reads one ledger as a session does, from all servers at once, with short timeouts, because a person waits for the
result. Runs in `stellar-wind doctor`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from appliance.ledger.networks import Network
from appliance.ledger.reader.budget import public
from appliance.ledger.reader.endpoints import open_session
from appliance.ledger.reader.session import Cause, ListenOptions, Lost, Timeouts, Tip, resume

# A server on the other side of the world answers within 2 s; a Zero 2 W needs 1 s for TLS alone.
SHORT = Timeouts(connect=5.0, answer=5.0, page=5.0, late=2.5, due=2.0, burst=0.5)
LONGEST = 12.0  # s for all questions to one server; an RPC server is asked three


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one server answered."""

    endpoint: str
    tip: Tip | None  # its last ledger; None if it did not answer as it should
    why: str  # it did not, in words that follow the server's name
    seconds: float  # until the answer
    note: str = ""  # what does not work as it should, although the ledger came
    cause: Cause | None = None  # of `why`


async def probe(network: Network, timeouts: Timeouts = SHORT, longest: float = LONGEST) -> list[ProbeResult]:
    """Probe every endpoint of `network`; the results are in their order."""
    probes = (_probe(network, endpoint, timeouts, longest) for endpoint in network.endpoints)
    return list(await asyncio.gather(*probes))


async def _probe(network: Network, endpoint: str, timeouts: Timeouts, longest: float) -> ProbeResult:
    now = asyncio.get_running_loop().time
    begun = now()
    options = ListenOptions(pages=1, timeouts=timeouts)
    session = open_session(endpoint, options, public(), network.headers_for(endpoint))
    tip: Tip | None = None
    try:
        async with asyncio.timeout(longest):
            tip = await session.tip(network)
            seconds = now() - begun
            start, _ = resume(tip, None, 0)
            async with aclosing(session.ledgers(start, primer=True)) as ledgers:
                await anext(ledgers)
            return ProbeResult(endpoint, tip, "", seconds, session.note)
    except Lost as lost:
        why, cause = str(lost), lost.cause
    except TimeoutError:
        why, cause = f"does not answer within {longest:.0f} s", Cause.SILENT
    finally:
        await session.close()
    # The first answer alone is of no use to a listener.
    why = f"states its last ledger, but {why}" if tip else why
    return ProbeResult(endpoint, None, why, now() - begun, cause=cause)
