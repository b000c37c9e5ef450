# SPDX-License-Identifier: Apache-2.0
"""The card in an emulated computer, read and changed over ssh, by the role and by new releases: `make image-test`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.emulator import IMAGE, USER_DATA, Guest, missing
from tests.deploy.machine import show
from tests.deploy.releases import newer

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A card whose owner has set a name, an account and ssh, with its sound muted."""
    guest = Guest(tmp_path_factory.mktemp("guest"), Path(IMAGE), {"user-data": USER_DATA})
    try:
        guest.boot(muted=True)
        guest.until(guest.opens)
        yield guest
    finally:
        guest.cut()


def test_the_owners_files_count(guest: Guest) -> None:
    assert guest.ask("hostname") == "attic"
    assert guest.ask("getent passwd debian || echo none") == "none"
    assert guest.ask("cut -d: -f2 /etc/shadow | grep -v '^[*!][*!]*$' || echo none") == "none"
    listening = guest.ask("ss -lntuH").splitlines()
    assert [line for line in listening if ":22 " not in line] == []


def test_the_root_is_only_read(guest: Guest) -> None:
    assert guest.ask("findmnt -no FSTYPE /") == "overlay"
    assert "ro" in guest.ask("findmnt -no OPTIONS /media/root-ro").split(",")
    assert "ro" in guest.ask("findmnt -no OPTIONS /boot/firmware").split(",")
    assert guest.ask("findmnt -no FSTYPE /var/lib/stellar-wind") == "overlay"
    assert guest.ask("systemctl --failed --no-legend") == ""


def test_what_lasts_has_the_rest_of_the_card(guest: Guest) -> None:
    guest.until(lambda: int(guest.ask("findmnt -bno SIZE /media/state")) > 2 << 30)


def test_the_sound_is_before_the_network(guest: Guest) -> None:
    guest.until(lambda: guest.ask("systemctl is-system-running", check=False) in ("running", "degraded"))
    chain = guest.ask("systemd-analyze critical-chain --no-pager stellar-wind.service")
    show(chain)
    assert "network" not in chain.lower()
    assert "cloud" not in chain
    stamps = "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic"
    begun, active = sorted(
        int(line.split("=")[1])
        for line in guest.ask(f"systemctl show -p {stamps} stellar-wind.service").splitlines()
    )
    wired = int(guest.ask("systemctl show --value -p InactiveExitTimestampMonotonic NetworkManager"))
    show(f"from the player's start to its first sound {(active - begun) / 1e6:.1f} s, emulated")
    show(guest.ask("systemd-analyze time"))
    assert active < wired


def test_this_machine_has_left_nothing_on_it(guest: Guest) -> None:
    assert (
        guest.ask("ls -d /media/root-ro$(echo ~root)/.ssh /media/root-ro/etc/ssh/ssh_host_* 2>/dev/null || :")
        == ""
    )
    assert guest.ask("stat -c %s /media/root-ro/etc/machine-id") == "0"
    sources = guest.ask("cat /etc/apt/sources.list.d/* | sed -n 's/^URIs: //p'").split()
    named = guest.ask("sed -n 's/^ *primary: //p; s/^ *security: //p' /etc/cloud/cloud.cfg").split()
    assert sources == named
    for paper in ("packages.txt", "sbom.cdx.json", "licences.md", "source-offer.txt", "LICENSE"):
        assert int(guest.ask(f"stat -c %s /usr/share/doc/stellar-wind/{paper}")) > 100


def test_the_role_has_nothing_to_change(guest: Guest) -> None:
    again = guest.play("site.yml")
    assert (again.failed, again.changed) == (0, 0), again.said


def test_a_new_release_is_rolled_out_and_outlives_the_power(guest: Guest, tmp_path: Path) -> None:
    old = guest.ask("readlink /opt/stellar-wind/current")
    rolled = guest.play("site.yml", stellar_wind_releases=newer(tmp_path, "trixie-arm64"))
    assert rolled.failed == 0, rolled.said
    new = guest.ask("readlink /opt/stellar-wind/current")
    assert new != old
    guest.ask("sync")
    guest.cut()
    guest.boot(muted=True)
    guest.until(guest.opens)
    assert guest.ask("readlink /opt/stellar-wind/current") == new
    guest.until(guest.plays)


def test_a_bad_release_rolls_itself_back(guest: Guest, tmp_path: Path) -> None:
    old = guest.ask("readlink /opt/stellar-wind/current")
    # A trial of minutes, in less: the same script.
    guest.ask(
        "mkdir -p /etc/systemd/system/stellar-wind-trial.service.d && "
        "printf '[Service]\\nEnvironment=STELLAR_WIND_TRIAL=60\\n' "
        ">/etc/systemd/system/stellar-wind-trial.service.d/short.conf && systemctl daemon-reload"
    )
    bad = newer(
        tmp_path, "trixie-arm64", "\n\nBox.run = lambda *_, **__: exit(1)  # it ends before a sound is out\n"
    )
    rolled = guest.play("site.yml", stellar_wind_releases=bad)
    assert rolled.failed == 1
    assert "did not play" in rolled.said
    assert guest.ask("readlink /opt/stellar-wind/current") == old
    guest.until(lambda: guest.ask("systemctl is-active stellar-wind", check=False) == "active")
    assert "trouble" not in guest.ask("systemctl show --property=StatusText stellar-wind")  # not in safe mode
    guest.cut()
