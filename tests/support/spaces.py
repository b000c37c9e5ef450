# SPDX-License-Identifier: Apache-2.0
"""Networks of a test's own: Linux network namespaces, a bridge or a router between them, and no way out.

    with Spaces() as spaces:
        addresses = spaces.lan("abc")           # one bridge; multicast works, and nothing leads elsewhere
        addresses = spaces.routed("abn", nat="b")   # a network for each, and a router; b behind NAT
        subprocess.run([*spaces.inside("a"), "ping", addresses["b"]])

Needs root and `ip`; NAT needs `nft`. Everything is removed at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count

import pytest

_NUMBERS = count()


def require(*tools: str) -> None:
    """Skip the test, by the name of what is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for network namespaces")
    for tool in ("ip", *tools):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}, for network namespaces")
    probe = subprocess.run(["ip", "netns", "add", f"probe{os.getpid()}"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("needs network namespaces, which this machine does not allow")
    subprocess.run(["ip", "netns", "del", f"probe{os.getpid()}"], check=True)


class Spaces:
    """A hub with a bridge or a router, and a namespace for each box."""

    def __init__(self) -> None:
        self._tag = f"wind{os.getpid()}x{next(_NUMBERS)}"
        self._made: list[str] = []

    def __enter__(self) -> Spaces:
        self._add("hub")
        return self

    def __exit__(self, *_: object) -> None:
        for space in reversed(self._made):
            subprocess.run(["ip", "netns", "del", space], check=False)

    def inside(self, name: str) -> list[str]:
        """The words that run a command in a namespace."""
        return ["ip", "netns", "exec", f"{self._tag}-{name}"]

    def lan(self, names: str) -> dict[str, str]:
        """One network of all; the hub has the last address, and routes nothing."""
        self._ip("hub", "link add br0 type bridge mcast_snooping 0")
        self._ip("hub", "link set br0 up")
        self._ip("hub", "addr add 10.77.0.200/24 dev br0")
        for number, name in enumerate(names, 1):
            self._join(name, f"10.77.0.{number}/24")
            self._ip("hub", f"link set v{name} master br0 up")
            self._ip(name, "route add default dev eth0")  # without a route, no multicast is sent
        return {"hub": "10.77.0.200"} | {name: f"10.77.0.{number}" for number, name in enumerate(names, 1)}

    def routed(self, names: str, nat: str = "") -> dict[str, str]:
        """A network for each, and a router between them; those in `nat` cannot be reached from outside."""
        subprocess.run([*self.inside("hub"), "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        for number, name in enumerate(names, 1):
            self._join(name, f"10.77.{number}.1/24")
            self._ip("hub", f"addr add 10.77.{number}.254/24 dev v{name}")
            self._ip("hub", f"link set v{name} up")
            self._ip(name, f"route add default via 10.77.{number}.254")
            if name in nat:
                self._hide(name, f"10.77.{number}.0/24")
        return {name: f"10.77.{number}.1" for number, name in enumerate(names, 1)}

    def _hide(self, name: str, network: str) -> None:
        rules = (
            "table ip nat {\n chain out {\n type nat hook postrouting priority 100;\n"
            f' ip saddr {network} oifname != "v{name}" masquerade\n }}\n}}\n'
            "table ip wall {\n chain in {\n type filter hook forward priority 0;\n"
            f' oifname "v{name}" ct state established,related accept\n oifname "v{name}" drop\n }}\n}}\n'
        )
        subprocess.run([*self.inside("hub"), "nft", "-f", "-"], input=rules, text=True, check=True)

    def _add(self, name: str) -> None:
        space = f"{self._tag}-{name}"
        subprocess.run(["ip", "netns", "add", space], check=True)
        self._made.append(space)
        self._ip(name, "link set lo up")

    def _join(self, name: str, address: str) -> None:
        self._add(name)
        self._ip("hub", f"link add v{name} type veth peer name eth0 netns {self._tag}-{name}")
        self._ip(name, f"addr add {address} brd + dev eth0")
        self._ip(name, "link set eth0 up")

    def _ip(self, name: str, words: str) -> None:
        subprocess.run(["ip", "-n", f"{self._tag}-{name}", *words.split()], check=True)
