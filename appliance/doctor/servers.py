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
from appliance.ledger.reader.horizon import BUFFERED
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.reader.session import Cause
from appliance.ledger.staleness import STALE_AFTER

ALTERNATIVE = "Nothing to do: the box uses the others."
LATER = "Try again later; the recording plays meanwhile."
_ADDRESS = "Correct the address in the settings; the recording plays meanwhile."
_CABLE = "Check the cable or the Wi-Fi of the box; the recording plays meanwhile."
_DATE = "Check the date of this computer and the server's certificate; the recording plays meanwhile."
_PROXY = "Correct HTTPS_PROXY and HTTP_PROXY where the box is started; the recording plays meanwhile."
# If no server works. For any other cause: LATER.
ADVICE: dict[Cause | None, str] = {
    Cause.UNFOUND: _CABLE,
    Cause.UNREACHED: _CABLE,
    Cause.PROXY: _PROXY,
    Cause.PROXY_UNFOUND: _PROXY,
    Cause.TLS: _ADDRESS,
    Cause.TLS_VERSION: "Update the software of that server; the recording plays meanwhile.",
    Cause.AUTHORITY: "Add the authority's certificate to this computer: `sudo update-ca-certificates`.",
    Cause.DATE: _DATE,
    Cause.CERTIFICATE: _DATE,
    Cause.KEY: "Set headers for this network in the settings; the recording plays meanwhile.",
    Cause.REDIRECT: "Write that address into the settings, or log in to the Wi-Fi if it is the Wi-Fi's.",
    Cause.WEB_PAGE: "Log in to the Wi-Fi if it is the Wi-Fi's, or correct the address in the settings.",
    Cause.NETWORK: "Correct the passphrase or the endpoints in the settings; the recording plays meanwhile.",
}


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
            advice = ALTERNATIVE if healthy else ADVICE.get(result.cause, LATER)
            yield verdict(check, f"{host} {result.why}.", advice)
            continue
        says = f"{host} is at ledger {result.tip.sequence:,}"
        if newest - result.tip.closed_at >= STALE_AFTER:
            yield note(check, f"{says}, {newest - result.tip.closed_at} s behind the others.", ALTERNATIVE)
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
    if BUFFERED in note:
        return "If the proxy before it is yours, let it pass on at once: `proxy_buffering off;` in nginx."
    return "Nothing to do: the box can read it like this."
