# SPDX-License-Identifier: Apache-2.0
"""The card in an emulated computer: its sound, buttons, lamps and settings, and power cuts: `make image-test`.

The tests over ssh are in test_image_ssh.py, which runs beside this file.
"""

import asyncio
import json
import os
import random
import re
import shlex
import shutil
import socket
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.emulator import IMAGE, USER_DATA, Guest, missing
from tests.deploy.heard import heard, recorded
from tests.deploy.machine import show
from tests.support.artists import Artist
from tests.support.mosquitto import PASSWORD, USER, Mosquitto
from tests.support.torrent_client import fetch

BOARD = os.environ.get("WIND_TEST_BOARD", "virt")
CUTS = 20

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
on_virt = pytest.mark.skipif(BOARD != "virt", reason="`make image-test` runs it on QEMU's own board")
on_pi3 = pytest.mark.skipif(BOARD != "raspi3b", reason="`make image-test-raspi3b` runs it")


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
def test_it_plays_without_network_and_without_a_question(fresh: Guest) -> None:
    began = time.monotonic()
    fresh.until(fresh.plays)
    show(f"playing {time.monotonic() - began:.0f} s after power-on, emulated")
    assert "Started NetworkManager" not in fresh.said().split("Started stellar-wind.service")[0]


@on_virt
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
def test_no_port_is_open(fresh: Guest) -> None:
    """Its ssh is off: who connects is turned away at once."""
    fresh.until(lambda: "Started NetworkManager" in fresh.said())
    fresh.until(lambda: "Finished stellar-wind-card" in fresh.said())
    with socket.create_connection(("127.0.0.1", fresh.port), 60) as knock:
        knock.settimeout(60)
        with suppress(ConnectionResetError):
            assert knock.recv(64) == b""
    fresh.cut()  # music costs an emulated computer half of this machine


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
        guest.boot(muted=True)
        guest.until(lambda: "Failed to start stellar-wind.service" in guest.said())
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        assert "from 30 to 180" in guest.read("stellar-wind-is-wrong.txt")
        guest.write("stellar-wind.toml", "tempo = 72\n")
        guest.boot(muted=True)
        guest.until(guest.plays)
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        assert guest.read("stellar-wind-is-wrong.txt") == ""
        # Taken away they count no more: what stood in them may be what was wrong.
        guest.write("stellar-wind.toml", "tempo = 999\n")
        guest.boot(muted=True)
        guest.until(lambda: "Finished stellar-wind-card" in guest.said())
        guest.cut()
        guest.delete("stellar-wind.toml")
        guest.boot(muted=True)
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
        guest.boot(lasting=False, muted=True)
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
WRITER = """
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
"""
UNIT = """
[Unit]
DefaultDependencies=no
After=local-fs.target
RequiresMountsFor=/boot/firmware
[Service]
ExecStart=/usr/bin/python3 /boot/firmware/writer.py
StandardOutput=tty
TTYPath=/dev/ttyAMA0
"""


@on_virt
def test_the_power_may_go_at_any_moment(tmp_path: Path) -> None:
    """What was said to be written is there after each cut, and every fifth time it is heard that it still plays."""
    guest = Guest(tmp_path, Path(IMAGE), {"writer.py": WRITER})
    chance, written, found = random.Random(1), 0, []
    try:
        for cuts in range(CUTS + 1):
            listened = cuts % 5 == 0 < cuts
            guest.boot(muted=not listened, unit=UNIT)
            guest.until(lambda: re.search(r"wrote \d+\.", guest.said()))
            if listened:
                guest.until(lambda: guest.plays() and guest.played() > 5 * 48_000 * 4)
                assert heard(recorded(guest.sound)).silent < 1
            else:
                time.sleep(chance.uniform(0, 15))
            guest.cut()
            found.append(int(re.findall(r"found (\d+)\.", guest.said())[-1]))
            assert found[-1] >= written
            written = int(re.findall(r"wrote (\d+)\.", guest.said())[-1])
        show(f"{CUTS} power cuts; found after each: {found[1:]}")
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
