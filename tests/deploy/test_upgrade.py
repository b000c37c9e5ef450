# SPDX-License-Identifier: Apache-2.0
"""A box of the first edition becomes one of now, over the role: `make nspawn-test`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.machine import ROOT, Machine, missing, sh
from tests.deploy.releases import newer

SYSTEM = os.environ.get("WIND_TEST_SYSTEM", "")
FIRST = (
    "7d44453"  # the last commit before settings and state were renamed: the first edition as it was delivered
)
PLAYER = "stellar-wind.service"
KNOWN = (
    subprocess.run(["git", "cat-file", "-e", FIRST], cwd=ROOT, capture_output=True, check=False).returncode
    == 0
)
OLD = {"sound": {"loudest": 0.6, "block": 1024}, "night": {"begins": "22:30"}}
NEW = {"sound": {"max_volume": 0.6, "block_size": 1024}, "night": {"start": "22:30"}}
CONTROLS = {"volume": 0.7, "tempo": 60.0, "network": "public", "scene": "wind"}
STATE = {
    "version": 1,
    "settings": CONTROLS,
    "controls": CONTROLS | {"volume": 0.4, "network": "testnet"},
    "heard": ["testnet", 59_000_000],
}

pytestmark = [
    pytest.mark.skipif(
        not SYSTEM or bool(missing()), reason=missing() or "`make nspawn-test` runs it: it takes minutes"
    ),
    pytest.mark.skipif(not KNOWN, reason=f"needs the history of the repository: {FIRST}"),
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the first edition, with a release of it that has the libraries of now."""
    folder = tmp_path_factory.mktemp("first")
    sh(f"git -C {ROOT} archive {FIRST} | tar -C {folder} -x")
    (release,) = (ROOT / "build/releases").glob("stellar-wind-*-trixie-amd64.tar")
    sh(f"tar -C {folder} -xf {release} && rm {folder}/wheels/stellar_wind_box-*.whl")
    (setuptools,) = (ROOT / "build/wheels/trixie-amd64").glob("setuptools-*.whl")
    sh(f"python3 -m zipfile -e {setuptools} {folder}/setuptools")
    sh(
        f"cd {folder} && PYTHONPATH={folder}/setuptools {sys.executable} -m pip wheel --quiet --no-deps "
        f"--no-build-isolation -w wheels ."
    )
    (wheel,) = (folder / "wheels").glob("stellar_wind_box-*.whl")
    asked = folder / "wheels" / "requirements.txt"
    lines = [line for line in asked.read_text().splitlines() if not line.startswith("stellar_wind_box")]
    digest = sh(f"sha256sum {wheel}").split()[0]
    asked.write_text("\n".join([*lines, f"stellar_wind_box==0.1.0 --hash=sha256:{digest}"]) + "\n")
    (folder / "build/releases").mkdir(parents=True)
    sh(f"tar -C {folder} --create --file {folder}/build/releases/stellar-wind-0.1.0-trixie-amd64.tar wheels")
    return folder


@pytest.fixture(scope="module")
def box(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A box of the first edition that plays, with settings and a saved state of its own."""
    machine = Machine(tmp_path_factory.mktemp("machine"), Path(SYSTEM))
    # The old role takes the release from the folder beside it.
    made = machine.play(str(first / "deploy/ansible/site.yml"), stellar_wind_settings=OLD)
    assert made.failed == 0, made.said
    short = machine.folder / "etc/systemd/system/stellar-wind-trial.service.d/short.conf"
    short.parent.mkdir()
    short.write_text("[Service]\nEnvironment=STELLAR_WIND_TRIAL=150 STELLAR_WIND_PLAYED=5\n")
    state = machine.folder / "var/lib/stellar-wind/state.json"
    state.parent.mkdir(exist_ok=True)
    state.write_text(json.dumps(STATE))
    machine.boot()
    try:
        machine.ask("chown -R stellar-wind: /var/lib/stellar-wind")
        machine.ask(f"systemctl restart {PLAYER}")
        machine.until(lambda: plays(machine))
        yield machine
    finally:
        machine.remove()


def plays(box: Machine) -> bool:
    return box.show(PLAYER, "ActiveState") == "active"


def current(box: Machine) -> str:
    return box.ask("readlink /opt/stellar-wind/current")


def saved(box: Machine) -> dict[str, object]:
    found: dict[str, object] = json.loads(box.ask("cat /var/lib/stellar-wind/state.json"))
    return found


def test_an_old_name_is_told_before_anything_changes(box: Machine) -> None:
    before, settings = current(box), box.ask("cat /etc/stellar-wind.toml")
    assert "loudest" in settings
    refused = box.play("site.yml", stellar_wind_settings=OLD)
    assert refused.failed == 1
    for new in ("sound.max_volume", "sound.block_size", "night.start"):
        assert f"it is now {new}." in refused.said, refused.said
    assert current(box) == before
    assert box.ask("cat /etc/stellar-wind.toml") == settings
    assert box.show(PLAYER, "NeedDaemonReload") == "no"  # its unit is still the old one
    assert plays(box)


def test_the_first_edition_comes_back_if_the_new_one_does_not_play(box: Machine, tmp_path: Path) -> None:
    before, settings = current(box), box.ask("cat /etc/stellar-wind.toml")
    bad = newer(
        tmp_path, "trixie-amd64", "\n\nBox.run = lambda *_, **__: exit(1)  # it ends before a sound is out\n"
    )
    rolled = box.play("site.yml", stellar_wind_releases=bad, stellar_wind_settings=NEW)
    assert rolled.failed == 1
    assert "did not play" in rolled.said, rolled.said
    assert current(box) == before
    assert box.ask("cat /etc/stellar-wind.toml") == settings
    box.until(lambda: plays(box))  # with the units of now
    # Not in safe mode, and with the saved network: the crashes were not its own.
    assert box.show(PLAYER, "StatusText").startswith("testnet: ")
    assert "trouble" not in box.show(PLAYER, "StatusText")


def test_the_upgrade_takes_settings_and_state_over(box: Machine) -> None:
    # The bad release can have ended with a traceback: what it is just importing is replaced when it is taken back.
    before, start = current(box), box.ask("date +%s")
    rolled = box.play("site.yml", stellar_wind_settings=NEW)
    assert rolled.failed == 0, rolled.said
    assert current(box) != before
    assert box.ask("readlink /opt/stellar-wind/previous") == before
    assert plays(box)
    status = box.ask("stellar-wind status --json")
    assert json.loads(status)["network"] == "testnet", status
    box.ask(f"systemctl stop {PLAYER}")
    controls = saved(box)["controls"]
    assert isinstance(controls, dict)
    assert (controls["network"], controls["volume"]) == ("testnet", 0.4)
    assert "last_ledger" in saved(box)
    assert box.ask("ls /var/lib/stellar-wind").split().count("state.json.bad") == 0
    box.ask(f"systemctl start {PLAYER}")
    said = box.ask(f"journalctl --unit={PLAYER} --since=@{start}")
    assert "Traceback" not in said, said
    again = box.play("site.yml", stellar_wind_settings=NEW)
    assert (again.failed, again.changed) == (0, 0), again.said
