# SPDX-License-Identifier: Apache-2.0
"""The support file: what helps support, and no personal data."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.doctor.bundle import bundle
from appliance.doctor.finding import ok, wrong
from appliance.saved.replacing import CannotWrite
from appliance.settings import load
from tests.doctor.test_privacy import ACCOUNT, HASH, MINE, PEOPLE
from tests.support.patient import patient

SECRETS = (
    ACCOUNT,
    HASH,
    "ada",
    "Ada Lovelace",
    "engine",
    "Our Home",
    "lovelace",
    "10000000abcdef01",
    "192.168.1.17",
    "bXk6a2V5cw==",
    "k-1+2/3",
)
FINDINGS = [
    ok("settings", "3 from the file /srv/ada/box.toml; the rest are defaults."),
    wrong("server mine", "horizon.lovelace.example cannot be reached.", "Check the cable."),
]


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_it_holds_findings_settings_log_and_files_without_personal_data(tmp_path: Path) -> None:
    (config := tmp_path / "box.toml").write_text(MINE)
    files = {
        "/etc/hostname": "engine\n",
        "/etc/passwd": PEOPLE,
        "/etc/wpa_supplicant/wpa_supplicant.conf": 'ssid="Our Home"\n',
        "/proc/cpuinfo": "Model\t: Raspberry Pi 4\nSerial\t: 10000000abcdef01\n",
        "/proc/asound/cards": " 0 [DAC ]: USB-Audio - A DAC\n",
    }
    log = f"engine stellar-wind[7]: {ACCOUNT} paid, {HASH}, Our Home, from 192.168.1.17 by ada, k-1+2/3\n"
    machine = patient(tmp_path, files, {"journalctl": log})
    bundle(tmp_path / "x.zip", machine, load({}, {}, config), FINDINGS)
    texts = contents(tmp_path / "x.zip")
    assert set(texts) == {
        *("READ ME FIRST.txt", "doctor.txt", "doctor.json", "settings.toml", "log.txt"),
        *("computer/proc/cpuinfo", "computer/proc/asound/cards"),
    }
    everything = "\n".join(texts.values())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert (
        texts["log.txt"]
        == "<host> stellar-wind[7]: <account> paid, <hash>, <wi-fi>, from <address> by <user>, <header>\n\n"
    )
    assert "<server 1 of mine>" in texts["doctor.txt"]
    assert json.loads(texts["doctor.json"])["wrong"] == 1
    assert 'passphrase = "<passphrase>"' in texts["settings.toml"]
    assert "A DAC" in texts["computer/proc/asound/cards"]


def test_without_a_log_it_says_so(tmp_path: Path) -> None:
    bundle(tmp_path / "x.zip", patient(tmp_path), load({}, {}), FINDINGS)
    assert contents(tmp_path / "x.zip")["log.txt"].count("\n") <= 1


def test_a_file_that_cannot_be_written_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"/nowhere/x\.zip"):
        bundle(tmp_path / "nowhere/x.zip", patient(tmp_path), load({}, {}), FINDINGS)


def test_as_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config := tmp_path / "box.toml").write_text("")
    path = tmp_path / "x.zip"
    assert main(["doctor", "settings", "--config", str(config), "--bundle", str(path)]) == 0
    assert "doctor.json" in contents(path)
    assert str(path) in capsys.readouterr().out
