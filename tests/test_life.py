# SPDX-License-Identifier: Apache-2.0
"""The box's life as systemd sees it: a real process, a real notification socket, a thread that really stands still."""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.ledger.tape import bundled
from appliance.saved.files import write
from appliance.saved.state import SavedControls, State, encode
from appliance.values import BoxState

pytestmark = pytest.mark.process

RUN = [sys.executable, "-m", "appliance", "run", str(bundled().path)]
PATIENCE = 100.0  # s that a loaded machine may need to start Python and pyo


class Systemd:
    """The notification socket, in the place of systemd's."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environ = {"NOTIFY_SOCKET": str(path)}

    def hear(self, seconds: float = PATIENCE) -> list[str]:
        """The next notices; none when there are none within `seconds`."""
        ready, _, _ = select.select([self._socket], [], [], seconds)
        return self._socket.recv(4096).decode().split("\n") if ready else []

    def wait_for(self, notice: str) -> list[str]:
        """Every notice up to this one, and those that came with it."""
        ends, heard = time.monotonic() + PATIENCE, list[str]()
        while notice not in heard:
            assert time.monotonic() < ends, f"systemd was not told {notice!r}, but {heard}"
            heard += self.hear()
        return heard

    def forget(self) -> None:
        """Drop what has been said already."""
        while self.hear(0.0):
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    it = Systemd(tmp_path / "notify")
    yield it
    it.close()


@contextmanager
def running(systemd: Systemd, *words: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = os.environ | systemd.environ | environ
    with subprocess.Popen([*RUN, *words], env=environ, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


# --- one thread that stands still: ptrace(2) -----------------------------------------------------------------

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
EVERY_THREAD = 0x40000000  # __WALL
libc = ctypes.CDLL(None, use_errno=True)


def trace(request: int, thread: int) -> None:
    if libc.ptrace(request, thread, None, None):
        error = ctypes.get_errno()
        if request == SEIZE:
            pytest.skip(f"ptrace is not allowed here: {os.strerror(error)}")
        raise OSError(error, os.strerror(error))


@contextmanager
def standing_still(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """While in the `with`, which gets their ids, every thread of the process but its main one stands still."""
    threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
    threads.remove(process.pid)
    assert threads
    for thread in threads:
        trace(SEIZE, thread)
        trace(INTERRUPT, thread)
        os.waitpid(thread, EVERY_THREAD)
    yield threads
    for thread in threads:
        with suppress(ProcessLookupError):  # it has ended
            trace(DETACH, thread)


def tells(status: str, news: list[str]) -> bool:
    """Whether a status was among the news; behind it stands how the sound card does."""
    return any(line.startswith((f"{status}; ", f"{status}. ")) for line in news)


# --- what systemd is told -------------------------------------------------------------------------------------


def test_ready_comes_with_sound_and_the_watchdog_is_fed_by_sound_alone(systemd: Systemd) -> None:
    with running(systemd) as process:
        assert tells(f"STATUS=public: {BoxState.OFFLINE}", systemd.wait_for("READY=1"))
        for _ in range(3):
            assert systemd.hear() == ["WATCHDOG=1"]
        with standing_still(process):
            systemd.forget()
            # At most one more: what was played between the last notice and the stand-still.
            late = systemd.hear(3.0)
            assert late in ([], ["WATCHDOG=1"])
            assert not late or systemd.hear(3.0) == []
        assert systemd.hear() == ["WATCHDOG=1"]
        process.terminate()
        systemd.wait_for("STOPPING=1")
        assert process.wait(PATIENCE) == 0


def test_a_box_that_systemd_aborts_leaves_every_threads_traceback(systemd: Systemd) -> None:
    """The watchdog aborts a box whose performer stands still.

    In one that plays on, faulthandler reads frames that change, and one dump in some 700 ends with a SIGSEGV
    (Python 3.11.7; python/cpython#116008).
    """
    with running(systemd) as process:
        systemd.wait_for("READY=1")
        with standing_still(process) as threads:
            process.send_signal(signal.SIGABRT)
            for thread in threads:  # each ends with the process
                os.waitpid(thread, EVERY_THREAD)
        said = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in said
    assert "performance.py" in said  # the performer's thread
    assert "run_forever" in said  # the main thread


def test_wrong_settings_are_said_and_end_it_for_good(systemd: Systemd) -> None:
    done = subprocess.run(
        [*RUN, "--tempo", "500"],
        env=os.environ | systemd.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78  # EX_CONFIG, which RestartPreventExitStatus names in the unit
    assert "from 30 to 180" in done.stderr
    assert systemd.hear(0.0) == []


# --- what is left behind --------------------------------------------------------------------------------------


def said_until(process: subprocess.Popen[bytes], words: str) -> list[str]:
    """What the box says, up to a line with these words."""
    assert process.stderr
    said: list[str] = []
    while not said or words not in said[-1]:
        line = process.stderr.readline().decode()
        assert line, f"never said {words!r}, but {said}"
        said.append(line)
    return said


def test_a_box_that_may_write_nowhere_plays(systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    with running(systemd, "--set", f"state_dir={tmp_path / 'folder'}") as process:
        systemd.wait_for("READY=1")
        said_until(process, "state.json: File exists")
        systemd.forget()
        assert systemd.hear() == ["WATCHDOG=1"]
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_hostile_state_is_one_line_and_the_settings_count(systemd: Systemd, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(b"\xff" * 100_000)
    with running(systemd, "--set", f"state_dir={tmp_path}") as process:
        systemd.wait_for("READY=1")
        said = said_until(process, "Playing the recording")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert sum("state.json" in line for line in said) == 1
    assert (tmp_path / "state.json.bad").exists()


# --- bad luck ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad_luck(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The library that brings it."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    library = str(tmp_path_factory.mktemp("bad_luck") / "bad_luck.so")
    source = str(Path(__file__).parent / "support" / "bad_luck.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("begins", ["0", "-1795000000", "2300000000"], ids=["today", "1970", "2099"])
def test_a_clock_that_jumps_is_not_heard(
    begins: str, bad_luck: str, systemd: Systemd, tmp_path: Path
) -> None:
    (jump := tmp_path / "jump").write_text(begins)
    night = ("--set", "night.start=22:30")
    with running(systemd, *night, LD_PRELOAD=bad_luck, JUMP=str(jump)) as process:
        systemd.wait_for("READY=1")
        for seconds in ("86400", "-3600", "43200"):
            jump.write_text(seconds)
            systemd.forget()
            assert systemd.hear() == ["WATCHDOG=1"]
            assert systemd.hear() == ["WATCHDOG=1"]
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert process.stderr
        said = process.stderr.read().decode().splitlines()
    assert len(said) <= 3  # which card or none, and what it plays


def test_a_disk_that_never_says_that_it_has_written_is_one_line(
    bad_luck: str, systemd: Systemd, tmp_path: Path
) -> None:
    state = ("--set", f"state_dir={tmp_path / 'state'}")
    with running(systemd, *state, LD_PRELOAD=bad_luck, NO_FSYNC="1") as process:
        systemd.wait_for("READY=1")
        said_until(process, "state.json: Input/output error")
        systemd.forget()
        assert systemd.hear() == ["WATCHDOG=1"]
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["lock"]


def test_a_box_with_sixteen_files_plays(systemd: Systemd) -> None:
    command = ["prlimit", "--nofile=16", *RUN]
    with subprocess.Popen(command, env=os.environ | systemd.environ) as process:
        systemd.wait_for("READY=1")
        assert systemd.hear() == ["WATCHDOG=1"]
        process.terminate()
        assert process.wait(PATIENCE) == 0


# --- crashes --------------------------------------------------------------------------------------------------


def test_five_crashes_lead_to_safe_mode_and_a_clean_end_out_of_it(systemd: Systemd, tmp_path: Path) -> None:
    state, run = tmp_path / "state.json", tmp_path / "running.json"
    said = SavedControls(0.7, 60.0, "public", "wind")
    write(state, encode(State(said, replace(said, network="testnet"))))
    words = ("--set", f"state_dir={tmp_path}", "--scene", "night")
    before = state.read_bytes()
    for count in range(1, 6):
        with running(systemd, *words) as process:
            while not run.exists() or json.loads(run.read_bytes())["starts"] < count:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGSEGV)  # what a library would do
    systemd.forget()
    with running(systemd, *words) as process:
        # not testnet: nothing saved applies
        assert tells(f"STATUS=public: {BoxState.TROUBLE}", systemd.wait_for("READY=1"))
        lines = said_until(process, "Playing the recording")
        assert sum("safe mode" in line for line in lines) == 1
        process.send_signal(signal.SIGHUP)
        said_until(process, "safe mode")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert not run.exists()
    assert state.read_bytes() == before
    systemd.forget()
    with running(systemd, *words) as process:
        assert tells(f"STATUS=testnet: {BoxState.OFFLINE}", systemd.wait_for("READY=1"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_box_that_is_told_to_end_before_it_plays_has_not_crashed(
    number: int, systemd: Systemd, tmp_path: Path
) -> None:
    with running(systemd, "--set", f"state_dir={tmp_path}") as process:
        while not (tmp_path / "running.json").exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(number)
        assert process.wait(PATIENCE) in (0, 128 + signal.SIGINT)
        assert process.stderr
        assert b"Traceback" not in process.stderr.read()
    assert not (tmp_path / "running.json").exists()


SWALLOW = """
import os, signal, sys
class Swallow:
    def find_spec(self, name, *_):
        if name == "appliance.box":
            try:
                os.kill(os.getpid(), int(os.environ["SWALLOWED"]))
            except BaseException:
                pass
sys.meta_path.insert(0, Swallow())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 128 + signal.SIGINT)])
def test_a_signal_that_an_import_swallows_ends_the_box(
    number: int, code: int, systemd: Systemd, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SWALLOW)
    swallow = {"PYTHONPATH": str(tmp_path), "SWALLOWED": str(int(number))}
    with running(systemd, "--set", f"state_dir={tmp_path}", **swallow) as process:
        assert process.wait(PATIENCE) == code
    assert not (tmp_path / "running.json").exists()
