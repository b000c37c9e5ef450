# SPDX-License-Identifier: Apache-2.0
"""Redacts personal data from the support file: about the owner, the place, and accounts of the network.

Every private word that is known here (names of users, of the host, of Wi-Fis, of own servers) is replaced by its kind
in angle brackets, and so is everything that looks like an account, a hash or an address. Pure, except for `private`,
which reads files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from appliance.doctor.machine import Machine
from appliance.ledger.networks import KNOWN, RPC
from appliance.settings import Settings

# Strkey (SEP-23): accounts G, muxed accounts M, contracts C, secret seeds S, and others.
_STRKEY = re.compile(r"\b[BCGLMPSTX][A-Z2-7]{55,}\b")
# Of a piece or a feed the log shows twelve digits.
_HASH = re.compile(r"\b(?:[0-9A-Fa-f]{64}|[0-9a-f]{12})\b")
_MAC = re.compile(r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
_IPV6 = re.compile(r"(?<![\w.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_SERIAL = re.compile(r"^(Serial\s*:).*$", re.MULTILINE)
SECRET = 3  # characters; a header of fewer is no secret, and such words are everywhere
_SSID = re.compile(r"^\s*ssid\s*=\s*\"?(.+?)\"?\s*$", re.MULTILINE)


def redacted(text: str, private: Mapping[str, str]) -> str:
    """The text without personal data. `private` maps each private word to its kind, as in {"ada": "user"}."""
    for word in sorted(private, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", f"<{private[word]}>", text)
    text = _STRKEY.sub("<account>", text)
    text = _HASH.sub("<hash>", text)
    text = _SERIAL.sub(r"\1 <serial>", text)
    text = _MAC.sub("<address>", text)
    return _IPV6.sub(_address, _IPV4.sub(_address, text))


def _address(found: re.Match[str]) -> str:
    try:
        ip_address(found[0])
    except ValueError:  # a time, a version
        return found[0]
    return "<address>"


def private(machine: Machine, settings: Settings) -> dict[str, str]:
    """The private words of this computer, with their kinds: of users, the host, Wi-Fis, own servers and their keys."""
    words = {machine.read("/proc/sys/kernel/hostname"): "host", machine.read("/etc/hostname"): "host"}
    words |= dict.fromkeys(_users(machine), "user")
    words |= dict.fromkeys(_wifis(machine), "wi-fi")
    known = {urlsplit(endpoint).hostname for network in KNOWN.values() for endpoint in network.endpoints}
    for name, network in settings.networks.items():
        for number, endpoint in enumerate(network.endpoints, 1):
            address = urlsplit(endpoint.removeprefix(RPC))
            if address.hostname not in known:
                words[address.netloc] = words[address.hostname or ""] = f"server {number} of {name}"
        for value in network.headers.values():
            parts = (part for part in value.split() if len(part) >= SECRET)
            words |= dict.fromkeys((value, *parts) if len(value) >= SECRET else (), "header")
        if network.passphrase:
            words[network.passphrase] = "passphrase"
    if settings.mqtt.server:
        address = urlsplit(settings.mqtt.server)
        words[address.netloc] = words[address.hostname or ""] = "mqtt server"
    words[settings.mqtt.user] = "mqtt user"
    words |= dict.fromkeys(settings.page.names, "host")
    nodes = set(settings.pieces.bootstrap).difference(Settings().pieces.bootstrap)
    words |= dict.fromkeys((node.rpartition(":")[0] for node in nodes), "node")
    # These identify nothing, and replacing them would make the text unreadable.
    return {word: kind for word, kind in words.items() if word not in ("", "root", "localhost")}


def _users(machine: Machine) -> Iterator[str]:
    for line in machine.read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 4 and fields[2].isdigit() and 1000 <= int(fields[2]) < 65534:
            yield fields[0]
            yield fields[4].partition(",")[0]  # the full name
    for variable in ("USER", "LOGNAME", "SUDO_USER"):
        yield machine.environ.get(variable, "")


def _wifis(machine: Machine) -> Iterator[str]:
    for path in (
        *machine.find("/etc/NetworkManager/system-connections/*"),
        *machine.find("/run/NetworkManager/system-connections/*"),
        "/etc/wpa_supplicant/wpa_supplicant.conf",
    ):
        yield from (found[1] for found in _SSID.finditer(machine.read(path)))
