# SPDX-License-Identifier: Apache-2.0
"""The role, on a Debian system in a folder: `make ansible-test`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.machine import Machine, missing

SYSTEM = os.environ.get("WIND_TEST_SYSTEM", "")

pytestmark = pytest.mark.skipif(
    not SYSTEM or bool(missing()), reason=missing() or "`make ansible-test` runs it: it takes minutes"
)

FILES = ("etc", "opt", "usr/local", "boot", "var/lib/stellar-wind")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"), Path(SYSTEM))
    yield machine
    machine.remove()


def files(machine: Machine) -> set[str]:
    """Everything in the places that the role writes to."""
    places = [machine.folder / place for place in FILES]
    return {str(file.relative_to(machine.folder)) for place in places for file in place.rglob("*")}


def test_from_nothing_to_a_box_and_back(machine: Machine) -> None:
    before = files(machine)
    looked = machine.play("site.yml", "--check", "--diff")
    assert looked.failed == 0, looked.said
    assert files(machine) == before

    (machine.folder / "boot" / "firmware").mkdir()
    config = machine.folder / "boot" / "firmware" / "config.txt"
    config.write_text("# somebody's own\ndtparam=audio=on\n")
    made = machine.play("site.yml")
    assert (made.failed, made.changed > 10) == (0, True), made.said
    release = (machine.folder / "opt/stellar-wind/current").readlink()
    installed = machine.folder / "opt/stellar-wind" / release
    assert (installed / "bin/stellar-wind").exists()
    packages = {file.name.partition("-")[0] for file in installed.glob("lib/python3.*/site-packages/*")}
    assert packages >= {"appliance", "pyo"}
    assert not packages & {"pip", "setuptools", "wheel"}  # needed only to build and to install it
    assert "dtparam=spi=on" in config.read_text()
    assert config.read_text().startswith("# somebody's own\n")
    wanted = machine.folder / "etc/systemd/system/multi-user.target.wants/stellar-wind.service"
    assert wanted.is_symlink()

    again = machine.play("site.yml")
    assert (again.failed, again.changed) == (0, 0), again.said
    checked = machine.play("site.yml", "--check")
    assert (checked.failed, checked.changed) == (0, 0), checked.said


def test_what_is_asked_for_is_what_changes(machine: Machine) -> None:
    config = machine.folder / "boot" / "firmware" / "config.txt"
    other = machine.play(
        "site.yml",
        stellar_wind_knobs="encoders",
        stellar_wind_dac="hifiberry-dac",
        stellar_wind_card="sysdefault",
    )
    assert (other.failed, other.changed) == (0, 3), other.said
    assert "dtparam=spi=on" not in config.read_text()
    assert "dtoverlay=hifiberry-dac" in config.read_text()
    assert "enable_headphones=0" in (machine.folder / "etc/modprobe.d/stellar-wind.conf").read_text()
    settings = (machine.folder / "etc/stellar-wind.toml").read_text()
    assert 'knobs = "encoders"' in settings
    assert 'device = "sysdefault"' in settings


def test_a_wrong_setting_does_not_reach_the_box(machine: Machine) -> None:
    settings = (machine.folder / "etc/stellar-wind.toml").read_text()
    wrong = machine.play("site.yml", "-e", '{"stellar_wind_settings": {"tempo": 999}}')
    assert wrong.failed == 1
    assert "from 30 to 180" in wrong.said
    assert (machine.folder / "etc/stellar-wind.toml").read_text() == settings


def test_debian_makes_config_txt_of_another_file(machine: Machine) -> None:
    """Whatever stands in config.txt there is overwritten with the next kernel; on Raspberry Pi OS it is what counts."""
    (machine.folder / "etc/default/raspi-firmware").write_text("#\n")
    issue, line = machine.folder / "etc/rpi-issue", machine.folder / "boot/firmware/cmdline.txt"
    issue.write_text("Raspberry Pi reference\n")
    line.write_text("console=tty1 rootwait\n")
    assert machine.play("site.yml").failed == 0
    assert not (machine.folder / "etc/default/raspi-firmware-custom").exists()
    assert line.read_text() == "console=tty1 rootwait cgroup_enable=memory\n"
    assert machine.play("site.yml").changed == 0
    issue.unlink()

    made = machine.folder / "etc/kernel/postinst.d/z50-raspi-firmware"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(
        '#!/bin/sh\n[ "$DEB_MAINT_PARAMS" = configure ] || exit 0\n'
        "cat /etc/default/raspi-firmware-custom >/boot/firmware/config.txt\n"
    )
    made.chmod(0o755)
    debian = machine.play("site.yml")
    assert debian.failed == 0, debian.said
    assert "dtparam=spi=on" in (machine.folder / "etc/default/raspi-firmware-custom").read_text()
    assert "dtparam=spi=on" in (machine.folder / "boot/firmware/config.txt").read_text()
    assert machine.play("site.yml").changed == 0


def test_removal_leaves_nothing_of_ours(machine: Machine) -> None:
    removed = machine.play("remove.yml")
    assert removed.failed == 0, removed.said
    assert [file for file in files(machine) if "stellar-wind" in file] == []
    assert "Stellar Wind" not in (machine.folder / "boot/firmware/config.txt").read_text()
    assert machine.play("remove.yml").changed == 0
