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
    """No pattern reaches what the role brings or what the licences ask for."""
    for line in (IMAGE / "not-on-a-card.txt").read_text().splitlines():
        if not line.startswith("#"):
            assert re.match(r"(boot|etc/(default|initramfs|kernel)|usr/(lib|share))/\S+$", line), line
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


@pytest.mark.parametrize(
    ("settings", "started"),
    [
        ("tempo = 60\n", ""),
        ("[page]\nsteer = true\n", ""),
        ('[page]\nlisten = ""\n', ""),
        ('[page] # the box in a browser\nlisten = ":8017"\n', "start --no-block stellar-wind-page.service\n"),
        ('[mqtt]\nserver = "mqtt://192.168.0.2"\n', "start --no-block stellar-wind-mqtt.service\n"),
        (
            '[mqtt]\nserver = "mqtt://a"\n[page]\nlisten = ":1"\n',
            "start --no-block stellar-wind-page.service stellar-wind-mqtt.service\n",
        ),
        ('[page\nlisten = ":8017"\n', ""),  # the player says what is wrong
    ],
)
def test_the_settings_of_a_card_start_the_page(settings: str, started: str, card: Path) -> None:
    (card / "etc/stellar-wind.toml").write_text(settings)
    (card / "bin/systemctl").write_text(f'#!/bin/sh\necho "$@" >>{card}/started\n')
    (card / "bin/systemctl").chmod(0o755)
    environ = os.environ | {"CARD_ROOT": str(card), "PATH": f"{card}/bin:{os.environ['PATH']}"}
    script = IMAGE / "card/usr/lib/stellar-wind/card"
    subprocess.run(["/bin/sh", str(script), "clients"], env=environ, check=False, capture_output=True)
    record = card / "started"
    assert (record.read_text() if record.exists() else "") == started


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
