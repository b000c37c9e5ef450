# SPDX-License-Identifier: Apache-2.0
"""The units, as systemd itself reads them, without running any: `make nspawn-test` does that."""

import configparser
import json
import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent.parent / "deploy" / "systemd"
UNITS = sorted(file for file in SYSTEMD.iterdir() if file.suffix in (".path", ".service", ".socket"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
EXPOSURE = 2.0  # of 10; a unit without any sandbox has 9.6

ANALYZE = shutil.which("systemd-analyze") or ""
analyze = pytest.mark.skipif(not ANALYZE, reason="needs systemd-analyze")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with programs that this machine has: systemd looks whether they are there."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        text = re.sub(r"^(ExecStart=)\S+", r"\1/usr/bin/env", unit.read_text(), flags=re.MULTILINE)
        (folder / unit.name.replace("@.", "@1.")).write_text(text)
        if "@" in unit.name:  # the socket looks for the template
            (folder / unit.name).write_text(text)
    return folder


@analyze
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    names = [f"./{unit.name.replace('@.', '@1.')}" for unit in UNITS]
    said = subprocess.run([ANALYZE, "verify", *names], cwd=units, capture_output=True, text=True, check=False)
    # It also looks at what the units stand on; what it says of this machine's own is no business of ours.
    ours = [line for line in said.stderr.splitlines() if "stellar-wind" in line]
    assert ours == []


@analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_little_of_the_system_is_exposed(units: Path, unit: Path) -> None:
    name = unit.name.replace("@.", "@1.")
    command = [ANALYZE, "security", "--offline=yes", "--json=short", f"./{name}"]
    said = subprocess.run(command, cwd=units, capture_output=True, text=True, check=True)
    weaknesses = json.loads(said.stdout)
    assert weaknesses
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"--threshold={EXPOSURE * 10:.0f}",
        f"./{name}",
    ]
    scored = subprocess.run(command, cwd=units, capture_output=True, text=True, check=False)
    assert scored.returncode == 0, scored.stdout


def sections(unit: str) -> dict[str, dict[str, list[str]]]:
    """A unit's settings: every value of every key, in order."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_nothing_waits_for_the_network(unit: Path) -> None:
    waits = [
        line for line in unit.read_text().splitlines() if re.match(r"(After|Wants|Requires)=.*net", line)
    ]
    assert waits == []


def test_the_player_has_no_network_and_the_listener_no_device() -> None:
    player = sections("stellar-wind.service")["Service"]
    listener = sections("stellar-wind-listener@.service")["Service"]
    assert player["PrivateNetwork"] == ["yes"]
    assert player["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert listener["PrivateDevices"] == ["yes"]
    assert not listener.keys() & {"DeviceAllow", "SupplementaryGroups", "StateDirectory", "ReadWritePaths"}


def test_the_page_can_neither_write_nor_reach_the_internet_nor_see_a_device() -> None:
    page = sections("stellar-wind-page.service")["Service"]
    assert (page["PrivateDevices"], page["ProtectSystem"], page["IPAddressDeny"]) == (
        ["yes"],
        ["strict"],
        ["any"],
    )
    (allowed,) = page["IPAddressAllow"]
    networks = [ip_network(each) for each in allowed.split() if each not in ("localhost", "link-local")]
    assert networks
    assert all(network.is_private for network in networks)
    assert not page.keys() & {"DeviceAllow", "SupplementaryGroups", "StateDirectory", "ReadWritePaths"}
    assert (
        page["User"] == sections("stellar-wind.service")["Service"]["User"]
    )  # whom the control socket answers
    assert "kill" in page["SystemCallFilter"][1].split()  # but it does not end the player


CLIENTS = {  # the variable of the role that switches a process on, and its default
    "page": ("stellar_wind_page", "stellar_wind_page: false"),
    "mqtt": ("stellar_wind_mqtt | length > 0", 'stellar_wind_mqtt: ""'),
    "pieces": ("stellar_wind_pieces != 'off'", 'stellar_wind_pieces: "off"'),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_the_role_starts_a_client_only_where_it_is_asked_to(name: str) -> None:
    """A unit that the role enables in any case would open a port on a box as delivered."""
    role = SYSTEMD.parent / "ansible/roles/stellar_wind"
    wanted, default = CLIENTS[name]
    assert f"{default}\n" in (role / "defaults/main.yml").read_text()
    tasks = (role / "tasks/clients.yml").read_text()
    assert f'- {{name: {name}, wanted: "{{{{ {wanted} }}}}"}}' in tasks
    assert 'enabled: "{{ item.wanted }}"' in tasks
    others = [
        file for file in (role / "tasks").glob("*.yml") if file.name not in ("clients.yml", "remove.yml")
    ]
    assert not any(
        re.search(r"name:.*stellar-wind-(page|mqtt|pieces)\.service", f.read_text())
        for f in others
        if f.name != "pieces.yml"
    )


def test_only_templates_use_what_only_templates_have() -> None:
    """In the `content` of a copy, `ansible_managed` is undefined, and the role would fail there."""
    tasks = SYSTEMD.parent / "ansible/roles/stellar_wind/tasks"
    assert [file.name for file in tasks.glob("*.yml") if "ansible_managed" in file.read_text()] == []


def test_no_unit_of_a_client_is_started_by_another() -> None:
    """Only the role, or the card's settings file, switches them on."""
    for unit in UNITS:
        starts = [
            line
            for line in unit.read_text().splitlines()
            if re.match(r"(Wants|Requires|BindsTo|Upholds|Also)=", line)
        ]
        assert not any(f"stellar-wind-{name}" in line for line in starts for name in CLIENTS)


def test_the_pieces_have_one_port_which_only_their_box_names() -> None:
    pieces = sections("stellar-wind-pieces.service")["Service"]
    page = sections("stellar-wind-page.service")["Service"]
    same = ("PrivateDevices", "ProtectSystem", "IPAddressDeny", "User", "CapabilityBoundingSet")
    assert [pieces[key] for key in same] == [page[key] for key in same]
    assert pieces["SocketBindDeny"] == ["any"]
    assert {each.rpartition(":")[2] for each in pieces["SocketBindAllow"]} == {
        "6771"
    }  # local service discovery
    role = SYSTEMD.parent / "ansible/roles/stellar_wind/templates/pieces.conf.j2"
    card = SYSTEMD.parent / "image/card/usr/lib/stellar-wind/card"
    for text in (role.read_text(), card.read_text()):
        assert "SocketBindAllow=" in text
        assert re.search(r"internet.*\n.*IPAddressDeny=.*\n?.*IPAddressAllow=any", text)


def test_mqtt_writes_its_name_only_and_neither_listens_nor_reaches_the_internet() -> None:
    mqtt = sections("stellar-wind-mqtt.service")["Service"]
    page = sections("stellar-wind-page.service")["Service"]
    same = ("PrivateDevices", "ProtectSystem", "IPAddressDeny", "IPAddressAllow", "User")
    assert [mqtt[key] for key in same] == [page[key] for key in same]
    assert mqtt["StateDirectory"] == ["stellar-wind/mqtt"]
    # Its client of MQTT binds each connection to port 0 of TCP, which "any" would refuse.
    assert mqtt["SocketBindDeny"] == ["ipv4:udp", "ipv6:udp"]
    assert mqtt["SystemCallFilter"] == [*page["SystemCallFilter"], "~listen"]
    assert not mqtt.keys() & {"DeviceAllow", "SupplementaryGroups", "SocketBindAllow", "ReadWritePaths"}


def test_the_player_calls_where_the_listener_answers() -> None:
    (address,) = sections("stellar-wind-listener.socket")["Socket"]["ListenStream"]
    assert (
        f"STELLAR_WIND_LISTENER__SOCKET={address}"
        in sections("stellar-wind.service")["Service"]["Environment"]
    )


def test_every_group_of_the_player_is_made() -> None:
    made = set(re.findall(r"^[ug] (\S+)", (SYSTEMD / "sysusers.conf").read_text(), flags=re.MULTILINE))
    (groups,) = sections("stellar-wind.service")["Service"]["SupplementaryGroups"]
    assert set(groups.split()) - made == {"audio"}  # Debian's own
    assert sections("stellar-wind.service")["Service"]["User"][0] in made


def test_a_wrong_setting_is_not_tried_again_for_ever() -> None:
    from appliance.cli import EX_CONFIG

    assert sections("stellar-wind.service")["Service"]["RestartPreventExitStatus"] == [str(EX_CONFIG)]


def test_the_boards_watchdog_is_one_that_it_has() -> None:
    """A Pi counts to 15 s; a longer time is ignored, or resets it over and over."""
    parser = configparser.ConfigParser()
    parser.read(SYSTEMD / "watchdog.conf")
    assert 5 <= int(parser["Manager"]["RuntimeWatchdogSec"]) < 15
