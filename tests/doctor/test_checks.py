# SPDX-License-Identifier: Apache-2.0
"""Each check, on computers that are healthy, faulty and unknown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from appliance.doctor.clients import mqtt, page
from appliance.doctor.computer import box, disk, installed, memory, power, service, temperature, versions
from appliance.doctor.examine import CHECKS, Check
from appliance.doctor.finding import Finding, Verdict
from appliance.doctor.instrument import panel, sound
from appliance.doctor.machine import Space, space
from appliance.doctor.surroundings import clock, network, recording
from appliance.ledger.tape import Header, Line, encode
from appliance.settings import load
from appliance.status import Status
from appliance.values import BoxState, Ledger
from tests.support.patient import NOW, patient
from tests.support.statuses import STATUS

HEADER = Header("public", "a test")
SETTINGS = load({}, {}).settings
THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"
HWMON = {"/sys/class/hwmon/hwmon0/name": "cpu_thermal\n", "/sys/class/hwmon/hwmon1/name": "rpi_volt\n"}
ALARM = "/sys/class/hwmon/hwmon1/in0_lcrit_alarm"
ZONE = "/sys/class/thermal/thermal_zone0/temp"
RUNNING = (
    "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts={}\nStatusText={}"
)


ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
LOCAL = "wlan0\t000200C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
OUT = "wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
OUT6 = f"{'0' * 32} 00 {'0' * 32} 00 {'f' * 32} 00000400 00000003 00000000 00000003     eth0\n"
LOOP6 = OUT6.replace("eth0", "  lo")
WIFI = "Inter-| sta-|   Quality        |\n face | tus | link level noise |\n wlan0: 0000   {}.  -56.  -256\n"


@pytest.mark.parametrize(
    ("check", "files", "programs", "verdict", "words"),
    [
        (network, {"/proc/self/net/route": ROUTES + LOCAL + OUT}, {}, "ok", "wlan0."),
        (network, {"/proc/self/net/route": ROUTES + LOCAL}, {}, "wrong", "no route"),
        (
            network,
            {"/proc/self/net/route": ROUTES, "/proc/self/net/ipv6_route": LOOP6 + OUT6},
            {},
            "ok",
            "eth0.",
        ),
        (
            network,
            {"/proc/self/net/route": ROUTES, "/proc/self/net/ipv6_route": LOOP6},
            {},
            "wrong",
            "no route",
        ),
        (
            network,
            {"/proc/self/net/route": OUT, "/proc/net/wireless": WIFI.format(54)},
            {},
            "ok",
            "54 of 70.",
        ),
        (
            network,
            {"/proc/self/net/route": OUT, "/proc/net/wireless": WIFI.format(17)},
            {},
            "note",
            "is weak: 17",
        ),
        (network, {}, {}, "", ""),
        (clock, {"/run/systemd/timesync/synchronized": ""}, {}, "ok", "2026-11-26 12:00 UTC, set by"),
        (clock, {}, {"timedatectl": "yes"}, "ok", "set by a time server"),
        (clock, {}, {"timedatectl": "no"}, "note", "not set by"),
        (clock, {}, {}, "ok", "is not known"),
        (power, {THROTTLED: "0\n"}, {}, "ok", "voltage"),
        (power, {THROTTLED: "0x50005\n"}, {}, "wrong", "voltage is too low"),
        (power, {THROTTLED: "0x50000\n"}, {}, "note", "was too low"),
        (power, {}, {"vcgencmd": "throttled=0x0"}, "ok", "voltage"),
        (power, {}, {"vcgencmd": "throttled=0x50005"}, "wrong", "voltage is too low"),
        (power, {**HWMON, ALARM: "0\n"}, {}, "ok", "voltage"),
        (power, {**HWMON, ALARM: "1\n"}, {}, "wrong", "voltage is too low"),
        (power, {}, {"vcgencmd": "error"}, "", ""),
        (power, {}, {}, "", ""),
        (temperature, {ZONE: "45200\n"}, {}, "ok", "45 °C"),
        (temperature, {ZONE: "71000\n"}, {}, "note", "71 °C; at 80"),
        (temperature, {ZONE: "83500\n", ZONE.replace("0", "1"): "1"}, {}, "wrong", "84 °C"),
        (temperature, {ZONE: "broken"}, {}, "", ""),
        (
            memory,
            {"/proc/meminfo": "MemTotal: 435000 kB\nMemAvailable: 210000 kB\n\n"},
            {},
            "ok",
            "205 of 424",
        ),
        (memory, {"/proc/meminfo": "MemTotal: 435000 kB\nMemAvailable: 21000 kB\n"}, {}, "note", "20 of 424"),
        (memory, {}, {}, "", ""),
        (service, {}, {}, "", ""),
        (service, {}, {"systemctl": "LoadState=not-found\nActiveState=inactive"}, "", ""),
        (service, {}, {"systemctl": RUNNING.format(0, "")}, "ok", "It runs."),
        (service, {}, {"systemctl": RUNNING.format(0, "public: live")}, "ok", "It runs: public: live."),
        (service, {}, {"systemctl": RUNNING.format(3, "public: live")}, "note", "restarted 3 times"),
        (
            service,
            {},
            {"systemctl": RUNNING.format(0, "public: trouble; on x")},
            "wrong",
            "safe mode",
        ),
        (
            service,
            {},
            {"systemctl": RUNNING.format(0, "x: live; ran dry 3 times")},
            "note",
            "ran dry 3 times.",
        ),
        (
            service,
            {},
            {"systemctl": "LoadState=loaded\nActiveState=failed\nResult=exit-code"},
            "wrong",
            "exit-code",
        ),
        (
            service,
            {},
            {"systemctl": "LoadState=loaded\nActiveState=inactive\nSubState=dead"},
            "note",
            "(dead)",
        ),
    ],
)
def test_a_check_sees_what_there_is(
    tmp_path: Path,
    check: Check,
    files: Mapping[str, str],
    programs: Mapping[str, str],
    verdict: str,
    words: str,
) -> None:
    found = list(check(patient(tmp_path, files, programs), SETTINGS))
    assert [finding.verdict for finding in found] == ([verdict] if verdict else [])
    for finding in found:
        assert words in finding.says
        assert bool(finding.advice) is (finding.verdict is not Verdict.OK)


@pytest.mark.parametrize("now", [0.0, NOW - 366 * 86400, 2**32 - 1.0])
def test_an_impossible_date_is_wrong_even_if_it_was_set(tmp_path: Path, now: float) -> None:
    (found,) = clock(patient(tmp_path, {}, {"timedatectl": "yes"}, now=now), SETTINGS)
    assert found.verdict is Verdict.WRONG
    assert "impossible" in found.says


def test_versions_name_board_system_and_packages(tmp_path: Path) -> None:
    files = {
        "/proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
        "/etc/os-release": 'NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n\n',
        "/proc/sys/kernel/osrelease": "6.6.31+rpt-rpi-v8\n",
    }
    packages, computer = versions(patient(tmp_path, files), SETTINGS)
    assert "stellar-wind-box " in packages.says
    for name in ("Pi Zero 2 W Rev 1.0", "Debian GNU/Linux 12 (bookworm)", "6.6.31+rpt-rpi-v8"):
        assert name in computer.says


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert installed("stellar-wind-no-such-package") == "(none)"


def test_on_an_unknown_computer_only_a_card_and_a_folder_are_missing(tmp_path: Path) -> None:
    found: list[Finding] = []
    for check in chain.from_iterable(CHECKS.values()):
        found += check(patient(tmp_path), SETTINGS)
    assert {finding.check: finding.verdict for finding in found if finding.verdict is not Verdict.OK} == {
        "sound card": Verdict.WRONG,
        "disk": Verdict.NOTE,
    }


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        ("", "wrong", "is not a tape"),
        (encode(HEADER) + "\n", "wrong", "holds no ledger"),
        (
            f"{encode(HEADER)}\n{encode(Line(1.0, Ledger(7, 0, 0, 0, 0, ())))}\n",
            "ok",
            "plays without a network",
        ),
    ],
)
def test_the_owners_recording(tmp_path: Path, text: str, verdict: str, words: str) -> None:
    settings = load({"recording.path": "/srv/mine.tape"}, {}).settings
    (missing,) = recording(patient(tmp_path), settings)
    assert missing.verdict is Verdict.WRONG
    assert "No such file" in missing.says
    (found,) = recording(patient(tmp_path, {"/srv/mine.tape": text}), settings)
    assert found.verdict == verdict
    assert words in found.says


# --- the box and its service --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdicts", "words"),
    [
        ({}, "ok", ["scene wind", "public", STATUS.card]),
        ({"playing": "/srv/piece.score.gz", "state": BoxState.SCORE}, "ok", ["/srv/piece.score.gz"]),
        ({"underruns": 3}, "note", ["3 times", STATUS.card]),
        ({"card": "", "silent": "There is no card."}, "note", ["There is no card."]),
        ({"safe_mode": True}, "wrong", ["safe mode", STATUS.card]),
        ({"safe_mode": True, "underruns": 3}, "wrong", ["safe mode", "3 times"]),
        ({"weak_power": True}, "ok note", [STATUS.card, "undervoltage"]),
        ({"weak_power": True, "safe_mode": True}, "wrong note", ["safe mode", "undervoltage"]),
    ],
)
def test_a_box_that_plays_is_asked(
    tmp_path: Path, changes: Mapping[str, Any], verdicts: str, words: list[str]
) -> None:
    found = list(box(patient(tmp_path, status=replace(STATUS, **changes)), SETTINGS))
    assert [finding.verdict for finding in found] == verdicts.split()
    said = " ".join(finding.says for finding in found)
    assert all(word in said for word in words)
    assert all(bool(finding.advice) is (finding.verdict is not Verdict.OK) for finding in found)


def test_without_a_box_nothing_is_found(tmp_path: Path) -> None:
    assert list(box(patient(tmp_path), SETTINGS)) == []


@pytest.mark.parametrize(
    ("status", "restarts", "verdict", "words"),
    [
        (STATUS, 0, "ok", STATUS.words),
        (STATUS, 2, "note", "restarted 2 times"),
        # These are findings of the check of the box.
        (replace(STATUS, safe_mode=True), 0, "ok", "It runs"),
        (replace(STATUS, underruns=3), 0, "ok", "It runs"),
        (replace(STATUS, card="", silent="There is none."), 0, "ok", "none."),
    ],
)
def test_the_service_has_the_words_of_the_box_that_answers(
    tmp_path: Path, status: Status, restarts: int, verdict: str, words: str
) -> None:
    systemd = {"systemctl": RUNNING.format(restarts, "told before")}
    (found,) = service(patient(tmp_path, {}, systemd, status=status), SETTINGS)
    assert found.verdict == verdict
    assert words in found.says
    assert not found.says.endswith("..")
    assert "told before" not in found.says


# --- sound --------------------------------------------------------------------------------------------------

CARDS = " 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n 1 [Device         ]: USB-Audio - USB\n"
HDMI = {
    "/proc/asound/cards": CARDS.partition(" 1 ")[0],
    "/proc/asound/card0/pcm0p/info": "device: 0\nname: MAI\n",
}
USB = {**HDMI, "/proc/asound/cards": CARDS, "/proc/asound/card1/pcm0p/info": "device: 0\nname: USB Audio\n"}
PLAYS = {**USB, "/proc/asound/card1/pcm0p/sub0/status": "state: RUNNING\nowner_pid   : 7\n"}
MIXER = """Simple mixer control 'PCM',0
  Capabilities: pvolume pswitch
  Playback channels: Front Left - Front Right
  Limits: Playback 0 - 151
  Front Left: Playback {0}
  Front Right: Playback {0}
Simple mixer control 'Mic',0
  Capabilities: cvolume
  Mono: Capture 0 [0%] [off]
"""


@pytest.mark.parametrize(
    ("files", "mixer", "device", "found"),
    [
        ({}, "", "auto", [("wrong", "There is none")]),
        (HDMI, "", "auto", [("wrong", "monitor")]),
        (USB, "", "auto", [("ok", "USB card Device")]),
        (PLAYS, "", "auto", [("ok", "The best is"), ("ok", "plays on card1 now.")]),
        (USB, "", "hw:1", [("ok", "vc4hdmi, Device.")]),
        (USB, "", "plughw:CARD=Device,DEV=0", [("ok", "vc4hdmi, Device.")]),
        (USB, "", "hw:Device", [("ok", "sound.device is")]),
        (USB, "", "pulse", [("ok", "'pulse'")]),
        ({}, "", "default", [("ok", "'default'; there are: none.")]),
        (
            USB,
            "",
            "hw:7",
            [("wrong", "'hw:7'")],
        ),
        (USB, "", "plughw:CARD=Dev,DEV=0", [("wrong", "'plughw:CARD=Dev,DEV=0'")]),
        ({}, "", "hw:0,0", [("wrong", "there are: none.")]),
        (USB, MIXER.format("120 [79%] [-11.25dB] [on]"), "auto", [("ok", "The best is")]),
        (HDMI | USB, MIXER.format("0 [0%] [-64.00dB] [on]"), "auto", [("ok", "The best"), ("note", "'PCM'")]),
        (USB, MIXER.format("120 [79%] [-11.25dB] [off]"), "auto", [("ok", "The best"), ("note", "'PCM'")]),
        (USB, MIXER.format("0 [0%]"), "auto", [("ok", "The best"), ("note", "'PCM'")]),
    ],
)
def test_the_sound(
    tmp_path: Path, files: Mapping[str, str], mixer: str, device: str, found: list[tuple[str, str]]
) -> None:
    settings = load({"sound.device": device}, {}).settings
    machine = patient(tmp_path, files)
    asked: list[str] = []

    def ask(words: Sequence[str]) -> str | None:
        asked.append(words[2])
        return mixer if words[2] == "Device" else None

    findings = list(sound(replace(machine, ask=ask), settings))
    assert [finding.verdict for finding in findings] == [verdict for verdict, _ in found]
    for finding, (_, words) in zip(findings, found, strict=True):
        assert words in finding.says
    assert asked == [card for card in ("vc4hdmi", "Device") if card in files.get("/proc/asound/cards", "")]


def test_several_cards_are_named_in_their_order(tmp_path: Path) -> None:
    files = {
        "/proc/asound/cards": CARDS + " 2 [sndrpihifiberry]: RPi-simple - snd_rpi_hifiberry_dac\n",
        "/proc/asound/card1/pcm0p/info": "device: 0\nname: USB Audio\n",
        "/proc/asound/card2/pcm0p/info": "device: 0\nname: HifiBerry\n",
    }
    (found,) = sound(patient(tmp_path, files), SETTINGS)
    best, _, others = found.says.partition(". ")
    assert best.endswith("the sound board sndrpihifiberry")
    assert "Device" in others


# --- panel --------------------------------------------------------------------------------------------------

PI = {"/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}
PINS = {**PI, "/dev/gpiochip0": ""}


@pytest.mark.parametrize(
    ("files", "overrides", "verdict", "words"),
    [
        (PI, {"panel.pin_factory": "none"}, "ok", "panel.pin_factory"),
        ({}, {}, "ok", "no GPIO pins"),
        (PI, {}, "wrong", "no GPIO device"),
        (PINS, {}, "wrong", "SPI is switched off"),
        (PINS, {"panel.knobs": "encoders"}, "ok", "the GPIO pins."),
        ({**PINS, "/dev/spidev0.0": ""}, {}, "ok", "SPI"),
    ],
)
def test_the_panel(
    tmp_path: Path, files: Mapping[str, str], overrides: Mapping[str, str], verdict: str, words: str
) -> None:
    (found,) = panel(patient(tmp_path, files), load(overrides, {}).settings)
    assert found.verdict == verdict
    assert words in found.says


# --- disk ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "environ", "overrides", "verdict", "words"),
    [
        (Space(5 << 30, True), {"HOME": "/srv/x"}, {}, "ok", "/srv/x/.local/state"),
        (Space(5 << 20, True), {}, {"state_dir": "/data"}, "note", "5 MB"),
        (Space(5 << 30, False), {}, {"state_dir": "/data"}, "note", "written to /data"),
        (None, {}, {"state_dir": "/data"}, "note", "cannot look into /data"),
        (Space(5 << 30, True), {}, {}, "note", "There is no folder"),
    ],
)
def test_the_disk(
    tmp_path: Path,
    left: Space | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, str],
    verdict: str,
    words: str,
) -> None:
    machine = replace(patient(tmp_path, environ=environ), space=lambda _: left)
    (found,) = disk(machine, load(overrides, {}).settings)
    assert found.verdict == verdict
    assert words in found.says


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_the_space_of_a_closed_folder_of_another_user_is_unknown() -> None:
    with TemporaryDirectory() as root:  # pytest's own folders are all closed
        Path(root).chmod(0o700)
        os.seteuid(65534)
        try:
            assert space(Path(root, "state")) is None
        finally:
            os.seteuid(0)


def test_where_there_is_a_service_its_disk_is_checked(tmp_path: Path) -> None:
    machine = patient(tmp_path, {"/var/lib/stellar-wind/state.json": "{}"}, environ={"HOME": "/srv/x"})
    asked: list[Path] = []

    def look(folder: Path) -> Space:
        asked.append(folder)
        return Space(5 << 30, False)  # only the service can write there

    (found,) = disk(replace(machine, space=look), SETTINGS)
    assert found.verdict is Verdict.OK
    assert asked == [tmp_path / "var/lib/stellar-wind"]


def test_a_state_that_could_not_be_read_is_a_note(tmp_path: Path) -> None:
    machine = patient(tmp_path, {"/data/state.json.bad": "x"})
    found = list(disk(machine, load({"state_dir": "/data"}, {}).settings))
    assert [finding.verdict for finding in found] == ["note", "ok"]
    assert "state.json.bad in /data" in found[0].says


def test_a_folder_that_is_named_from_here_is_found(tmp_path: Path) -> None:
    asked: list[Path] = []
    machine = replace(patient(tmp_path), space=asked.append)
    list(disk(machine, load({"state_dir": "data"}, {}).settings))
    assert asked == [tmp_path / str(Path("data").absolute()).lstrip("/")]


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        (":8017", "127.0.0.1"),
        ("0.0.0.0:8017", "127.0.0.1"),
        ("[::]:8017", "::1"),
        ("192.168.0.7:8017", "192.168.0.7"),
    ],
)
@pytest.mark.parametrize("answers", [True, False])
def test_the_page_is_asked_where_it_is_served(listen: str, asked: str, answers: bool, tmp_path: Path) -> None:
    places: list[tuple[str, int]] = []

    def answer(host: str, port: int) -> bool:
        places.append((host, port))
        return answers

    machine = replace(patient(tmp_path, {}, {}), answers=answer)
    (finding,) = page(machine, load({"page.listen": listen}, {}).settings)
    assert (finding.verdict is Verdict.OK) == answers
    assert places == [(asked, 8017)]


def test_a_pipe_for_every_room_is_looked_for(tmp_path: Path) -> None:
    settings = load({"sound.device": "pipe:/run/snapserver/snapfifo"}, {}).settings
    machine = patient(tmp_path, {"/run/snapserver/snapfifo": "a file"}, {})
    pipe = tmp_path / "run/snapserver/snapfifo"
    assert [finding.verdict for finding in sound(machine, settings)] == [Verdict.WRONG]
    pipe.unlink()
    os.mkfifo(pipe)
    assert [finding.verdict for finding in sound(machine, settings)] == [Verdict.OK]


def test_a_page_that_is_off_is_not_asked(tmp_path: Path) -> None:
    assert list(page(patient(tmp_path, {}, {}), SETTINGS)) == []


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        (
            "ActiveState=active\nStatusText=Connected to the MQTT server mqtt://a:1883.",
            Verdict.OK,
            "mqtt://a",
        ),
        ("ActiveState=active\nStatusText=The MQTT server refuses the box.", Verdict.WRONG, "refuses"),
        ("ActiveState=active\nStatusText=", Verdict.WRONG, "mqtt://a"),
        ("ActiveState=failed\nStatusText=", Verdict.WRONG, "does not run"),
        (None, Verdict.WRONG, "does not run"),
    ],
)
def test_mqtt_is_asked_whether_it_is_connected(
    told: str | None, verdict: Verdict, words: str, tmp_path: Path
) -> None:
    machine = patient(tmp_path, {}, {"systemctl": told} if told else {})
    (finding,) = mqtt(machine, load({"mqtt.server": "mqtt://a"}, {}).settings)
    assert finding.verdict is verdict
    assert words in finding.says


def test_mqtt_that_is_off_is_not_asked(tmp_path: Path) -> None:
    assert list(mqtt(patient(tmp_path, {}, {}), SETTINGS)) == []
