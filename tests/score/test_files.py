# SPDX-License-Identifier: Apache-2.0
"""Score files: written and read, and what a hostile one costs before it is refused."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.parts import NothingToPlay, open_music
from appliance.score.files import Score, ScoreLines, ScoreWriter, open_packed, open_score, packed
from appliance.score.format import (
    MAX_BYTES,
    MAX_CROWD,
    MAX_LINE,
    MAX_SECONDS,
    BadScore,
    Close,
    Header,
    Line,
    encode,
)
from appliance.values import Bed, BoxError, Context, Ledger, Note, NoteEvent, Passage, Voice

CONTEXT = Context("public", "wind", "wind", "C", 60.0)
HEADER = Header(CONTEXT, 10.0, "0.0.1", "a title", "about it")
HEAD = encode(HEADER).encode() + b"\n"


def event(seconds: float, pitch: int = 60) -> NoteEvent:
    return NoteEvent(Note(pitch, 0.5, 1.0, Voice.BELL), seconds, seconds, 1.0)


LINES = (
    Line(0.0, Bed(0.1, 0.2, 0.3)),
    Line(0.0, event(0.0)),
    Line(1.5, Close(7, 1_600_000_000, 210)),
    Line(2.0, Context("testnet", "night", "wind", "D", 72.0)),
    Line(2.0, event(2.0, 62)),
    Line(2.0, event(2.0, 64)),
)


# --- writing and reading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".score.gz", ".jsonl", ".SCORE.GZ"])
def test_what_is_written_is_read(tmp_path: Path, ending: str) -> None:
    passages = [
        Passage(0.0, CONTEXT, (event(0.0), event(0.005)), Bed(0.1, 0.2, 0.3)),
        Passage(0.01, CONTEXT),
        Passage(1.0, CONTEXT, (), Bed(0.1, 0.2, 0.30001), ledgers=(Ledger(7, 1_600_000_000, 210, 5, 1, ()),)),
        Passage(2.0, CONTEXT, (event(2.0),), Bed(0.1, 0.2, 0.4)),
        Passage(3.0, Context("testnet", "night", "wind", "D", 72.0), (event(3.0),), release=True),
    ]
    path = tmp_path / f"x{ending}"
    with closing(ScoreWriter(path, HEADER, compress=ending.lower() == ".score.gz")) as writer:
        for passage in passages:
            writer.observe(passage)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") is (ending.lower() == ".score.gz")
    score = open_score(path)
    assert score.path == path
    assert score.header == HEADER
    assert score.notes == 4
    assert list(score) == [
        Line(0.0, Bed(0.1, 0.2, 0.3)),
        Line(0.0, event(0.0)),
        Line(0.005, event(0.005)),
        Line(1.0, Close(7, 1_600_000_000, 210)),  # the bed is, as it is written, the one before
        Line(2.0, Bed(0.1, 0.2, 0.4)),
        Line(2.0, event(2.0)),
        Line(3.0, Context("testnet", "night", "wind", "D", 72.0)),
        Line(3.0, event(3.0)),
    ]
    assert list(score) == list(score)  # each time from the start


def test_lines_count_from_their_start_and_first_state_a_context() -> None:
    lines = list(ScoreLines(100.0).of(Passage(102.0, CONTEXT, (event(102.25),))))
    assert [line.seconds for line in lines] == [2.0, 2.25]
    assert lines[0].entry == CONTEXT


def test_equal_scores_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.score.gz", "b.score.gz"):
        with closing(ScoreWriter(tmp_path / name, HEADER, compress=True)) as writer:
            writer.observe(Passage(0.0, CONTEXT, (event(0.0),)))
    assert (tmp_path / "a.score.gz").read_bytes() == (tmp_path / "b.score.gz").read_bytes()
    assert packed(HEADER, LINES) == packed(HEADER, LINES)


def test_a_packed_score_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.score.gz"
    path.write_bytes(packed(HEADER, LINES))
    score = open_score(path)
    assert score.header == HEADER
    assert tuple(score) == LINES
    music = open_music(path)
    assert isinstance(music, Score)
    assert tuple(music) == LINES


def test_a_pipe_can_be_played_more_than_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(packed(HEADER, LINES)))
    writer.start()
    music = open_music(pipe)
    writer.join()
    assert isinstance(music, Score)
    assert tuple(music) == tuple(music) == LINES


def test_a_file_that_has_gone_or_changed_meanwhile_is_a_bad_score(tmp_path: Path) -> None:
    path = tmp_path / "x.score.gz"
    path.write_bytes(packed(HEADER, LINES))
    score = open_score(path)
    path.write_bytes(HEAD + b'{"t":-1}\n')
    with pytest.raises(BadScore, match=rf"{path}.* line 2: t "):
        list(score)
    path.unlink()
    with pytest.raises(BadScore, match=f"{path}.*No such file"):
        list(score)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hello\n", b"{}\n", b"\x00\xff" * 99, encode(LINES[0]).encode()]
)
def test_a_file_of_another_kind_is_neither_tape_nor_score(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(NothingToPlay, match=str(path)):
        open_music(path)
    with pytest.raises(BadScore, match=str(path)):
        open_score(path)


def test_a_file_that_cannot_be_opened_is_a_bad_score_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.score.gz"):
        with pytest.raises(BadScore, match=str(path)):
            open_score(path)
        with pytest.raises(BoxError, match=str(path)):
            open_music(path)


# --- hostile files ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hostile:
    """A file, and what the error must say besides its path: the line, and a word."""

    make: Callable[[Path], object]
    line: int
    word: str


def repeated(piece: bytes, times: int) -> Callable[[Path], None]:
    """gzip of a header and a piece over and over, without ever holding it in memory."""

    def make(path: Path) -> None:
        many = max(1, (1 << 20) // len(piece))
        with gzip.open(path, "wb", compresslevel=9) as file:
            file.write(HEAD)
            for _ in range(times // many):
                file.write(piece * many)
            file.write(piece * (times % many))

    return make


def plain(*lines: bytes) -> Callable[[Path], object]:
    """A header and these lines."""
    return lambda path: path.write_bytes(HEAD + b"\n".join(lines) + b"\n")


def torn(path: Path) -> None:
    content = packed(HEADER, [Line(at / 10, event(at / 10, at % 100)) for at in range(5000)])
    path.write_bytes(content[: len(content) // 2])


def broken(path: Path) -> None:
    content = bytearray(packed(HEADER, [Line(at / 10, event(at / 10, at % 100)) for at in range(5000)]))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


NOTE = encode(LINES[1])
SHORT = b'{"t":0,"brightness":0,"wind":0,"space":0}\n'  # the shortest line that is right
SHORT_NOTE = (
    b'{"t":0,"beat":0,"voice":"pad","pitch":0,"velocity":0,"length":0,"beats":0,"pan":0,"bright":0}\n'
)
LONG = SHORT[:-2] + b" " * 60_000 + b"}\n"


def too_many(piece: bytes) -> int:
    """The line with which a file of such lines exceeds what a score may take."""
    return (MAX_BYTES - len(HEAD)) // len(piece) + 2


def changed(old: str, new: str) -> Callable[[Path], object]:
    """A note in which something is changed."""
    assert old in NOTE
    return plain(NOTE.encode(), NOTE.replace(old, new).encode())


HOSTILE: dict[str, Hostile] = {
    "400 kB of gzip that unpack to one endless line": Hostile(repeated(b"x", 400_000_000), 2, "bytes"),
    "a line of 64 kB and a byte": Hostile(plain(b" " * MAX_LINE, b"{}"), 2, "bytes"),
    "10^7 empty lines": Hostile(repeated(b"\n", 10_000_000), 2, "JSON"),
    "10^7 short lines of one moment": Hostile(repeated(SHORT, 10_000_000), MAX_CROWD + 1, "second"),
    "over 16 MB in long lines that are right": Hostile(repeated(LONG, 1000), too_many(LONG), "bytes"),
    "1,000 notes within a second": Hostile(repeated(SHORT_NOTE, 5_000), MAX_CROWD + 1, "second"),
    "JSON nested 10^5 deep": Hostile(plain(b"[" * 100_000), 2, "bytes"),
    "JSON nested 60,000 deep": Hostile(plain(b"[" * 60_000), 2, "JSON"),
    "a whole number of 60,000 digits": Hostile(changed('"pitch":60', '"pitch":' + "6" * 60_000), 3, "JSON"),
    "NaN": Hostile(changed('"velocity":0.5', '"velocity":NaN'), 3, "velocity"),
    "Infinity": Hostile(changed('"velocity":0.5', '"velocity":Infinity'), 3, "velocity"),
    "1e999": Hostile(changed('"length":1.0', '"length":1e999'), 3, "length"),
    "-1e999": Hostile(changed('"beat":0.0', '"beat":-1e999'), 3, "beat"),
    "2^200": Hostile(changed('"pitch":60', f'"pitch":{2**200}'), 3, "pitch"),
    "true": Hostile(changed('"pitch":60', '"pitch":true'), 3, "pitch"),
    "a text": Hostile(changed('"t":0.0', '"t":"0"'), 3, "t is"),
    "-0.0 where a whole number stands": Hostile(changed('"pitch":60', '"pitch":-0.0'), 3, "pitch"),
    "a note of 10^9 s": Hostile(changed('"length":1.0', '"length":1e9'), 3, "length"),
    "a note after 10^9 s": Hostile(changed('"t":0.0', '"t":1e9'), 3, "t is"),
    "lines out of order": Hostile(
        plain(*(encode(line).encode() for line in (LINES[4], LINES[1]))), 3, "order"
    ),
    "a second header": Hostile(plain(NOTE.encode(), HEAD.strip()), 3, "header"),
    "bytes that are not UTF-8": Hostile(plain(b'{"t":0,"network":"\xff\xfe"}'), 2, "JSON"),
    "binary after the header": Hostile(plain(bytes(range(256)) * 10), 2, "JSON"),
    "a torn gzip": Hostile(torn, 0, "end"),
    "a damaged gzip": Hostile(broken, 0, ""),
}

# Opens a file, and prints the error, the seconds that it took, and the most memory that the process had, in MB.
OPEN = """
import sys, time
from pathlib import Path
from appliance.parts import open_music
from appliance.score.format import BadScore
begun = time.process_time()
try:
    for _ in open_music(Path(sys.argv[1])):
        pass
    print("no error")
except BadScore as error:
    print(error)
print(time.process_time() - begun)
print(next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def opened(path: Path) -> tuple[str, float, float]:
    """The error, seconds and megabytes of a process that opens a score."""
    ran = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True)
    error, seconds, memory = ran.stdout.splitlines()
    return error, float(seconds), float(memory)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_one_error_and_little_memory(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    hostile, path = HOSTILE[name], tmp_path / "hostile.score.gz"
    hostile.make(path)
    error, seconds, memory = opened(path)
    record_property("seconds", round(seconds, 2))  # read them with --junitxml
    record_property("megabytes", round(memory))
    assert str(path) in error
    assert f"line {hostile.line or ''}" in error
    assert hostile.word in error
    assert memory < 100


@pytest.mark.slow
def test_a_score_as_large_as_allowed_is_read_in_little_memory(tmp_path: Path) -> None:
    """So that the bounds above are what refuses the hostile ones."""
    path, size, at = tmp_path / "large.score.gz", len(HEAD), 0
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEAD)
        while True:  # 500 notes a second
            line = SHORT_NOTE.replace(b'"t":0,', b'"t":%.3f,' % (at / 500))
            at, size = at + 1, size + len(line)
            if size > MAX_BYTES:
                break
            file.write(line)
    error, _, memory = opened(path)
    assert error == "no error"
    assert memory < 100


def test_what_a_reader_would_refuse_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="lasts"):
        ScoreWriter(tmp_path / "x.jsonl", replace(HEADER, seconds=MAX_SECONDS + 1), compress=False)
    crowd = Passage(0.0, CONTEXT, (event(0.0),) * 100_000)
    with closing(ScoreWriter(tmp_path / "x.jsonl", HEADER, compress=False)) as writer:
        writer.observe(crowd)
        with pytest.raises(OSError, match="bytes"):
            writer.observe(crowd)


def test_a_torn_pipe_is_a_bad_score(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = packed(HEADER, LINES)
    writer = threading.Thread(target=lambda: pipe.write_bytes(content[:-20]))
    writer.start()
    with pytest.raises(BadScore, match=str(pipe)):
        open_score(pipe)
    writer.join()


# --- into memory, to be played at once --------------------------------------------------------------------------


def test_a_path_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.score.gz")
    for name in ("pipe.score.gz", "no\0name", "no\ud800name", "nothing", "."):
        with pytest.raises(BadScore):
            open_packed(tmp_path / name)
    writer = os.open(tmp_path / "pipe.score.gz", os.O_RDWR)  # which sends nothing
    try:
        with pytest.raises(BadScore):
            open_packed(tmp_path / "pipe.score.gz")
    finally:
        os.close(writer)


def test_a_score_of_many_small_gzip_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.score.gz"
    path.write_bytes(gzip.compress(HEAD) + gzip.compress(b"") * 50_000)
    with pytest.raises(BadScore):
        open_packed(path)
