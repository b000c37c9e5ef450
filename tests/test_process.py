# SPDX-License-Identifier: Apache-2.0
"""The process as shells start it: with closed ends, full disks, readers that leave, and files of others about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.control import Client, NoBox
from appliance.ledger.tape import bundled

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "appliance"]
PATIENCE = 100.0  # s that a loaded machine may need to start Python and pyo


@contextmanager
def playing(
    folder: Path, ends: str = "", *words: str, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A box that answers, started by a shell whose redirections are `ends`."""
    command = [*COMMAND, "run", *(words or (str(bundled().path),)), "--set", f"state_dir={folder}"]
    shell = ["sh", "-c", f'exec "$@" {ends}', "sh", *command]
    with subprocess.Popen(shell, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd) as process:
        try:
            answered(folder, process)
            yield process
        finally:
            process.kill()


def answered(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the box answers."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            with Client.connect([folder]) as client:
                client.status()
        except NoBox:
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.02)
        else:
            return


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


@pytest.mark.parametrize("ends", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_closed_or_full_end_is_no_terminal_and_it_plays(ends: str, tmp_path: Path) -> None:
    with playing(tmp_path, ends) as process:
        assert ended(process) == 0


def test_the_threads_that_sound_depends_on_are_real_time(tmp_path: Path) -> None:
    real_time = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    ask = f"import os; os.sched_setscheduler(0, {real_time}, os.sched_param(10))"
    if subprocess.run([sys.executable, "-c", ask], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs the right to real-time priority")
    with playing(tmp_path) as process:
        tasks = Path(f"/proc/{process.pid}/task")
        ends = time.monotonic() + PATIENCE
        while [os.sched_getscheduler(int(task.name)) for task in tasks.iterdir()].count(real_time) != 3:
            assert time.monotonic() < ends
            time.sleep(0.02)
        assert os.sched_getscheduler(process.pid) == real_time


def test_the_doctor_needs_no_standard_input() -> None:
    shell = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "doctor", "panel"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with subprocess.Popen([*COMMAND, "config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


def test_a_full_disk_for_the_answer_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "config"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_second_box_with_the_same_folder_touches_nothing_and_is_no_crash(tmp_path: Path) -> None:
    with playing(tmp_path) as first:
        stamp = (tmp_path / "running.json").read_bytes()
        for _ in range(2):
            command = [*COMMAND, "run", str(bundled().path), "--set", f"state_dir={tmp_path}"]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as second:
                assert second.stderr
                assert any(str(tmp_path).encode() in line for line in second.stderr)
                assert any(b"Playing the recording" in line for line in second.stderr)
                assert ended(second) == 0
        assert (tmp_path / "running.json").read_bytes() == stamp
        with Client.connect([tmp_path]) as client:
            client.request({"do": "set", "control": "volume", "value": 0.25})
        assert ended(first) == 0
    assert json.loads((tmp_path / "state.json").read_bytes())["controls"]["volume"] == 0.25
    assert not (tmp_path / "running.json").exists()
    with playing(tmp_path) as third:
        assert json.loads((tmp_path / "running.json").read_bytes())["starts"] == 1
        assert ended(third) == 0


def test_a_file_named_as_a_module_of_python_in_the_working_folder_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('my own random.py')\n")
    config = tmp_path / "box.toml"
    config.write_text(
        'network = "mine"\n[networks.mine]\nendpoints = ["http://127.0.0.1:9"]\npassphrase = "first"\n'
    )
    command = [
        "-P",
        "-m",
        "appliance",
        "run",
        "--config",
        str(config),
        "--set",
        f"state_dir={tmp_path}/state",
    ]
    with subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ,
    ) as process:
        assert process.stderr
        try:
            # Its listener, a child, says why it cannot reach the server.
            assert any(b"mine network is away" in line for line in process.stderr)
            assert ended(process) == 0
        finally:
            process.kill()
