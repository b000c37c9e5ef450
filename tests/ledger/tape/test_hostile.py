# SPDX-License-Identifier: Apache-2.0
"""Tapes that were made to do harm: each costs a sentence or a count of dropped lines, and less than 100 MB.

Read in processes of their own, because memory is measured. How long each takes is printed by `pytest -rP`.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from appliance.ledger.tape import Header, Line, TapeWriter, encode, open_tape
from appliance.values import Amount, Kind, Ledger, Link, LinkState
from tests.support.bounded import LIMIT, Cost, read

pytestmark = pytest.mark.process

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read from /proc")
HEADER = encode(Header("testnet", "by hand")).encode() + b"\n"
LEDGER = encode(Line(1.0, Ledger(7, 1722, 3, 2, 1, (Amount(25, Kind.PAYMENT, True, 7),)))).encode() + b"\n"
MANY = 10**7
NESTED = b"[" * 10**5 + b"\n"


def packed(path: Path, *parts: bytes, times: int = 1) -> Path:
    """A gzip file of the first part and then `times` the others, made of as many members, which takes no time."""
    first, *rest = parts
    block = gzip.compress(b"".join(rest))
    path.write_bytes(gzip.compress(first) + block * times)
    return path


def many(path: Path, line: bytes, first: bytes = HEADER) -> Path:
    """A gzip file of MANY times `line` after `first`."""
    return packed(path, first, line * (MANY // 1000), times=1000)


def measured(name: str, cost: Cost) -> Cost:
    print(f"{name}: {cost.seconds:.1f} s, {cost.megabytes:.0f} MB, {cost.dropped} dropped: {cost.sentence}")  # noqa: T201
    assert cost.megabytes < LIMIT
    assert "\n" not in cost.sentence
    return cost


def endless(path: Path) -> Path:
    """400 kB that unpack to one line of 400 MB."""
    packed(path, HEADER + LEDGER, b"x" * 10**6, times=400)
    assert path.stat().st_size < 500_000
    return path


@LINUX
@pytest.mark.parametrize(
    ("make", "good", "sentence"),
    [
        (endless, 1, "longer than"),
        (lambda path: packed(path, b"x" * 10**6, b"x" * 10**6, times=400), 0, "Cannot read"),
        (lambda path: many(path, b"x\n"), 0, "1,000 malformed lines"),
        (lambda path: many(path, b"x\n", HEADER + LEDGER), 1, "1,000 malformed lines"),
        (lambda path: many(path, b"x\n", b""), 0, "not a tape"),
        (lambda path: many(path, b'{"t":0}\n'), 0, "200,000 lines without a ledger"),
        (lambda path: many(path, HEADER), 0, "200,000 lines without a ledger"),
        (lambda path: packed(path, NESTED, LEDGER), 0, "not a tape"),
        (lambda path: packed(path, HEADER, NESTED * 100 + LEDGER), 1, ""),
        (lambda path: packed(path, b"\xff\xfe" + HEADER, LEDGER), 0, "not a tape"),
        (lambda path: packed(path, HEADER, b"\xff\xfe\x00\n" * 100 + LEDGER), 1, ""),
    ],
    ids=[
        *("endless", "endless-at-once", "bad", "bad-after-one", "bad-at-once", "heartbeats", "headers"),
        *("nested-at-once", "nested", "bytes-at-once", "bytes"),
    ],
)
def test_a_hostile_file(
    tmp_path: Path,
    make: Callable[[Path], Path],
    good: int,
    sentence: str,
    request: pytest.FixtureRequest,
) -> None:
    cost = measured(request.node.callspec.id, read("tape", make(tmp_path / "x.tape.gz")))
    assert sentence in cost.sentence
    assert bool(cost.sentence) is bool(sentence)
    assert cost.count == good
    assert cost.dropped or sentence


@LINUX
def test_ten_million_ledgers_of_one_moment_are_played_one_after_another(tmp_path: Path) -> None:
    cost = measured("ledgers", read("tape", many(tmp_path / "x.tape.gz", LEDGER)))
    assert (cost.sentence, cost.dropped) == ("", 0)
    assert 1000 < cost.count < 100_000  # of a minute


@LINUX
@pytest.mark.parametrize("cut", [4, 200])
def test_a_torn_gzip(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.tape.gz"
    with TapeWriter(path, Header("testnet"), compress=True) as tape:
        for second in range(400):
            tape.write(Line(second / 10, Ledger(second, second, second * 7, 1, 0, ())))
    path.write_bytes(path.read_bytes()[:-cut])
    cost = measured(f"torn by {cut}", read("tape", path))
    assert "end-of-stream" in cost.sentence
    assert 100 < cost.count <= 400


def wrong_numbers() -> Iterable[tuple[str, bytes]]:
    """Each number of a line, replaced by something that is not one, or not one that can be."""
    ledger = json.loads(LEDGER)
    link = json.loads(encode(Line(2.0, Link(LinkState.LIVE, "testnet", "", 3.0))))
    for value in ("NaN", "Infinity", "1e999", "-1", "-0.5", str(2**200), "true", '"1"', "null", "[]"):
        for line in (ledger, link):
            for name in ("t", "ledger", "closed_at", "operations", "succeeded", "failed", "retry_in"):
                if name in line:
                    text = json.dumps(line | {name: "HERE"})
                    yield f"{name}={value:.9}", text.replace('"HERE"', value).encode()
        for place in ('["payment",1,HERE]', '["payment",HERE,25]'):
            text = json.dumps(ledger | {"amounts": "HERE"}).replace('"HERE"', f"[{place}]")
            yield f"{place}={value:.9}", text.replace("HERE", value).encode()


def test_numbers_that_cannot_be_are_dropped(tmp_path: Path) -> None:
    wrong = dict(wrong_numbers())
    path = packed(tmp_path / "x.tape.gz", HEADER, b"\n".join([*wrong.values(), LEDGER]))
    tape = open_tape(path)
    assert len(list(tape)) == 1
    assert tape.dropped == len(wrong) > 80


@pytest.mark.parametrize("zero", ["-0.0", "-0", "0"])
def test_a_negative_zero_is_zero_in_seconds_and_no_whole_number(tmp_path: Path, zero: str) -> None:
    ledger = LEDGER.replace(b'"t":1.0', b'"t":' + zero.encode())
    fraction = LEDGER.replace(b'"failed":1', b'"failed":-0.0')
    tape = open_tape(packed(tmp_path / "x.tape.gz", HEADER, ledger + fraction))
    assert [str(line.seconds) for line in tape] == ["0.0"]
    assert tape.dropped == 1


@pytest.mark.parametrize("name", ["\\ud800", "x" * 100_000])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    first = b'{"tape":1,"network":"' + name.encode() + b'"}\n'
    cost = read("tape", packed(tmp_path / "x.tape.gz", first, LEDGER))
    assert "not a tape" in cost.sentence
    assert len(cost.sentence) < 500


# --- pipes --------------------------------------------------------------------------------------------------


def tape_in(path: Path) -> Path:
    with TapeWriter(path, Header("testnet"), compress=path.suffix == ".gz") as tape:
        for second in range(400):
            tape.write(Line(second / 10, Ledger(second, second, 7, 1, 0, ())))
    return path


@LINUX
@pytest.mark.parametrize("name", ["x.tape", "x.tape.gz"])
def test_a_tape_from_standard_input_is_played_whole(tmp_path: Path, name: str) -> None:
    path = tape_in(tmp_path / name)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        cost = measured(f"pipe {name}", read("tape", "/dev/stdin", cat.stdout))
    assert (cost.sentence, cost.count, cost.dropped) == ("", 400, 0)


@LINUX
def test_a_hostile_pipe_costs_no_more_than_a_file(tmp_path: Path) -> None:
    for path, good in ((endless(tmp_path / "a.gz"), 1), (many(tmp_path / "b.gz", b'{"t":0}\n'), 0)):
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            cost = measured(f"pipe {path.name}", read("tape", "/dev/stdin", cat.stdout))
        assert (cost.count, bool(cost.sentence)) == (good, True)


@LINUX
def test_render_reads_a_process_substitution_and_standard_input(tmp_path: Path) -> None:
    """The whole way, as a person types it: the path is not opened a second time."""
    path, program = tape_in(tmp_path / "x.tape.gz"), f"{sys.executable} -m appliance"
    for number, words in enumerate((f"render <(zcat {path})", f"zcat {path} | {program} render /dev/stdin")):
        output = tmp_path / f"{number}.jsonl"
        command = words if "|" in words else f"{program} {words}"
        done = subprocess.run(
            ["bash", "-c", f"{command} --seconds 30 -o {output}"],
            capture_output=True,
            text=True,
            timeout=120,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        assert len(output.read_text().splitlines()) > 5


@LINUX
def test_render_refuses_what_it_cannot_read_in_one_line(tmp_path: Path) -> None:
    path = endless(tmp_path / "x.tape.gz")
    path.write_bytes(path.read_bytes()[len(gzip.compress(HEADER + LEDGER)) :])
    command = [sys.executable, "-m", "appliance", "render", str(path), "-o", str(tmp_path / "x.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
