# SPDX-License-Identifier: Apache-2.0
"""Checks the environment: a route to the internet, the clock, and the recording that plays without them.

Each check takes the machine and the settings, and yields its findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from appliance.doctor.finding import Finding, note, ok, wrong
from appliance.doctor.machine import Machine
from appliance.host.clock import SET, TIMESYNC
from appliance.ledger.reader.routes import IPV4, IPV6, ways_out
from appliance.ledger.tape import BadTape, open_tape, require_ledger
from appliance.settings import Settings

MADE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # no version of this program is older
EXPIRED = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # an unset clock can also be far in the future
WEAK = 30  # of 70, the quality of a Wi-Fi as drivers state it; about -80 dBm
ASK_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized", "--value")


def network(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is there a default route in the routing tables of the kernel, and is it a weak Wi-Fi?"""
    if not machine.has(IPV4):
        return
    ways = ways_out(machine.read(IPV4), machine.read(IPV6))
    if not ways:
        advice = "Plug in a cable, or set up the Wi-Fi with `sudo nmtui`; the recording plays meanwhile."
        yield wrong("network", "There is no route to the internet.", advice)
        return
    way = ways[0]
    quality = [int(float(row[2])) for row in _rows(machine, "/proc/net/wireless") if row[0] == f"{way}:"]
    if quality and quality[0] < WEAK:
        advice = "Move the box nearer to the access point, or plug in a cable."
        yield note("network", f"The Wi-Fi ({way}) is weak: {quality[0]} of 70.", advice)
    else:
        yield ok("network", f"{way}{f', Wi-Fi of {quality[0]} of 70' if quality else ''}.")


def _rows(machine: Machine, table: str) -> list[list[str]]:
    return [line.split() for line in machine.read(table).splitlines() if line.strip()]


def clock(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the date right, and does a time server set it? With a wrong date no certificate of a server is valid."""
    says = f"{datetime.fromtimestamp(machine.now, UTC):%Y-%m-%d %H:%M} UTC"
    if not MADE <= machine.now < EXPIRED:
        yield wrong(
            "clock",
            f"The date is {says}, which is impossible.",
            "Allow the box to reach a time server (NTP, UDP port 123); until then no certificate is valid.",
        )
        return
    by = "yes" if machine.has(TIMESYNC, SET) else machine.ask(ASK_CLOCK)
    if by == "yes":
        yield ok("clock", f"{says}, set by a time server.")
    elif by == "no":
        advice = "Run `sudo timedatectl set-ntp true`, and allow UDP port 123 in your firewall."
        yield note("clock", f"{says}, not set by a time server.", advice)
    else:
        yield ok("clock", f"{says}; whether a time server sets it is not known.")


def recording(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the recording of the settings be played, if one is set?"""
    if not (named := settings.recording.path):
        return
    try:
        require_ledger(open_tape(machine.at(named)))
    except BadTape as error:
        advice = "Correct recording.path and restart the box; until then the bundled recording plays."
        yield wrong("recording", str(error), advice)
    else:
        yield ok("recording", f"{named} plays without a network.")
