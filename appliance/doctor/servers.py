# SPDX-License-Identifier: Apache-2.0
"""What the chosen network's servers look like from here.

The one rule: as long as one server is well, an ill one is a note, for the box goes to the next. Only when there is
none is something wrong, and then the recording plays. Pure but for `servers`, which asks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import Machine
from appliance.ledger.networks import Network
from appliance.ledger.reader.probe import ProbeResult, probe

BEHIND = (
    60.0  # s; ledgers close every 5 to 6, and the box takes a server that stands still for a minute for stale
)


async def servers(machine: Machine, network: Network) -> list[Finding]:
    """A finding for each endpoint of `network`, all asked at once; it takes `look.LONGEST` at most."""
    return list(judged(network, await probe(network), machine.now))


def judged(network: Network, sights: Sequence[ProbeResult], now: float) -> Iterator[Finding]:
    """What the looks at the endpoints of `network` mean, at `now` by this computer's clock.

    How far a server is behind is told against the clock, and against the best of the others, which needs no clock.
    """
    ledger_from_record = [sight.tip.closed_at for sight in sights if sight.tip]
    newest = max(ledger_from_record, default=0)
    succeeded = any(newest - at < BEHIND for at in ledger_from_record)
    for sight in sights:
        host = urlsplit(sight.endpoint).hostname
        check = f"server {network.name}"
        if sight.tip is None:
            ill = note if succeeded else wrong
            yield ill(check, f"{host} {sight.why}.", _advice(sight.why, succeeded=succeeded))
            continue
        says = f"{host} is at ledger {sight.tip.sequence:,}"
        if newest - sight.tip.closed_at >= BEHIND:
            yield note(
                check,
                f"{says}, {newest - sight.tip.closed_at} s behind the others.",
                "Nothing: it is left alone.",
            )
        elif now - sight.tip.closed_at >= BEHIND:
            behind = round(now - sight.tip.closed_at)
            yield note(
                check,
                f"{says}, closed {behind} s ago by this clock.",
                "If the clock is right, the network stands still; the recording plays until it moves.",
            )
        else:
            yield ok(check, f"{says}, answered within {sight.seconds:.1f} s.")


def _advice(why: str, *, succeeded: bool) -> str:
    if succeeded:
        return "Nothing: the box uses the others."
    if "found" in why or "reached" in why:
        return "Check the cable or the Wi-Fi of the box; the recording plays meanwhile."
    if "network than" in why:
        return "Correct the passphrase or the endpoints in the settings; the recording plays meanwhile."
    return "Try again later; the recording plays meanwhile."
