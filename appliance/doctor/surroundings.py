# SPDX-License-Identifier: Apache-2.0
"""What the box stands in: a way out to the internet, the right time, and what plays without either.

The one rule: without either the recording plays, so what is wrong here is told with that. Each check takes the machine
and the settings, and yields what it finds.
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
EXPIRED = datetime(2100, 1, 1, tzinfo=UTC).timestamp()  # what an unset clock may also say
WEAK = 30  # of 70, as drivers state a Wi-Fi's quality; about -80 dBm
ASK_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized", "--value")


def network(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Does any way lead out? By the routing tables of the kernel; with a hint where it is a weak Wi-Fi."""
    if not machine.has(IPV4):
        return
    ways = ways_out(machine.read(IPV4), machine.read(IPV6))
    if not ways:
        advice = "Plug in a cable, or set up the Wi-Fi: `sudo nmtui`; the recording plays meanwhile."
        yield wrong("network", "No way leads out of this computer.", advice)
        return
    way = ways[0]
    quality = [int(float(row[2])) for row in _rows(machine, "/proc/net/wireless") if row[0] == f"{way}:"]
    if quality and quality[0] < WEAK:
        advice = "Put the box nearer to the Wi-Fi, or plug in a cable."
        yield note("network", f"The Wi-Fi ({way}) is weak: {quality[0]} of 70.", advice)
    else:
        yield ok("network", f"{way}{f', Wi-Fi of {quality[0]} of 70' if quality else ''}.")


def _rows(machine: Machine, table: str) -> list[list[str]]:
    return [line.split() for line in machine.read(table).splitlines() if line.strip()]


def clock(machine: Machine, _: Settings) -> Iterator[Finding]:
    """Is the date right, and does somebody set it? Without it no server can prove who it is."""
    says = f"{datetime.fromtimestamp(machine.now, UTC):%Y-%m-%d %H:%M} UTC"
    if not MADE <= machine.now < EXPIRED:
        yield wrong(
            "clock",
            f"The date is {says}, which cannot be.",
            "Let the box reach a time server (NTP, UDP port 123); until then no server is trusted.",
        )
        return
    by = "yes" if machine.has(TIMESYNC, SET) else machine.ask(ASK_CLOCK)
    if by == "yes":
        yield ok("clock", f"{says}, set by a time server.")
    elif by == "no":
        advice = "Run `sudo timedatectl set-ntp true`, and let UDP port 123 through."
        yield note("clock", f"{says}, not set by a time server.", advice)
    else:
        yield ok("clock", f"{says}; who sets it is not known here.")


def recording(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Can the owner's own recording be played, if there is one?"""
    if not (named := settings.recording.path):
        return
    try:
        require_ledger(open_tape(machine.at(named)))
    except BadTape as error:
        advice = "Correct recording.path; until the next start the one that ships plays instead."
        yield wrong("recording", str(error), advice)
    else:
        yield ok("recording", f"{named} plays without a network.")
