# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.saved.lock import LOCK, FolderInUse, lock

pytestmark = pytest.mark.process


def test_a_folder_is_locked_once_and_free_again_when_it_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    held = lock(folder)
    assert held is not None
    with pytest.raises(FolderInUse):
        lock(folder)
    os.close(held)
    again = lock(folder)
    assert again is not None
    os.close(again)


def test_a_process_that_is_killed_holds_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib\nfrom appliance.saved.lock import lock\n"
        "assert lock(pathlib.Path(sys.argv[1])) is not None\nprint('held', flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse):
            lock(tmp_path)
        process.kill()
    held = lock(tmp_path)
    assert held is not None
    os.close(held)


def test_where_nothing_can_be_written_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert lock(tmp_path / "file") is None
    (tmp_path / LOCK).symlink_to("/dev/null")
    assert lock(tmp_path) is None
