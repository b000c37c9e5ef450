# SPDX-License-Identifier: Apache-2.0
"""The kernel's tables, as it writes them, and this machine's own."""

from pathlib import Path

import pytest

from appliance.ledger.reader.routes import IPV4, has_default_route, ways_out

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
LOCAL = "wlan0\t000200C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
OUT = "wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
OUT6 = f"{'0' * 32} 00 {'0' * 32} 00 {'f' * 32} 00000400 00000003 00000000 00000003     eth0\n"
LOCAL6 = OUT6.replace(" 00 ", " 40 ", 1)
LOOP6 = OUT6.replace("eth0", "  lo")


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "ways"),
    [
        ("", "", []),
        (HEAD, "", []),
        (HEAD + LOCAL, LOOP6 + LOCAL6, []),
        (HEAD + LOCAL + OUT, "", ["wlan0"]),
        (HEAD + LOCAL, OUT6, ["eth0"]),
        (HEAD + OUT, LOOP6 + OUT6, ["wlan0", "eth0"]),
        ("nonsense\n\n", "x\n", []),
    ],
)
def test_a_default_route_is_a_way_out(ipv4: str, ipv6: str, ways: list[str]) -> None:
    assert ways_out(ipv4, ipv6) == ways


def test_this_machine_is_read_as_it_is() -> None:
    if not Path(IPV4).exists():
        pytest.skip(f"needs {IPV4}")
    by_ip_route = any(row.split()[1] == "0" * 8 for row in Path(IPV4).read_text().splitlines() if row.split())
    assert has_default_route() or not by_ip_route
