# SPDX-License-Identifier: Apache-2.0
"""What the card brings beside the role, without a card: its scripts, its unit, and the files that an owner edits."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from appliance.settings import load
from tests.deploy.machine import ROOT

IMAGE = ROOT / "deploy" / "image"
SCRIPTS = [
    IMAGE / "image.sh",
    *(IMAGE / "card").glob("usr/lib/stellar-wind/*"),
    *(IMAGE / "card/etc/initramfs-tools").glob("hooks/*"),
    *(IMAGE / "card/etc/initramfs-tools").glob("scripts/*/*"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_shell_and_may_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    said = subprocess.run(["/bin/sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_the_example_settings_are_settings(tmp_path: Path) -> None:
    """Each line of them, with its # taken away as an owner would."""
    text = (IMAGE / "boot" / "stellar-wind.example.toml").read_text()
    lines = [re.sub("^#", "", line) for line in text.splitlines() if re.match(r"#[\[a-z]", line)]
    assert len(lines) > 8
    file = tmp_path / "stellar-wind.toml"
    file.write_text("\n".join(lines))
    assert load({}, {}, file).settings.scene == "night"


def test_the_owners_examples_are_plain() -> None:
    """Any editor must be able to show them, and nothing in them may be a password or an account."""
    for file in (IMAGE / "boot").iterdir():
        text = file.read_text(encoding="ascii")
        if file.suffix != ".toml":
            assert not re.search(r"^(users|passw|.*chpasswd)", text, re.M)


def test_a_card_can_do_without_what_is_taken_away() -> None:
    """No pattern reaches what the role installs, or what the licences require."""
    for line in (IMAGE / "not-on-a-card.txt").read_text().splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r"(boot|etc/(default|initramfs|kernel)|usr/(lib|share))/\S+", line), line
            assert not line.startswith(("usr/share/doc", "usr/share/common-licenses"))


def test_an_unknown_base_is_refused() -> None:
    made = subprocess.run(
        ["deploy/image/image.sh"],
        cwd=ROOT,
        env={**os.environ, "BASE": "arch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 2
    assert all(part in made.stderr for part in ("BASE=arch", "debian", "raspios"))


def test_an_archive_without_its_key_is_refused() -> None:
    """Before anything is made. Raspberry Pi's key is on a Raspberry Pi OS, and not on a Debian."""
    root = ["deploy/release/root.sh", "trixie", "arm64", "raspios"]
    key = Path("/usr/share/keyrings/raspberrypi-archive-keyring.pgp")
    if key.exists():
        pytest.skip(f"{key} is here")
    made = subprocess.run(root, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 1
    assert made.stderr.startswith(f"{key} ")


def test_a_card_of_raspberry_pis_starts_from_where_it_is_made() -> None:
    """What the firmware reads there is ours: on Debian's card a package makes it."""
    firmware = IMAGE / "raspios/boot/firmware"
    line = (firmware / "cmdline.txt").read_text()
    assert line.count("\n") == 1
    assert {"root=LABEL=rootfs", "ro", "rootwait", "cgroup_enable=memory"} <= set(line.split())
    config = (firmware / "config.txt").read_text().splitlines()
    assert {"arm_64bit=1", "auto_initramfs=1"} <= set(config)
    assert max(len(each) for each in config) <= 98  # characters of a line that the firmware reads


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card in a folder, whose first partition needs no mounting."""
    for folder in ("boot/firmware", "etc", "run", "media/root-ro/etc", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "boot/firmware/stellar-wind.example.toml").write_text("#scene = 'night'\n")
    (tmp_path / "etc/stellar-wind.toml").write_text("tempo = 60\n")
    (tmp_path / "media/root-ro/etc/stellar-wind.toml").write_text("tempo = 60\n")
    (tmp_path / "bin/mount").write_text("#!/bin/sh\n")
    (tmp_path / "bin/mount").chmod(0o755)
    return tmp_path


def take(card: Path) -> str:
    """What is wrong after a start with this card."""
    environ = os.environ | {"CARD_ROOT": str(card), "PATH": f"{card}/bin:{os.environ['PATH']}"}
    script = IMAGE / "card/usr/lib/stellar-wind/card"
    subprocess.run(["/bin/sh", str(script), "take"], env=environ, check=True)
    wrong = card / "boot/firmware/stellar-wind-is-wrong.txt"
    return wrong.read_text() if wrong.exists() else ""


def test_settings_are_taken_from_the_card_and_restored_when_they_go(card: Path) -> None:
    settings, box = card / "boot/firmware/stellar-wind.toml", card / "etc/stellar-wind.toml"
    assert take(card) == ""
    settings.write_text("tempo = 72\n")
    assert take(card) == ""
    assert box.read_text() == "tempo = 72\n"
    settings.unlink()
    assert take(card) == ""
    assert box.read_text() == "tempo = 60\n"


@pytest.mark.parametrize(
    "name",
    ["stellar-wind.toml.txt", "stellar-wind.txt", "stellar-wind (1).toml", "stellar-wind.example.toml.txt"],
)
def test_settings_under_a_wrong_name_are_named_on_the_card(name: str, card: Path) -> None:
    misnamed = card / "boot/firmware" / name
    misnamed.write_text("tempo = 72\n")
    assert name in take(card)
    misnamed.rename(card / "boot/firmware/stellar-wind.toml")
    assert take(card) == ""


def test_every_wrong_setting_is_told_on_the_card(card: Path) -> None:
    """All lines of this run of the player; the journal also has those of systemd and of earlier runs."""
    lines = "".join(f"The file sets old_{number}.\n" for number in range(9))
    (card / "bin/journalctl").write_text(
        f'#!/bin/sh\ncase "$*" in *_SYSTEMD_INVOCATION_ID=abc*) printf "{lines}" ;; esac\n'
    )
    (card / "bin/journalctl").chmod(0o755)
    script = IMAGE / "card/usr/lib/stellar-wind/card"
    environ = os.environ | {
        "CARD_ROOT": str(card),
        "PATH": f"{card}/bin:{os.environ['PATH']}",
        "INVOCATION_ID": "abc",
    }
    wrong = card / "boot/firmware/stellar-wind-is-wrong.txt"
    for status, told in (("0", ""), ("78", lines.replace("\n", "\r\n"))):
        subprocess.run(["/bin/sh", str(script), "tell"], env=environ | {"EXIT_STATUS": status}, check=True)
        assert (wrong.read_bytes().decode() if wrong.exists() else "") == told


MACHINE_ID = "0123456789abcdef0123456789abcdef\n"
PAGE, MQTT, PIECES = (f"stellar-wind-{name}.service" for name in ("page", "mqtt", "pieces"))


@pytest.mark.parametrize(
    ("settings", "started"),
    [
        ("tempo = 60\n", []),
        ("[page]\nsteer = true\n", []),
        ('[page]\nlisten = ""\n', []),
        ('\ufeff[page]\nlisten = ":8017"\n', [PAGE]),  # saved by an editor of Windows
        ('[page] # the box in a browser\nlisten = ":8017"\n', [PAGE]),
        ('[mqtt]\nserver = "mqtt://192.168.0.2"\n', [MQTT]),
        ('[mqtt]\nserver = "mqtt://a"\n[page]\nlisten = ":1"\n', [PAGE, MQTT]),
        ('[pieces]\nreach = "off"\nport = 20001\n', []),
        ('[pieces]\nreach = "moon"\n', []),  # the player says what is wrong
        ('[pieces]\nreach = "lan"\n', [PIECES]),
        ('[pieces]\nreach = "internet"\n[page]\nlisten = ":1"\n', [PAGE, PIECES]),
        ('[page\nlisten = ":8017"\n', []),
    ],
)
def test_the_settings_of_a_card_start_the_clients(settings: str, started: list[str], card: Path) -> None:
    asked = clients(card, settings)
    starts = [words.split()[2:] for words in asked if words.startswith("start --no-block ")]
    assert starts == ([started] if started else [])
    assert ("daemon-reload" in asked) == (PIECES in started)
    assert (card / "run/systemd/system").exists() == (PIECES in started)


def test_a_busy_systemd_is_waited_for_longer_than_a_unit_may_take_to_start() -> None:
    unit = (IMAGE / "card/etc/systemd/system/stellar-wind-card.service").read_text()
    (minutes,) = re.findall(r"^Environment=SYSTEMD_BUS_TIMEOUT=(\d+)min$", unit, re.MULTILINE)
    (limit,) = re.findall(r"^TimeoutStartSec=(\d+)min$", unit, re.MULTILINE)
    assert 2 <= int(minutes) < int(limit)  # systemd gives a unit 90 s


def test_a_box_without_a_name_of_its_own_still_starts_the_page(card: Path) -> None:
    (card / "etc/machine-id").mkdir()
    assert clients(card, '[page]\nlisten = ":1"\n')[-1].split()[2:] == [PAGE]


def clients(card: Path, settings: str) -> list[str]:
    """What a card with these settings asks systemctl for."""
    (card / "etc/stellar-wind.toml").write_text(settings)
    if not (card / "etc/machine-id").exists():
        (card / "etc/machine-id").write_text(MACHINE_ID)
    (card / "bin/systemctl").write_text(f'#!/bin/sh\necho "$@" >>{card}/started\n')
    (card / "bin/systemctl").chmod(0o755)
    environ = os.environ | {"CARD_ROOT": str(card), "PATH": f"{card}/bin:{os.environ['PATH']}"}
    script = IMAGE / "card/usr/lib/stellar-wind/card"
    subprocess.run(["/bin/sh", str(script), "clients"], env=environ, check=False, capture_output=True)
    record = card / "started"
    return record.read_text().splitlines() if record.exists() else []


def test_the_pieces_of_a_card_have_their_own_port_and_only_the_networks_that_they_need(card: Path) -> None:
    allowed = card / "run/systemd/system/stellar-wind-pieces.service.d/card.conf"
    clients(card, '[pieces]\nreach = "lan"\nport = 23456\n')
    lan = allowed.read_text().splitlines()
    assert {"SocketBindAllow=tcp:23456", "SocketBindAllow=udp:23456"} <= set(lan)
    assert not any("IPAddress" in line for line in lan)
    clients(card, '[pieces]\nreach = "internet"\n')
    internet = allowed.read_text().splitlines()
    assert internet[-2:] == ["IPAddressDeny=", "IPAddressAllow=any"]
    drawn = {line.rpartition(":")[2] for line in internet if line.startswith("SocketBindAllow=")}
    (port,) = drawn
    assert 20_000 <= int(port) < 60_000
    assert f"Environment=STELLAR_WIND_PIECES__PORT={port}" in internet
    clients(card, '[pieces]\nreach = "internet"\n')
    assert allowed.read_text().splitlines() == internet  # the same after the next start


@pytest.mark.parametrize("port", ['"20001"', '"20001\\nUser=root"', "70_000", "-1", "true", "20001.0", "[1]"])
def test_a_port_that_none_is_allows_nothing(port: str, card: Path) -> None:
    clients(card, f'[pieces]\nreach = "lan"\nport = {port}\n')
    written = (card / "run/systemd/system/stellar-wind-pieces.service.d/card.conf").read_text()
    assert written == "[Service]\n"


def test_what_the_services_keep_outlives_the_power() -> None:
    """Each folder of state of a unit is on the partition of the card that is written to."""
    lasting = (IMAGE / "card/etc/initramfs-tools/scripts/init-bottom/stellar-wind").read_text()
    (folders,) = re.findall(r"^for folder in (.+); do$", lasting, re.MULTILINE)
    made = (IMAGE / "image.sh").read_text()
    for unit in (ROOT / "deploy/systemd").glob("*.service"):
        for folder in re.findall(r"^StateDirectory=(\S+)$", unit.read_text(), re.MULTILINE):
            first = f"var/lib/{folder.partition('/')[0]}"
            assert first in folders.split()
            assert f'"$root/{first}"' in made


def test_a_password_on_the_card_is_for_the_box_alone(card: Path) -> None:
    (card / "etc/stellar-wind.toml").write_text("tempo = 60\n")
    (card / "boot/firmware/stellar-wind-mqtt-password").write_text("secret\n")
    (card / "bin/chgrp").write_text(f'#!/bin/sh\necho "$@" >>{card}/given\n')
    (card / "bin/chgrp").chmod(0o755)
    environ = os.environ | {"CARD_ROOT": str(card), "PATH": f"{card}/bin:{os.environ['PATH']}"}
    script = IMAGE / "card/usr/lib/stellar-wind/card"
    subprocess.run(["/bin/sh", str(script), "clients"], env=environ, check=True)
    password = card / "etc/stellar-wind-mqtt-password"
    assert (password.read_text(), password.stat().st_mode & 0o777) == ("secret\n", 0o640)
    assert (card / "given").read_text() == f"stellar-wind {password}\n"
