# SPDX-License-Identifier: Apache-2.0
"""`stellar-wind piece ...` as people type it, beside a box that plays; and that off is off."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.control import Client, NoBox
from appliance.ledger.tape import bundled
from appliance.pieces.piece import unpack
from appliance.score.files import open_score
from appliance.status import Status
from appliance.values import BoxState
from tests.support.artists import PNG, Artist, score
from tests.support.spaces import Spaces, require

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "appliance"]
TIMEOUT = 120.0  # s for a stalled machine


def until(ask: Callable[[], bool]) -> None:
    ends = time.monotonic() + TIMEOUT
    while not ask():
        assert time.monotonic() < ends
        time.sleep(0.05)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=TIMEOUT)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.terminate()
    for process in started:
        process.wait(TIMEOUT)


def status(folder: Path) -> Status | None:
    try:
        with Client.connect([folder]) as client:
            return client.status()
    except NoBox:
        return None


def test_a_piece_is_made_published_and_played(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    require()
    with Spaces() as spaces:
        spaces.lan("a")
        inside, box = spaces.inside("a"), ["--set", f"state_dir={tmp_path}"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        processes.append(subprocess.Popen([*inside, *COMMAND, "run", str(bundled().path), *box], **quiet))  # type: ignore[call-overload]
        words = ["piece", *box, "--set", "pieces.reach=lan", "serve"]
        processes.append(subprocess.Popen([*inside, *COMMAND, *words], **quiet))  # type: ignore[call-overload]
        until(lambda: main(["piece", *box, "status"]) == 0)
        until(lambda: status(tmp_path) is not None)

        def piece(*words: str) -> str:
            capsys.readouterr()
            code, found = main(["piece", *box, *words]), capsys.readouterr()
            assert code == 0, found.err
            return found.out

        artist = Artist()
        said = piece("artist", "--account", artist.account, "--name", "Ada")
        assert f"piece artist --account {artist.account} --name Ada --certificate" in said
        sentence = next(line for line in said.splitlines() if line.startswith("Stellar Wind Box: "))
        begun = piece(
            *("artist", "--account", artist.account, "--name", "Ada"),
            *("--certificate", artist.wallet_signs(sentence)),
        )
        assert "web+stellar:tx?" in begun

        kept, cover, made = tmp_path / "kept.score.gz", tmp_path / "cover.png", tmp_path / "evening.piece"
        kept.write_bytes(score())
        cover.write_bytes(PNG)
        piece(
            *("make", str(kept), "--title", "Evening", "--track", "One", "--words", "Calm."),
            *("--cover", str(cover), "-o", str(made)),
        )
        assert unpack(made.read_bytes()).tracks[0].title == "One"
        published = piece("publish", str(made))
        name = re.search(r"[0-9a-f]{64}", published)
        assert name
        assert "Evening" in piece("list")
        assert json.loads(piece("list", "--json"))["feeds"][0]["pieces"][0]["piece"] == name[0]
        assert "Calm." in piece("show", name[0][:8])
        assert main(["piece", *box, "show", name[0][:3]]) == 1
        assert "too short" in capsys.readouterr().err
        copy = tmp_path / "copy.score.gz"
        piece("fetch", name[0][:8], "-o", str(copy))
        assert copy.read_bytes() == kept.read_bytes()
        assert main(["render", str(copy), "-o", str(tmp_path / "x.jsonl")]) == 0
        assert open_score(tmp_path / "x.jsonl").notes == open_score(kept).notes
        assert "Nothing was sold" in piece("list", "--sales")
        assert "port" in piece("status")

        piece("play", name[0][:8])
        playing = status(tmp_path)
        assert playing
        assert (playing.piece, playing.state) == ("Evening, Ada", BoxState.SCORE)
        piece("stop")
        stopped = status(tmp_path)
        assert stopped
        assert stopped.piece == ""
        piece("forget", name[0][:8])
        assert "Evening" not in piece("list")


def test_settings_come_before_or_after_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ["--set", f"state_dir={tmp_path}"]
    for words in (["piece", *nowhere, "list"], ["piece", "list", *nowhere]):
        assert main(words) == 1
        assert "off" in capsys.readouterr().err
    for words in (["piece", "list", "--set", "tempo=1"], ["piece", "--set", "tempo=1", "list", *nowhere]):
        assert main(words) == 78
        assert "tempo" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["piece", "--help"])
    assert "pieces.reach=lan serve" in capsys.readouterr().out


def test_files_are_counted_before_they_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept := tmp_path / "kept.score.gz").write_bytes(score())
    made = ["--title", "x", "-o", str(tmp_path / "x.piece")]
    assert main(["piece", "make", *[str(tmp_path / "absent")] * 17, *made]) == 1
    assert "16" in capsys.readouterr().err
    assert main(["piece", "make", str(kept), "--track", "One", "--track", "Two", *made]) == 1
    assert (
        main(["piece", "make", str(kept), "/dev/zero", *made]) == 1
    )  # of which no more is read than a score has
    assert "/dev/zero" in capsys.readouterr().err
    assert not (tmp_path / "x.piece").exists()
    assert main(["piece", "publish", "/dev/zero", "--set", f"state_dir={tmp_path}"]) == 1
    assert "/dev/zero is no draft" in capsys.readouterr().err


def test_off_is_off(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    """A box with the settings as delivered has no file, port or library of the pieces, and nothing is started."""
    box = ["--set", f"state_dir={tmp_path}"]
    refused = run("piece", *box, "serve")
    assert refused.returncode == 78
    assert "pieces.reach" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    command = [*COMMAND, "run", str(bundled().path), *box]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    processes.append(process)
    until(lambda: status(tmp_path) is not None)
    absent = run("piece", *box, "list")
    assert absent.returncode == 1
    assert "off" in absent.stderr
    assert not [file for file in tmp_path.rglob("*") if "piece" in file.name]
    links = [os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]
        assert not inodes & {row.split()[9] for row in rows}
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert not re.search(r"libtorrent|nacl|sodium", maps)


@pytest.mark.parametrize(
    "words",
    [
        ["make", "/nowhere/x.score.gz", "--title", "x", "-o", "x.piece"],
        ["publish", "/nowhere/x.piece"],
        ["rehearse", "--network", "public"],
        ["rehearse", "--network", "nothing"],
    ],
)
def test_bad_use_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    done = run("piece", "--set", f"state_dir={tmp_path}", *words)
    assert done.returncode in (1, 78)
    assert len(done.stderr.splitlines()) == 1


def test_a_draft_has_the_name_of_its_first_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    kept = tmp_path / "kept" / "2026-11-29-181500.score.gz"
    kept.write_bytes(score())
    assert main(["piece", "make", str(kept), "--title", "Evening"]) == 0
    assert unpack((tmp_path / "2026-11-29-181500.piece").read_bytes()).title == "Evening"
