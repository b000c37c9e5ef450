# SPDX-License-Identifier: Apache-2.0
"""A real sound server, PulseAudio with a null sink: what it plays is recorded, and is equal to the render."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from appliance.ledger.tape import bundled
from appliance.render import render
from appliance.settings import load
from appliance.sound.outputs.cards import choices, look
from appliance.sound.outputs.speaker import FADE, Speaker

pytestmark = pytest.mark.process

BLOCK = 512
SECONDS = 6.0
RATE = 48_000
NEEDED = {
    "pulseaudio": "pulseaudio",
    "parec": "pulseaudio-utils",
}
PLUGINS = ("libasound_module_pcm_pulse.so", "libasound2-plugins")


class Server:
    """A PulseAudio of our own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.environ = {
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
            "PULSE_SERVER": f"unix:{folder}/pulse/native",
            "ALSA_CONFIG_PATH": str(Path(__file__).with_name("pulse.conf")),
        }
        self._log = (folder / "log").open("w")
        options = ["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no"]
        socket = "module-native-protocol-unix auth-anonymous=1"
        sink = f"module-null-sink sink_name=null rate={RATE} channels=2 format=float32le"
        self.process = subprocess.Popen(
            ["pulseaudio", "-n", *options, "--high-priority=no", "-L", socket, "-L", sink],
            env=os.environ | self.environ,
            stderr=self._log,
        )
        deadline = time.monotonic() + 60.0
        while not (folder / "pulse" / "native").exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def record(self, file: Path) -> subprocess.Popen[bytes]:
        """Begin to record what is played, as bare samples."""
        command = [
            "parec",
            "-d",
            "null.monitor",
            "--raw",
            "--latency-msec=50",
            "--format=float32le",
            f"--rate={RATE}",
            "--channels=2",
        ]
        return subprocess.Popen([*command, str(file)], env=os.environ | self.environ)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(60.0)
        self._log.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for program, package in NEEDED.items():
        if not shutil.which(program):
            pytest.skip(f"there is no {program} to play to: apt-get install {package}")
    if not list(Path("/usr/lib").glob(f"*/alsa-lib/{PLUGINS[0]}")):
        pytest.skip(f"ALSA has no way to PulseAudio: apt-get install {PLUGINS[1]}")
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    it = Server(folder)
    for name, value in it.environ.items():
        monkeypatch.setenv(name, value)
    try:
        yield it
    finally:
        it.stop()


def rendered(tmp_path: Path) -> NDArray[np.float32]:
    """A piece of music as whole blocks."""
    file = tmp_path / "piece.wav"
    render(load({}, {}).settings, bundled(), file, SECONDS)
    samples, _ = soundfile.read(file, dtype="float32")
    return np.ascontiguousarray(samples[: len(samples) // BLOCK * BLOCK], dtype=np.float32)


def place(piece: NDArray[np.float32], recorded: NDArray[np.float32]) -> int:
    """Where in the recording the piece begins, by its best match."""
    size = 1 << (len(piece) + len(recorded)).bit_length()
    spectrum = np.fft.rfft(recorded[:, 0], size) * np.conj(np.fft.rfft(piece[:, 0], size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(recorded)]))


def wait_for(file: Path, size: int) -> None:
    deadline = time.monotonic() + 60.0
    while not file.exists() or file.stat().st_size < size:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_sound_server_plays_is_the_render(server: Server, tmp_path: Path) -> None:
    piece = rendered(tmp_path)
    assert [choice.device for choice in choices(look(proc=tmp_path))] == ["default"]
    differences = []
    for attempt in range(3):  # a server without its priority can run dry by itself on a loaded machine
        recording = server.record(tmp_path / f"{attempt}.raw")
        wait_for(tmp_path / f"{attempt}.raw", 1)
        speaker = Speaker("default", latency=0.5, block=BLOCK)
        for block in piece.reshape(-1, BLOCK, 2):
            speaker.write(block)
        speaker.close()
        assert speaker.status.why == ""
        wait_for(tmp_path / f"{attempt}.raw", (len(piece) + RATE) * 8)
        recording.terminate()
        recording.wait()
        raw = np.fromfile(tmp_path / f"{attempt}.raw", dtype=np.float32)
        recorded = raw[: len(raw) // 2 * 2].reshape(-1, 2)
        begins, faded = place(piece, recorded), round((FADE + 0.1) * RATE)
        whole = recorded[begins + faded : begins + len(piece)]
        assert np.abs(piece).max() > 0.01
        differences.append(
            float(np.abs(whole - piece[faded:]).max()) if len(whole) == len(piece) - faded else 1.0
        )
        if differences[-1] == 0.0:
            return
    pytest.fail(f"It never played what was rendered; the largest differences are {differences}.")


def test_a_server_that_is_stopped_does_not_stop_the_music(server: Server) -> None:
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    server.process.send_signal(signal.SIGSTOP)
    speaker = Speaker("default", latency=0.128, block=BLOCK)  # which hangs as soon as it opens the card
    assert speaker.status.card == ""
    block = np.zeros((BLOCK, 2), dtype=np.float32)
    begun = time.monotonic()
    for _ in range(200):
        speaker.write(block)
    assert time.monotonic() - begun < 60.0  # for 2.1 s of music; a write that waited would never return
    done.set()
    thread.join()
    assert len(ticks) > 50  # the other threads of the process go on
    server.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 60.0
    while not speaker.status.card:
        assert time.monotonic() < deadline
        speaker.write(block)
    speaker.close()
