# SPDX-License-Identifier: Apache-2.0
"""Which requests are answered: a stranger's name and a stranger's page are refused."""

import pytest

from appliance.page.guard import HEADERS, host_allowed, origin_allowed

NAMES = ("stellar-wind.local", "Box.Home")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8017", "127.0.0.1:8017", "192.168.0.7", "[fe80::1]:80", "[::1]"),
        *("stellar-wind.local:8017", "STELLAR-WIND.local", "stellar-wind.local.:8017", "box.home"),
    ],
)
def test_the_boxs_own_names_and_every_address_are_answered(host: str) -> None:
    assert host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "attacker.example",
            "attacker.example:8017",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example",
        ),
        *(
            "stellar-wind.local.attacker.example",
            "a@attacker.example",
            "[::1",
            "[::1].attacker.example",
            "1",
            "0x7f.1",
        ),
        "xn--stellar-wind.local",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not host_allowed(host, NAMES)


@pytest.mark.parametrize("origin", [None, "http://box.home:8017", "https://BOX.home:8017"])
def test_the_boxs_own_page_may_ask(origin: str | None) -> None:
    assert origin_allowed(origin, "box.home:8017")


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://attacker.example", "http://box.home", "http://box.home:8018", "ftp://box.home:8017"],
)
def test_another_page_may_not(origin: str) -> None:
    assert not origin_allowed(origin, "box.home:8017")


def test_only_what_the_page_itself_brings_is_loaded() -> None:
    policy = dict(part.split(maxsplit=1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src", "media-src")} == {"'self'"}
    assert {policy[kind] for kind in ("frame-ancestors", "form-action", "base-uri")} == {"'none'"}
