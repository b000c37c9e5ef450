# SPDX-License-Identifier: Apache-2.0
"""The redaction of the support file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.doctor.privacy import private, redacted
from appliance.settings import load
from tests.support.patient import patient

ACCOUNT = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
HASH = "b9d0b2292c4e09e8eb22d036171491e87b8d2086bf8b265874c8d182cb9c9020"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"from {ACCOUNT}, to", "from <account>, to"),
        ("M" + ACCOUNT[1:] + "AAAAAAAAAAAAA2", "<account>"),
        ("S" + ACCOUNT[1:], "<account>"),
        (f'"hash":"{HASH}"', '"hash":"<hash>"'),
        (HASH.upper(), "<hash>"),
        ("The piece 3f9a01c2d4e5 was sold.", "The piece <hash> was sold."),
        ("connected to 192.168.1.17:8000 by 10.0.0.1", "connected to <address>:8000 by <address>"),
        ("via fe80::dea6:32ff:fe12:3456 or [2001:db8::1]", "via <address> or [<address>]"),
        ("eth0 dc:a6:32:12:34:56 up", "eth0 <address> up"),
        (
            "2026-11-26T12:00:01+0100 at 12:00:01, pyo 1.0.4",
            "2026-11-26T12:00:01+0100 at 12:00:01, pyo 1.0.4",
        ),
        ("256.300.1.1 is none, 1.2.3.4.5 neither", "256.300.1.1 is none, 1.2.3.4.5 neither"),
        ("cores\t: 4\nSerial\t\t: 10000000abcdef01\nModel: x", "cores\t: 4\nSerial\t\t: <serial>\nModel: x"),
        ("https://horizon.stellar.org", "https://horizon.stellar.org"),
    ],
)
def test_what_looks_private_is_replaced(text: str, left: str) -> None:
    assert redacted(text, {}) == left


@given(st.text(), st.text(), st.sampled_from([ACCOUNT, HASH, "ada", "Our Home"]))
def test_wherever_it_stands_by_itself(before: str, after: str, secret: str) -> None:
    text = f"{before} {secret} {after}"
    left = redacted(text, {"ada": "user", "Our Home": "wi-fi"})
    assert not re.search(rf"(?<!\w){secret}(?!\w)", left)


PEOPLE = (
    "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada Lovelace,,,:/srv/ada:/bin/bash\nnobody:x:65534::x\n"
)
MINE = """
network = "mine"
[networks.mine]
endpoints = ["https://horizon.lovelace.example:8443/a", "rpc+https://rpc.lovelace.example", "https://horizon.stellar.org"]
passphrase = "The engine of my own"
headers = { Authorization = "Basic bXk6a2V5cw==", X-Api-Key = "k-1+2/3" }
[mqtt]
server = "mqtt://broker.lovelace.example:1884"
user = "ada's box"
[page]
names = ["music.lovelace.example"]
[pieces]
bootstrap = ["dht.libtorrent.org:25401", "node.lovelace.example:6881"]
"""


def test_what_is_private_here_is_found(tmp_path: Path) -> None:
    (config := tmp_path / "box.toml").write_text(MINE)
    machine = patient(
        tmp_path,
        {
            "/proc/sys/kernel/hostname": "engine\n",
            "/etc/hostname": "engine\n",
            "/etc/passwd": PEOPLE,
            "/etc/NetworkManager/system-connections/home.nmconnection": "[wifi]\nssid=Our Home\nmode=x\n",
            "/etc/wpa_supplicant/wpa_supplicant.conf": 'network={\n\tssid="Old Home"\n}\n',
        },
        environ={"USER": "root", "SUDO_USER": "ada"},
    )
    words = private(machine, load({}, {}, config).settings)
    assert words == {
        "engine": "host",
        "ada": "user",
        "Ada Lovelace": "user",
        "broker.lovelace.example:1884": "mqtt server",
        "broker.lovelace.example": "mqtt server",
        "ada's box": "mqtt user",
        "music.lovelace.example": "host",
        "node.lovelace.example": "node",
        "Our Home": "wi-fi",
        "Old Home": "wi-fi",
        "horizon.lovelace.example:8443": "server 1 of mine",
        "horizon.lovelace.example": "server 1 of mine",
        "rpc.lovelace.example": "server 2 of mine",
        "The engine of my own": "passphrase",
        "Basic bXk6a2V5cw==": "header",
        "Basic": "header",
        "bXk6a2V5cw==": "header",
        "k-1+2/3": "header",
    }
    text = (
        "ada@engine in /srv/ada, by Our Home to https://horizon.lovelace.example:8443/a: The engine of my own"
    )
    assert redacted(text, words) == (
        "<user>@<host> in /srv/<user>, by <wi-fi> to https://<server 1 of mine>/a: <passphrase>"
    )


@pytest.mark.parametrize("before", ["", "Authorization: ", "'", "key=", "https://h/?"])
@pytest.mark.parametrize("value", ["Basic bXk6a2V5cw==", "bXk6a2V5cw==", "k-1+2/3"])
def test_no_value_of_a_header_is_left(value: str, before: str, tmp_path: Path) -> None:
    (config := tmp_path / "box.toml").write_text(MINE)
    words = private(patient(tmp_path), load({}, {}, config).settings)
    assert redacted(f"{before}{value}' refused", words) == f"{before}<header>' refused"


def test_a_header_too_short_to_be_a_secret_leaves_the_text_readable(tmp_path: Path) -> None:
    headers = '{ X-Api-Version = "2", X-Key = "on a k-1+2/3" }'
    (config := tmp_path / "box.toml").write_text(
        f'[networks.mine]\nendpoints = ["https://h.example"]\npassphrase = "mine"\nheaders = {headers}\n'
    )
    words = private(patient(tmp_path), load({}, {}, config).settings)
    assert redacted("2 retries on a card, k-1+2/3", words) == "2 retries on a card, <header>"


def test_a_known_network_of_ones_own_servers_keeps_its_passphrase_out_of_it(tmp_path: Path) -> None:
    (config := tmp_path / "box.toml").write_text('[networks.public]\nendpoints = ["https://h.example"]\n')
    words = private(patient(tmp_path), load({}, {}, config).settings)
    assert words == {"h.example": "server 1 of public"}
