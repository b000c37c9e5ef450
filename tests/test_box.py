# SPDX-License-Identifier: Apache-2.0
"""The box as people start it: a real process, a real listener beside it, a real server, a real terminal."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.box import Box
from appliance.dimming import DUSK, Dim
from appliance.host.clock import is_set
from appliance.ledger.tape import bundled
from appliance.saved.crashes import Crashes
from appliance.settings import load
from appliance.values import Button, Doubled, Held, Pressed
from tests.support.ending import ended
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

RUN = [sys.executable, "-m", "appliance", "run"]
PATIENCE = 100.0  # s that a loaded machine may need to start Python and pyo
LEAVES = 10.0  # s in which a box has gone, of which its fade is one or two; what waits for a network waits for longer


def box(**settings: object) -> Box:
    return Box(load(settings, {}).settings, bundled(), None)


def test_the_network_button_goes_round_and_home() -> None:
    it = box()
    seen = []
    for gesture in (*(Pressed(Button.NETWORK),) * 4, Held(Button.NETWORK)):
        it.obey(gesture)
        seen.append(it.controls.network)
    assert seen == ["testnet", "futurenet", "public", "testnet", "public"]


knows_the_hour = pytest.mark.skipif(
    not is_set(Path("/"), time.time()), reason="nobody has set this machine's clock: it is never night here"
)


@knows_the_hour
def test_a_night_of_the_settings_dims_from_the_start_and_a_timer_is_counted_down() -> None:
    it = box(**{"night.start": "0:00", "night.end": "23:59", "sound.max_volume": 0.8})
    assert it._evening.look(0.0, 720, muted=False) == Dim(0.8 * 0.75, 0.25, asleep=False)
    assert box()._evening.look(0.0, 720, muted=False) == Dim(1.0, 1.0, asleep=False)
    assert "sleeps" not in it._words()
    it.obey(Doubled(Button.MUTE))
    assert it._words().endswith(", sleeps within 30 min")
    it._evening.sleep(0.0001, time.monotonic() - 1.0)
    it._look()
    assert it.controls.muted
    assert it.controls.sleep == 0
    assert it.controls.dim == 0.0


@knows_the_hour
def test_another_time_zone_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = time.gmtime().tm_hour
    night = {
        "night.start": f"{(hour + 10) % 24}:00",
        "night.end": f"{(hour + 14) % 24}:00",
        "night.volume": 0.5,
    }
    seconds = [100.0]
    it = Box(load(night, {}).settings, bundled(), None, clock=lambda: seconds[0])
    with monkeypatch.context() as zones:
        zones.setenv("TZ", "HERE0")
        it._look()
        assert it.controls.dim == 1.0
        zones.setenv("TZ", "THERE-12")
        seconds[0] += DUSK
        it._look()
        assert it.controls.dim == 0.5
    time.tzset()


def test_the_power_goes_by_the_owners_command(tmp_path: Path) -> None:
    it = box(**{"panel.power_off": f"touch '{tmp_path}/off'"})

    async def run() -> None:
        it.obey(Held(Button.MUTE))
        assert it._errand
        await it._errand

    asyncio.run(run())
    assert (tmp_path / "off").exists()


def test_a_key_does_not_switch_off_the_computer_of_whoever_typed_it(tmp_path: Path) -> None:
    it = box(**{"panel.power_off": f"touch '{tmp_path}/off'", "panel.pin_factory": "mock"})
    it._mock = it._mocked(desk=True)
    assert it._mock
    it.obey(Held(Button.MUTE))
    assert it._errand is None


def test_a_tape_that_is_not_there_is_no_crash(tmp_path: Path) -> None:
    for _ in range(2):
        words = ["--tape", str(tmp_path / "x.tape"), "--set", f"state_dir={tmp_path}"]
        assert subprocess.run([*RUN, *words], capture_output=True, check=False).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_not_there_is_no_crash_and_the_bundled_one_plays(tmp_path: Path) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        'network = "mine"\nrecording.path = "/nowhere/x.tape"\n'
        '[networks.mine]\nendpoints = ["http://127.0.0.1:9"]\npassphrase = "first"\n'
    )

    async def run() -> None:
        async with running("--config", str(config), "--set", f"state_dir={tmp_path}") as process:
            assert f"recording.path names it, from the file {config};" in await line_with(
                process, "/nowhere/x.tape"
            )
            await line_with(process, "Playing the recording")
            assert await farewell(process, signal.SIGTERM) < LEAVES

    asyncio.run(run())
    assert not (tmp_path / "running.json").exists()


def test_a_part_that_fails_ends_the_box() -> None:
    it = box()

    async def fail() -> None:
        raise OSError("worn out")

    async def run() -> None:
        async with it._running(fail()):
            await it._stop.wait()

    asyncio.run(run())
    assert str(it._failure) == "worn out"


@pytest.mark.parametrize(
    ("sleeps_in", "muted", "sleep"), [(600.0, False, 30), (-1.0, True, 0), (0.0, True, 0)]
)
def test_a_sleep_timer_that_ran_out_while_nothing_played_has_muted_it(
    sleeps_in: float, muted: bool, sleep: int, tmp_path: Path
) -> None:
    crashes = Crashes(None)
    crashes.run = replace(crashes.run, sleep=30, sleeps_at=1000.0 + sleeps_in)
    it = Box(load({}, {}).settings, bundled(), None, crashes=crashes, clock=lambda: 1000.0)
    assert (it.controls.muted, it.controls.sleep) == (muted, sleep)
    assert ("sleeps within 10 min" in it._words()) is bool(sleep)


@asynccontextmanager
async def running(*words: str, terminal: int | None = None) -> AsyncIterator[Process]:
    """The box, in a terminal or with its log on a pipe."""
    if terminal is None:
        process = await asyncio.create_subprocess_exec(*RUN, *words, stdin=DEVNULL, stderr=PIPE)
    else:
        process = await asyncio.create_subprocess_exec(
            *RUN, *words, stdin=terminal, stdout=terminal, stderr=terminal
        )
    async with ended(process), asyncio.timeout(PATIENCE):
        yield process


async def line_with(process: Process, words: str) -> str:
    assert process.stderr
    said = []
    async for line in process.stderr:
        said.append(line.decode())
        if words in said[-1]:
            return said[-1]
    raise AssertionError(f"never said {words!r}, but: {''.join(said)}")


def children(process: Process) -> list[int]:
    return [
        int(child)
        for tasks in Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]


async def farewell(process: Process, number: int) -> float:
    """How long it takes to leave after a signal."""
    begun = time.monotonic()
    process.send_signal(number)
    assert await process.wait() == 0
    return time.monotonic() - begun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_tape_needs_no_network_and_a_signal_ends_it_softly(number: int) -> None:
    async def run() -> None:
        async with running("--tape", str(bundled().path)) as process:
            await line_with(process, "cannot be opened")
            await line_with(process, "Playing the recording.")
            assert children(process) == []
            assert 0.5 < await farewell(process, number) < LEAVES

    asyncio.run(run())


def test_the_scene_changes_while_it_plays(tmp_path: Path) -> None:
    async def run() -> None:
        config = tmp_path / "box.toml"
        async with running("--config", str(config), "--tape", str(bundled().path)) as process:
            await line_with(process, "Playing the recording.")
            config.write_text('scene = "night"\n')
            process.send_signal(signal.SIGHUP)
            await line_with(process, "Read the settings again: the scene is night.")
            config.write_text('scene = "storm"\n')
            process.send_signal(signal.SIGHUP)
            refusal = await line_with(process, "The box plays on with the settings that it had.")
            assert "allowed is one of wind, night, original" in refusal
            assert await farewell(process, signal.SIGTERM) < LEAVES

    (tmp_path / "box.toml").write_text("")
    asyncio.run(run())


def test_it_goes_over_to_the_network_and_keeps_a_listener_alive(tmp_path: Path) -> None:
    async def run() -> None:
        async with HorizonServer(generated([3] * 40, network="first"), tip=1000) as server:
            config = tmp_path / "box.toml"
            config.write_text(
                f'network = "mine"\n[networks.mine]\nendpoints = ["{server.url}"]\npassphrase = "first"\n'
            )
            async with running("--config", str(config)) as process:
                await line_with(process, "Playing the recording until the network answers.")
                await line_with(process, "Live: playing the mine network.")
                (listener,) = children(process)
                os.kill(listener, signal.SIGKILL)
                await line_with(process, "The listener has died (exit code -9)")
                while not (now := children(process)) or listener in now:
                    await asyncio.sleep(0.05)
                (listener,) = now
                assert await farewell(process, signal.SIGTERM) < LEAVES
                assert not Path(f"/proc/{listener}").exists()

    asyncio.run(run())


def test_without_a_network_it_says_so_once_and_plays_on(tmp_path: Path) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        'network = "mine"\n[networks.mine]\nendpoints = ["http://127.0.0.1:9"]\npassphrase = "first"\n'
    )

    async def run() -> None:
        async with running("--config", str(config)) as process:
            assert "warning" in await line_with(process, "The mine network is away")
            await farewell(process, signal.SIGTERM)
            assert process.stderr
            assert b"is away" not in await process.stderr.read()

    asyncio.run(run())


@pytest.mark.parametrize("factory", ["auto", "none"])  # the picture, and the three lines without a panel
def test_in_a_terminal_it_shows_the_desk_and_reads_its_keys(factory: str) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 120))
    screen = bytearray()

    async def seen(words: str) -> None:
        while words not in screen.decode(errors="replace"):
            await asyncio.sleep(0.02)

    async def run() -> None:
        asyncio.get_running_loop().add_reader(master, lambda: screen.extend(os.read(master, 4096)))
        words = ("--tape", str(bundled().path), "--volume", "0.5", "--set", f"panel.pin_factory={factory}")
        async with running(*words, terminal=slave) as process:
            await seen("volume 50%")
            os.write(master, b"\x1b[A")
            await seen("volume 52%")
            os.write(master, b"m")
            await seen("muted")
            os.write(master, b"n")
            await seen("testnet: no network")
            assert await farewell(process, signal.SIGINT) < LEAVES
        screen.clear()
        async with running(*words, terminal=slave) as process:
            await seen("testnet: no network")  # what hands have set is still set, and a mute is over
            await seen("volume 52%")
            assert await farewell(process, signal.SIGINT) < LEAVES

    try:
        asyncio.run(run())
    finally:
        os.close(master)
        os.close(slave)


def test_a_failure_of_the_performer_ends_the_box(tmp_path: Path) -> None:
    it = box()

    async def run() -> None:
        it._perform(None, None, asyncio.get_running_loop())  # type: ignore[arg-type] # what a bug would do
        await asyncio.sleep(0)

    asyncio.run(run())
    assert isinstance(it._failure, AttributeError)
    assert it._stop.is_set()
