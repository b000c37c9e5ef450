# SPDX-License-Identifier: Apache-2.0
"""The box under a systemd of its own, without a network, a sound card or a panel: `make nspawn-test`."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.machine import ROOT, Machine, missing
from tests.deploy.releases import newer

SYSTEM = os.environ.get("WIND_TEST_SYSTEM", "")
PLAYER, LISTENER = "stellar-wind.service", "stellar-wind-listener@*.service"

pytestmark = pytest.mark.skipif(
    not SYSTEM or bool(missing()), reason=missing() or "`make nspawn-test` runs it: it takes minutes"
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"), Path(SYSTEM))
    made = machine.play("site.yml")
    assert made.failed == 0, made.said
    # A trial of minutes, in seconds: the same script.
    short = machine.folder / "etc/systemd/system/stellar-wind-trial.service.d/short.conf"
    short.parent.mkdir()
    short.write_text("[Service]\nEnvironment=STELLAR_WIND_TRIAL=150 STELLAR_WIND_PLAYED=5\n")
    # The door by which the role came in; a card has it masked, too.
    for unit in ("ssh.service", "ssh.socket"):
        (machine.folder / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (machine.folder / "etc/systemd/system" / unit).symlink_to("/dev/null")
    machine.boot()
    try:
        yield machine
    finally:
        machine.remove()


def pid(box: Machine) -> int:
    return int(box.show(PLAYER, "MainPID") or 0)


def plays(box: Machine) -> bool:
    return box.show(PLAYER, "ActiveState") == "active"


def listeners(box: Machine) -> list[int]:
    shown = box.ask(f"systemctl show --value -p MainPID '{LISTENER}'").split()
    return [int(each) for each in shown if each != "0"]


def test_it_plays_without_network_card_or_panel(box: Machine) -> None:
    box.until(lambda: plays(box))
    assert box.show(PLAYER, "StatusText")
    box.until(lambda: len(listeners(box)) == 1)


def test_nothing_listens_on_a_port(box: Machine) -> None:
    assert box.ask("ss -lntuH") == ""


def test_neither_can_do_what_it_need_not(box: Machine) -> None:
    box.until(lambda: plays(box) and listeners(box))
    for process in (pid(box), listeners(box)[0]):
        status = dict(
            line.split(":\t", 1)
            for line in box.ask(f"cat /proc/{process}/status").splitlines()
            if ":\t" in line
        )
        assert status["Uid"].split()[0] != "0"
        assert status["CapEff"] == "0" * 16
        assert status["CapBnd"] == "0" * 16
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        inside = f"nsenter -t {process} -m"
        for folder in ("/etc", "/opt/stellar-wind", "/usr", "/var/lib"):
            assert "Read-only" in box.ask(f"{inside} touch {folder}/x 2>&1 || :")
        assert box.ask(f"{inside} ls -A /root /home /boot /var/log 2>&1 | grep -v : || :") == ""
    assert box.ask(f"nsenter -t {pid(box)} -n ip -brief address | grep -v ^lo || :") == ""
    assert box.ask(f"nsenter -t {listeners(box)[0]} -m ls /dev/snd 2>&1 || :").endswith(
        "No such file or directory"
    )


def test_nothing_has_died_where_the_player_is_told_to_end(box: Machine) -> None:
    """It sees out its listener itself, which systemd would otherwise end beside it."""
    box.until(lambda: plays(box) and listeners(box))
    first = pid(box)
    box.ask(f"systemctl restart {PLAYER}")
    said = box.ask(f"journalctl --output=cat _PID={first}")
    assert "Playing" in said
    assert "has died" not in said
    box.until(lambda: plays(box) and len(listeners(box)) == 1)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_player_that_dies_or_hangs_is_replaced(box: Machine, signal: str) -> None:
    box.until(lambda: plays(box))
    first = pid(box)
    box.ask(f"kill -{signal} {first}")
    box.until(lambda: plays(box) and pid(box) not in (0, first))
    assert box.ask(f"test -e /proc/{first} || echo gone") == "gone"
    box.until(lambda: len(listeners(box)) == 1)  # the old player's went with it


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_listener_that_dies_or_hangs_is_replaced(box: Machine, signal: str) -> None:
    box.until(lambda: plays(box) and listeners(box))
    player, first = pid(box), listeners(box)[0]
    box.ask(f"kill -{signal} {first}")
    box.until(lambda: listeners(box) and first not in listeners(box), 240)
    assert pid(box) == player  # and the music played on


def test_a_wrong_setting_is_said_and_not_tried_again(box: Machine) -> None:
    settings = box.folder / "etc/stellar-wind.toml"
    good = settings.read_text()
    settings.write_text("tempo = 999\n" + good)
    box.ask(f"systemctl restart {PLAYER}", check=False)
    box.until(lambda: box.show(PLAYER, "ActiveState") == "failed")
    assert box.show(PLAYER, "ExecMainStatus") == "78"
    assert "from 30 to 180" in box.ask(f"systemctl status {PLAYER}", check=False)
    settings.write_text(good)
    box.ask(f"systemctl restart {PLAYER}")
    assert plays(box)


def test_a_box_that_does_not_play_is_no_success(box: Machine) -> None:
    """Also where no release is on trial, as at first."""
    silent = box.folder / f"etc/systemd/system/{PLAYER}.d/silent.conf"
    silent.parent.mkdir(exist_ok=True)
    silent.write_text("[Service]\nExecStart=\nExecStart=/bin/sh -c 'exit 78'\n")
    box.ask(f"systemctl daemon-reload && systemctl stop {PLAYER}")
    rolled = box.play("site.yml")
    silent.unlink()
    box.ask(f"systemctl daemon-reload && systemctl start {PLAYER}")
    assert rolled.failed == 1
    assert "failed" in rolled.said
    box.until(lambda: plays(box))


# --- the processes beside the player

PAGE, MQTT, PIECES = "stellar-wind-page.service", "stellar-wind-mqtt.service", "stellar-wind-pieces.service"
PORT = 20_017  # of the pieces
CARD = ROOT / "deploy/image/card/usr/lib/stellar-wind/card"


@pytest.fixture
def broker(box: Machine, tmp_path: Path) -> Iterator[Path]:
    """An MQTT broker of this computer in the network of the container; the path of its log."""
    if not (mosquitto := shutil.which("mosquitto")):
        pytest.skip("needs mosquitto")
    log, settings = tmp_path / "broker.log", tmp_path / "broker.conf"
    settings.write_text(
        f"user root\nlistener 1883 127.0.0.1\nallow_anonymous true\nlog_type all\nlog_dest file {log}\n"
    )
    command = ["nsenter", "-t", str(box.leader), "-n", mosquitto, "-c", str(settings)]
    with subprocess.Popen(command) as process:
        try:
            yield log
        finally:
            process.terminate()


def ports(box: Machine) -> set[str]:
    """What listens beside the broker, as "tcp 8017"."""
    lines = [line.split() for line in box.ask("ss -lntuH").splitlines()]
    return {f"{line[0]} {line[4].rpartition(':')[2]}" for line in lines} - {"tcp 1883"}


def clients_work(box: Machine, broker: Path) -> None:
    """The page answers, the broker hears the box, and the pieces have their one port."""
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8017/').status)"
    box.until(lambda: box.ask(f'python3 -c "{fetch}" 2>/dev/null || :') == "200")
    box.until(lambda: box.show(MQTT, "StatusText").startswith("Connected"))
    box.until(lambda: "PUBLISH" in broker.read_text())
    box.until(lambda: f"port {PORT}" in box.ask("stellar-wind piece status 2>&1 || :"))
    # Besides: local service discovery of the pieces, on 6771.
    expected = {"tcp 8017", f"tcp {PORT}", f"udp {PORT}"}
    box.until(lambda: expected <= ports(box) <= expected | {"udp 6771"})
    for unit in (PAGE, MQTT, PIECES):
        assert box.show(unit, "NRestarts") == "0"


def clients_are_off(box: Machine) -> bool:
    states = [box.show(unit, "ActiveState") for unit in (PAGE, MQTT, PIECES)]
    return states == ["inactive"] * 3 and not ports(box)


def test_the_settings_file_of_a_card_switches_them_on(box: Machine, broker: Path) -> None:
    """With the card's own script and the first partition as a folder: no other file says that they are wanted."""
    box.until(lambda: plays(box))
    assert clients_are_off(box)
    settings, script = box.folder / "etc/stellar-wind.toml", box.folder / "usr/lib/stellar-wind/card"
    before, first = settings.read_text(), box.folder / "boot/firmware/stellar-wind.toml"
    first.parent.mkdir(parents=True, exist_ok=True)
    script.parent.mkdir()
    shutil.copy(CARD, script)
    first.write_text(
        '[page]\nlisten = ":8017"\n[mqtt]\nserver = "mqtt://127.0.0.1"\n'
        f'[pieces]\nreach = "lan"\nport = {PORT}\n'
    )
    try:
        box.ask(
            f"/usr/lib/stellar-wind/card take && systemctl restart {PLAYER} && /usr/lib/stellar-wind/card clients"
        )
        clients_work(box, broker)
        # The role leaves on what the card's file has switched on, although its own variables do not.
        kept = box.play("site.yml")
        assert kept.failed == 0, kept.said
        assert box.show(PAGE, "ActiveState") == "active"
    finally:
        box.ask(
            f"systemctl stop {PAGE} {MQTT} {PIECES}; rm -r /run/systemd/system/{PIECES}.d; systemctl daemon-reload"
        )
        shutil.rmtree(script.parent)
        first.unlink()
        settings.write_text(before)
        (box.folder / "etc/stellar-wind.taken.toml").unlink()
        box.ask(f"systemctl restart {PLAYER}")


def test_the_role_switches_them_on_and_off(box: Machine, broker: Path) -> None:
    box.until(lambda: plays(box))
    wanted = {
        "stellar_wind_page": True,
        "stellar_wind_mqtt": "mqtt://127.0.0.1",
        "stellar_wind_pieces": "lan",
        "stellar_wind_pieces_port": PORT,
    }
    on = box.play("site.yml", **wanted)
    assert on.failed == 0, on.said
    clients_work(box, broker)
    assert box.ask(f"systemctl is-enabled {PAGE} {MQTT} {PIECES}").split() == ["enabled"] * 3
    again = box.play("site.yml", **wanted)
    assert (again.failed, again.changed) == (0, 0), again.said
    off = box.play("site.yml")
    assert off.failed == 0, off.said
    box.until(lambda: clients_are_off(box))
    assert not (box.folder / f"etc/systemd/system/{PIECES}.d/box.conf").exists()
    box.until(lambda: plays(box))


# --- releases


def current(box: Machine) -> str:
    return box.ask("readlink /opt/stellar-wind/current")


def test_a_new_release_is_rolled_out(box: Machine, tmp_path: Path) -> None:
    old = current(box)
    rolled = box.play("site.yml", stellar_wind_releases=newer(tmp_path, "trixie-amd64"))
    assert rolled.failed == 0, rolled.said
    assert current(box) != old
    assert box.ask("readlink /opt/stellar-wind/previous") == old
    assert plays(box)


def test_a_bad_release_rolls_itself_back(box: Machine, tmp_path: Path) -> None:
    old, settings = current(box), box.folder / "etc/stellar-wind.toml"
    before = settings.read_text()
    bad = newer(
        tmp_path, "trixie-amd64", "\n\nBox.run = lambda *_, **__: exit(1)  # it ends before a sound is out\n"
    )
    # Meanwhile the owner edits the settings: like an editor, sed puts another file in their place.
    edit = "sed -i '$ a # edited' /etc/stellar-wind.toml"
    edit = f"until systemctl is-active -q stellar-wind-trial; do sleep 0.1; done; {edit}"
    box.ask(f"systemd-run sh -c {shlex.quote(edit)}")
    rolled = box.play("site.yml", stellar_wind_releases=bad, stellar_wind_settings={"scene": "night"})
    assert rolled.failed == 1
    assert "did not play" in rolled.said
    assert current(box) == old
    assert settings.read_text() == before
    box.until(lambda: plays(box))
    assert "trouble" not in box.show(PLAYER, "StatusText")  # not in safe mode: the crashes were not its own


def test_a_power_cut_in_the_middle_of_a_trial(box: Machine) -> None:
    """The trial is taken up again with the next start, and a release that does not play is left."""
    old = current(box)
    box.ask(f"cp -a /opt/stellar-wind/{old} /opt/stellar-wind/releases/bad")
    box.ask("printf '#!/bin/sh\\nexit 1\\n' >/tmp/bad; rm /opt/stellar-wind/releases/bad/bin/python")
    box.ask("install -m 755 /tmp/bad /opt/stellar-wind/releases/bad/bin/python")
    box.ask("stellar-wind-release use bad")
    box.halt()
    box.boot()
    assert current(box) == "releases/bad"
    box.until(lambda: current(box) == old, 240)
    box.until(lambda: plays(box))


def test_who_may_play_may_ask_for_the_power_to_go_off(box: Machine) -> None:
    box.until(lambda: plays(box))
    uid = box.ask(f"stat -c %u /proc/{pid(box)}")
    leader = box.leader
    box.ask(f"setpriv --reuid={uid} --clear-groups touch /run/stellar-wind/power-off")
    box.until(lambda: not Path(f"/proc/{leader}").exists(), 60)
    box.leader = 0
