# SPDX-License-Identifier: Apache-2.0
"""Checks the servers of the chosen network.

As long as one server works, a failing one is only a note, because the box uses the next one. If none works, that is
wrong, and the recording plays. Pure, except for `servers`, which asks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import Machine
from appliance.ledger.networks import Network
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.staleness import STALE_AFTER


async def servers(machine: Machine, network: Network) -> list[Finding]:
    """A finding for each endpoint of `network`, all asked at once; it takes `probe.LONGEST` at most."""
    return list(judged(network, await probe(network), machine.now))


def judged(network: Network, results: Sequence[ProbeResult], now: float) -> Iterator[Finding]:
    """The findings for the probes of `network`, at `now` by this computer's clock.

    The delay of a server is judged by the clock, and by the best of the other servers, in case the clock is wrong.
    """
    closed = [result.tip.closed_at for result in results if result.tip]
    newest = max(closed, default=0)
    healthy = any(newest - at < STALE_AFTER for at in closed)
    for result in results:
        host = urlsplit(result.endpoint).hostname
        check = f"server {network.name}"
        if result.tip is None:
            verdict = note if healthy else wrong
            yield verdict(check, f"{host} {result.why}.", _advice(result.why, healthy=healthy))
            continue
        says = f"{host} is at ledger {result.tip.sequence:,}"
        if newest - result.tip.closed_at >= STALE_AFTER:
            yield note(
                check,
                f"{says}, {newest - result.tip.closed_at} s behind the others.",
                "Nothing to do: the box uses the others.",
            )
        elif now - result.tip.closed_at >= STALE_AFTER:
            behind = round(now - result.tip.closed_at)
            yield note(
                check,
                f"{says}, closed {behind} s ago by this clock.",
                "If the clock is right, the network has stopped; the recording plays until it continues.",
            )
        elif result.note:
            yield note(check, f"{says}, but {result.note}.", _remedy(result.note))
        else:
            yield ok(check, f"{says}, answered within {result.seconds:.1f} s.")


def _remedy(note: str) -> str:
    if "buffers" in note:
        return "If the proxy before it is yours, let it pass on at once: `proxy_buffering off;` in nginx."
    return "Nothing to do: the box can read it like this."


def _advice(why: str, *, healthy: bool) -> str:
    if healthy:
        return "Nothing to do: the box uses the others."
    if "redirects to" in why:
        return "Write that address into the settings, or log in to the Wi-Fi if it is the Wi-Fi's."
    if "certificate of an authority" in why:
        return "Add the authority's certificate to this computer: `sudo update-ca-certificates`."
    if "host name" in why or "TLS" in why:
        return "Correct the address in the settings; the recording plays meanwhile."
    if "certificate" in why:
        return "Check the date of this computer and the server's certificate; the recording plays meanwhile."
    if "key" in why:
        return "Set headers for this network in the settings; the recording plays meanwhile."
    if "proxy" in why or "PROXY" in why:
        return "Correct HTTPS_PROXY and HTTP_PROXY where the box is started; the recording plays meanwhile."
    if "found" in why or "reached" in why:
        return "Check the cable or the Wi-Fi of the box; the recording plays meanwhile."
    if "network than" in why:
        return "Correct the passphrase or the endpoints in the settings; the recording plays meanwhile."
    return "Try again later; the recording plays meanwhile."
