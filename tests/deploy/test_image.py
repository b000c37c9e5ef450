# SPDX-License-Identifier: Apache-2.0
"""The card itself, booted in an emulated computer, heard, touched and cut off: `make image-test`."""

import asyncio
import json
import os
import random
import re
import shlex
import shutil
import socket
import sys
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.emulator import USER_DATA, Guest, missing
from tests.deploy.heard import heard, recorded
from tests.deploy.releases import newer
from tests.support.artists import Artist
from tests.support.mosquitto import PASSWORD, USER, Mosquitto
from tests.support.torrent_client import fetch

IMAGE = os.environ.get("WIND_TEST_IMAGE", "")
BOARD = os.environ.get("WIND_TEST_BOARD", "virt")
CUTS = 20

pytestmark = pytest.mark.skipif(
    not IMAGE or bool(missing()), reason=missing() or "`make image-test` runs it: it takes an hour"
)
on_virt = pytest.mark.skipif(BOARD != "virt", reason="`make image-test` runs it on QEMU's own board")
# The tests that share a guest run one after another, in one process; other tests run beside them.
as_delivered = pytest.mark.xdist_group("as delivered")
with_ssh = pytest.mark.xdist_group("with ssh")
on_pi3 = pytest.mark.skipif(BOARD != "raspi3b", reason="`make image-test-raspi3b` runs it")


def show(what: str) -> None:
    """Print a line that `make` shows: of a test's process it shows only the error output."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201


# --- the card as it is written


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """An unchanged card, in a board without a panel."""
    guest = Guest(tmp_path_factory.mktemp("fresh"), Path(IMAGE))
    try:
        guest.boot(lasting=False)
        yield guest
    finally:
        guest.cut()


@on_virt
@as_delivered
def test_it_plays_without_network_and_without_a_question(fresh: Guest) -> None:
    began = time.monotonic()
    fresh.until(fresh.plays)
    show(f"playing {time.monotonic() - began:.0f} s after power-on, emulated")
    assert "Started NetworkManager" not in fresh.said().split("Started stellar-wind.service")[0]


@on_virt
@as_delivered
def test_what_it_plays_is_music(fresh: Guest) -> None:
    fresh.until(fresh.played)
    began = fresh.played()
    fresh.until(lambda: fresh.played() > began + 30 * 48_000 * 4)
    # The chime and the first breaths are over.
    found = heard(recorded(fresh.sound, began + 10 * 48_000 * 4))
    show(f"heard: {found}")
    assert -45 < found.level < -12
    assert found.silent < 0.5
    assert found.in_scale > 0.8


@on_virt
@as_delivered
def test_no_port_is_open(fresh: Guest) -> None:
    """Its ssh is off: who connects is turned away at once."""
    fresh.until(lambda: "Started NetworkManager" in fresh.said())
    fresh.until(lambda: "Finished stellar-wind-card" in fresh.said())
    with socket.create_connection(("127.0.0.1", fresh.port), 60) as knock:
        knock.settimeout(60)
        with suppress(ConnectionResetError):
            assert knock.recv(64) == b""
    fresh.cut()  # music costs an emulated computer half of this machine


# --- with the owner's files


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A card to which its owner has given a name, an account and an open door."""
    guest = Guest(tmp_path_factory.mktemp("guest"), Path(IMAGE), {"user-data": USER_DATA})
    try:
        guest.boot()
        guest.until(guest.opens)
        yield guest
    finally:
        guest.cut()


@on_virt
@with_ssh
def test_the_owners_files_count(guest: Guest) -> None:
    assert guest.ask("hostname") == "attic"
    assert guest.ask("getent passwd debian || echo none") == "none"
    assert guest.ask("cut -d: -f2 /etc/shadow | grep -v '^[*!][*!]*$' || echo none") == "none"
    listening = guest.ask("ss -lntuH").splitlines()
    assert [line for line in listening if ":22 " not in line] == []


@on_virt
@with_ssh
def test_the_root_is_only_read(guest: Guest) -> None:
    assert guest.ask("findmnt -no FSTYPE /") == "overlay"
    assert "ro" in guest.ask("findmnt -no OPTIONS /media/root-ro").split(",")
    assert "ro" in guest.ask("findmnt -no OPTIONS /boot/firmware").split(",")
    assert guest.ask("findmnt -no FSTYPE /var/lib/stellar-wind") == "overlay"
    assert guest.ask("systemctl --failed --no-legend") == ""


@on_virt
@with_ssh
def test_what_lasts_has_the_rest_of_the_card(guest: Guest) -> None:
    guest.until(lambda: int(guest.ask("findmnt -bno SIZE /media/state")) > 2 << 30)


@on_virt
@with_ssh
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


@on_virt
@with_ssh
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


@on_virt
@with_ssh
def test_the_role_has_nothing_to_change(guest: Guest) -> None:
    again = guest.play("site.yml")
    assert (again.failed, again.changed) == (0, 0), again.said


@on_virt
@with_ssh
def test_a_new_release_is_rolled_out_and_outlives_the_power(guest: Guest, tmp_path: Path) -> None:
    old = guest.ask("readlink /opt/stellar-wind/current")
    rolled = guest.play("site.yml", stellar_wind_releases=newer(tmp_path, "trixie-arm64"))
    assert rolled.failed == 0, rolled.said
    new = guest.ask("readlink /opt/stellar-wind/current")
    assert new != old
    guest.ask("sync")
    guest.cut()
    guest.boot()
    guest.until(guest.opens)
    assert guest.ask("readlink /opt/stellar-wind/current") == new
    guest.until(guest.plays)


@on_virt
@with_ssh
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
    guest.cut()


# --- a panel

# The board's eight pins; 3 is its power button.
PANEL = """
[panel]
knobs = "none"
hat = "none"

[panel.pins]
note_1 = 7
note_2 = 0
note_3 = 0
note_4 = 0
note_5 = 0
note_6 = 0
network_1 = 4
network_2 = 2
network_3 = 0
network_button = 5
mute_button = 6
"""


@on_virt
def test_a_button_is_pressed_and_a_lamp_is_seen(tmp_path: Path) -> None:
    """NETWORK goes on to the second network: its lamp lights, that of the first no more."""
    guest = Guest(tmp_path, Path(IMAGE), {"stellar-wind.toml": PANEL})
    try:
        guest.boot(lasting=False, pi=True)
        pins, chip = guest.pins(), guest.gpio()
        pins.ask(f"irq_intercept_out {chip}")
        for button in (5, 6):
            pins.ask(f"set_irq_in {chip} unnamed-gpio-in {button} 1")
        guest.until(guest.plays)

        def seen(seconds: float) -> set[int]:
            end, as_it_is = time.monotonic() + seconds, f"set_irq_in {chip} unnamed-gpio-in 6 1"
            pins.ask(as_it_is)  # edges come with an answer: these are of before
            pins.edges.clear()
            while time.monotonic() < end:
                pins.ask(as_it_is)
                time.sleep(0.2)
            return {pin for pin, up in pins.edges if up}

        guest.until(lambda: 4 in seen(5))
        before = seen(20)
        assert 4 in before
        assert 2 not in before

        def answered() -> bool:
            """Press it, and again if a late guest missed that, or had no network yet and says so by the first lamp."""
            for level in (0, 1):
                pins.ask(f"set_irq_in {chip} unnamed-gpio-in 5 {level}")
                time.sleep(0.5)
            time.sleep(5)  # the press itself is answered by a wink
            after = seen(20)
            show(f"lamps that lit before the press: {sorted(before)}, after it: {sorted(after)}")
            return 2 in after and 4 not in after

        guest.until(answered)
    finally:
        guest.cut()


@on_virt
def test_a_wrong_setting_is_told_on_the_card(tmp_path: Path) -> None:
    guest = Guest(tmp_path, Path(IMAGE), {"stellar-wind.toml": "tempo = 999\n"})
    try:
        guest.boot()
        guest.until(lambda: "Failed to start stellar-wind.service" in guest.said())
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        assert "from 30 to 180" in guest.read("stellar-wind-is-wrong.txt")
        guest.write("stellar-wind.toml", "tempo = 72\n")
        guest.boot()
        guest.until(guest.plays)
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        assert guest.read("stellar-wind-is-wrong.txt") == ""
        # Taken away they count no more: what stood in them may be what was wrong.
        guest.write("stellar-wind.toml", "tempo = 999\n")
        guest.boot()
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        guest.delete("stellar-wind.toml")
        guest.boot()
        guest.until(guest.plays)
    finally:
        guest.cut()


# --- the other processes

CLIENTS = {
    "user-data": USER_DATA,
    "stellar-wind-mqtt-password": PASSWORD,
    "stellar-wind.toml": f"""
[page]
listen = ":8017"

[mqtt]
server = "mqtt://127.0.0.1"
user = "{USER}"
password_file = "/etc/stellar-wind-mqtt-password"

[pieces]
reach = "lan"
""",
}


@on_virt
def test_the_cards_file_alone_switches_the_other_processes_on(tmp_path: Path) -> None:
    """A browser fetches the page, a broker hears the box, and a client of BitTorrent fetches a piece of it."""
    broker = Mosquitto(tmp_path)
    asyncio.run(broker.start())
    guest = Guest(tmp_path, Path(IMAGE), CLIENTS)

    def piece(*words: str) -> str:
        return guest.ask(f"stellar-wind piece {shlex.join(words)}")

    try:
        guest.boot(lasting=False)
        guest.until(guest.opens)
        guest.lend(broker.port, 1883)
        page = f"http://127.0.0.1:{guest.forward(8017)}/"

        def served() -> bool:
            with suppress(OSError), urllib.request.urlopen(page, timeout=60) as answer:
                return b"Stellar Wind" in answer.read()
            return False

        guest.until(served)
        topics = asyncio.run(_heard_by(broker, "/scene"))
        show(f"topics that the broker has heard: {topics}")

        guest.until(lambda: "Sharing (lan)" in guest.ask("stellar-wind piece status", check=False))
        artist = Artist()
        named = ("artist", "--account", artist.account, "--name", "Ada")
        sentence = next(line for line in piece(*named).splitlines() if line.startswith("Stellar Wind Box: "))
        piece(*named, "--certificate", artist.wallet_signs(sentence))
        kept = guest.ask("stellar-wind keep").split(": ")[0]
        piece("make", kept, "--title", "Evening", "-o", "evening.piece")
        piece("publish", "evening.piece")
        (published,) = json.loads(piece("list", "--json"))["feeds"][0]["pieces"]
        port = re.search(r"port (\d+)", piece("status"))
        assert port
        began = time.monotonic()
        assert fetch(published["torrent"], tmp_path / "fetched", "127.0.0.1", guest.forward(int(port[1])))
        show(f"fetched a piece of {published['bytes']} bytes in {time.monotonic() - began:.0f} s")
        (track,) = (tmp_path / "fetched").glob("piece/track-*.score.gz")
        assert track.read_bytes() == b64decode(guest.ask(f"base64 {kept}"))
    finally:
        guest.cut()
        broker.kill()


async def _heard_by(broker: Mosquitto, topic: str) -> int:
    """Wait until the broker has heard a topic that ends in this; the number of topics that it has then heard."""
    async with asyncio.timeout(1800), broker.home() as home:
        while not any(each.endswith(topic) for each in home.told):
            await asyncio.sleep(0.05)
        return len(home.told)


# --- the power

# Writes as the box does (beside, synced, renamed), as fast as the card lets it, and says how far it has come.
WRITER = """#cloud-config
write_files:
- path: /etc/systemd/system/writer.service
  content: |
    [Unit]
    DefaultDependencies=no
    After=local-fs.target
    [Service]
    ExecStart=/usr/bin/python3 /etc/writer.py
    StandardOutput=tty
    TTYPath=/dev/ttyAMA0
    [Install]
    WantedBy=sysinit.target
- path: /etc/writer.py
  content: |
    import os, pathlib
    state = pathlib.Path("/var/lib/stellar-wind/written")
    count = int(state.read_text()) if state.exists() else 0
    print(f"\\nfound {count}.", flush=True)
    while True:
        count += 1
        new = state.with_suffix(".new")
        with new.open("w") as file:
            file.write(str(count))
            file.flush()
            os.fsync(file.fileno())
        new.rename(state)
        folder = os.open(state.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        print(f"wrote {count}.", flush=True)
runcmd:
- systemctl enable --now writer.service
"""


@on_virt
def test_the_power_may_go_at_any_moment(tmp_path: Path) -> None:
    """What was said to be written is there after each cut, and every fifth time it is heard that it still plays."""
    guest = Guest(tmp_path, Path(IMAGE), {"user-data": WRITER})
    chance, written, found = random.Random(1), 0, []
    try:
        guest.boot()
        for cut in range(1, CUTS + 1):
            guest.until(lambda: re.search(r"wrote \d+\.", guest.said()))
            if cut == 1 or cut % 5 == 0:
                guest.until(lambda: guest.plays() and guest.played() > 5 * 48_000 * 4)
                assert heard(recorded(guest.sound)).silent < 1
            else:
                time.sleep(chance.uniform(0, 15))
            guest.cut()
            said = guest.said()
            if cut > 1:
                found.append(int(re.findall(r"found (\d+)\.", said)[-1]))
                assert found[-1] >= written
            written = int(re.findall(r"wrote (\d+)\.", said)[-1])
            guest.boot()
        guest.until(guest.plays)
        show(f"{CUTS} power cuts; found after each: {found}")
    finally:
        guest.cut()
        shutil.rmtree(tmp_path)


# --- the Pi 3


LEVELS = 0x3F200034  # GPLEV0: a bit for each of the pins 0 to 31
CLEAR, SET = 0x3F200028, 0x3F20001C
# snd_aloop has no speaker, so the box uses it only if the settings name it.
PI3 = """
[panel]
knobs = "none"

[sound]
device = "plughw:CARD=Loopback"
"""


@on_pi3
def test_it_is_a_pi_3_with_all_its_pins(tmp_path: Path) -> None:
    """Its own device tree and card reader; NETWORK, where the papers say it is, moves the light to the second lamp."""
    guest = Guest(tmp_path, Path(IMAGE), {"user-data": USER_DATA, "stellar-wind.toml": PI3})
    try:
        began = time.monotonic()
        guest.boot_pi3()
        pins = guest.pins()
        pins.ask(f"writel {SET:#x} {1 << 5 | 1 << 6:#x}")  # released
        guest.until(guest.plays)
        show(f"playing {time.monotonic() - began:.0f} s after power-on, emulated")

        def seen(seconds: float) -> set[str]:
            end, lit = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                lit |= int(pins.ask(f"readl {LEVELS:#x}"), 16)
                time.sleep(0.02)
            found = {name for name, pin in (("public", 13), ("test", 16), ("other", 26)) if lit >> pin & 1}
            show(f"network lamps that lit: {sorted(found)}")
            return found

        def answered() -> bool:
            for register in (CLEAR, SET):
                pins.ask(f"writel {register:#x} {1 << 5:#x}")
                time.sleep(0.5)
            time.sleep(5)  # the press itself is answered by a wink
            return seen(15) == {"test"}

        guest.until(lambda: seen(15) == {"public"})
        guest.until(answered)

        guest.until(guest.opens)
        assert "Raspberry Pi 3" in guest.ask("cat /proc/device-tree/model")
        assert guest.ask("findmnt -no FSTYPE /") == "overlay"
        assert "mmcblk0p3" in guest.ask("findmnt -no SOURCE /media/state")
        assert guest.ask("stat -c '%U:%G %a' /dev/spidev0.0 /dev/gpiochip0").split("\n") == [
            "root:spi 660",
            "root:gpio 660",
        ]
    finally:
        guest.cut()
