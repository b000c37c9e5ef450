# SPDX-License-Identifier: Apache-2.0
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from appliance.ledger.networks import Network
from appliance.ledger.reader.record_network import ENDS, NetworkRecorder, record_network
from appliance.ledger.reader.session import ListenOptions
from appliance.ledger.staleness import HEARTBEAT
from appliance.ledger.tape import BadTape, Header, Heartbeat, Line, TapeWriter, open_tape
from appliance.saved.replacing import CannotWrite, part_of
from appliance.values import Ledger, Link, LinkState
from tests.support.ending import ended
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer

pytestmark = pytest.mark.process

LOST = Link(LinkState.BACKING_OFF, "mine", "horizon.example.org is nowhere to be found", 4.0)


def taped(path: Path, *lines: Header | Line) -> str:
    with TapeWriter(path, Header("mine")) as tape:
        recorder = NetworkRecorder(tape, "mine")
        for line in lines:
            recorder.write(line)
    return recorder.summary(path)


def ledger(number: int) -> Ledger:
    return Ledger(number, number, 800, 1, 0, ())


def test_the_summary_counts_what_is_on_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "r.tape"
    lines = [Line(5.0 * number, ledger(number)) for number in range(1200)]
    summary = taped(path, Header("mine"), *lines, Line(9000.0, Heartbeat()))
    assert all(part in summary for part in (str(path), "1,200", "960,000"))
    assert list(open_tape(path)) == lines  # neither a second header nor a heartbeat


def test_a_tape_names_no_server(tmp_path: Path) -> None:
    path = tmp_path / "r.tape"
    taped(path, Line(0.0, LOST), Line(1.0, ledger(1)))
    assert "example" not in path.read_text()
    assert next(iter(open_tape(path))).entry == Link(LinkState.BACKING_OFF, "mine", "", 4.0)


def test_a_network_that_is_away_is_logged_once_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> int:
        return sum("mine" in message and LOST.reason in message for message in caplog.messages)

    with caplog.at_level(logging.WARNING), TapeWriter(tmp_path / "r.tape", Header("mine")) as tape:
        recorder = NetworkRecorder(tape, "mine")
        recorder.write(Line(0.0, Link(LinkState.CONNECTING, "mine")))
        assert away() == 0
        recorder.write(Line(1.0, LOST))
        assert away() == 1
        recorder.write(Line(5.0, LOST))
        recorder.write(Line(50.0, Heartbeat()))
        assert away() == 1
        recorder.write(Line(60.0, ledger(1)))
        recorder.write(Line(62.0, LOST))  # a network that is back at once was not away
        recorder.write(Line(65.0, ledger(2)))
        recorder.write(Line(70.0, LOST))
        for seconds in (75.0, 80.0, 85.0):
            recorder.write(Line(seconds, Heartbeat()))
        assert away() == 1
        recorder.write(Line(90.0, Heartbeat()))
        assert away() == 2


@pytest.mark.parametrize("stopped", [0.0, 40.0, 1e5])
def test_while_the_recorder_itself_was_stopped_the_network_was_not_away(
    stopped: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGSTOP, or a suspended computer: of a connection that broke meanwhile nothing is said if it is soon back."""
    with TapeWriter(tmp_path / "r.tape", Header("mine")) as tape:
        recorder = NetworkRecorder(tape, "mine")
        recorder.write(Line(1.0, ledger(1)))
        recorder.write(Line(stopped + 2.0, LOST))
        recorder.write(Line(stopped + 6.0, Heartbeat()))
        recorder.write(Line(stopped + 7.0, ledger(2)))
        recorder.write(Line(stopped + 8.0, LOST))
        assert caplog.messages == []
        for seconds in (5.0, 10.0, 15.0, 20.0, 25.0):
            recorder.write(Line(stopped + 8.0 + seconds, Heartbeat()))
        assert LOST.reason in caplog.text


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "mine"),
        ((Line(0.0, LOST),), LOST.reason),
    ],
)
def test_a_tape_without_a_ledger_is_no_success(tmp_path: Path, lines: tuple[Line, ...], why: str) -> None:
    with pytest.raises(BadTape, match=r"r\.tape") as caught:
        taped(tmp_path / "r.tape", *lines)
    assert why in str(caught.value)


@pytest.mark.parametrize("compress", [False, True])
def test_a_power_cut_costs_ten_seconds_at_most(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "r.tape"
    with TapeWriter(path, Header("mine"), compress=compress) as tape:
        recorder = NetworkRecorder(tape, "mine")
        recorder.write(Line(0.1, Link(LinkState.LIVE, "mine")))
        for beat in range(1, 40):
            recorder.write(Line(beat * HEARTBEAT - 0.2, ledger(2 * beat)))
            recorder.write(Line(beat * HEARTBEAT - 0.1, ledger(2 * beat + 1)))
            now = beat * HEARTBEAT
            recorder.write(Line(now, Heartbeat()))
            (tmp_path / "cut").write_bytes(path.read_bytes())  # what is on the disk
            if now >= 10.0:
                assert (
                    list(open_tape(tmp_path / "cut"))[-1].seconds > now - 10.0 + HEARTBEAT
                )  # until the next line


def chain_and_server() -> HorizonServer:
    return HorizonServer(generated([2] * 200, first=1000, network="first"), tip=1000)


@contextmanager
def network(then: Callable[[], Awaitable[object]]) -> Iterator[dict[str, Network]]:
    """A network `one` on another thread. When it is followed it closes 199 ledgers, and then does `then`."""
    urls, done = Queue[str](), threading.Event()

    async def serve() -> None:
        async with chain_and_server() as server:
            urls.put(server.url)
            while not done.is_set() and not any(request.streaming for request in server.requests):
                await asyncio.sleep(0.01)
            server.tip = 1199
            await then()
            while not done.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield {"one": Network("one", "first", (urls.get(timeout=60),))}
    finally:
        done.set()
        thread.join()


@pytest.fixture
def _signals_by_default() -> Iterator[None]:
    """Tests can run in the background or under `nohup`, where SIGINT or SIGHUP is ignored and `record` leaves it so."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_by_default")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_tape(tmp_path: Path, number: signal.Signals) -> None:
    path, handlers = tmp_path / "r.tape", {each: signal.getsignal(each) for each in ENDS}
    path.write_text("an old tape")

    async def end() -> None:
        async with asyncio.timeout(60):
            while part_of(path).stat().st_size == 0:  # until enough has come to be written
                await asyncio.sleep(0.01)
        assert path.read_text() == "an old tape"
        os.kill(os.getpid(), number)

    with network(end) as networks:
        summary = record_network(networks, "one", path, None, ListenOptions())
    count = sum(isinstance(line.entry, Ledger) for line in open_tape(path))
    assert all(part in summary for part in (str(path), f" {count} ", f" {2 * count} "))
    assert count > 1
    assert list(tmp_path.iterdir()) == [path]
    assert {each: signal.getsignal(each) for each in ENDS} == handlers


def test_a_network_that_is_away_leaves_what_was_there(tmp_path: Path) -> None:
    path, networks = tmp_path / "r.tape.gz", {"one": Network("one", "first", ("http://127.0.0.1:9",))}
    path.write_text("an old tape")
    with pytest.raises(BadTape, match=str(path)):
        record_network(networks, "one", path, 0.1, ListenOptions())
    assert path.read_text() == "an old tape"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_cut_off_is_not_written_over(tmp_path: Path) -> None:
    path, part = tmp_path / "r.tape", part_of(tmp_path / "r.tape")
    part.write_text("all that a power cut has left of an evening")
    with pytest.raises(CannotWrite, match=str(part)):
        record_network({}, "one", path, 0.1, ListenOptions())
    assert part.read_text() == "all that a power cut has left of an evening"


def test_a_full_disk_leaves_the_ledgers_until_then(tmp_path: Path) -> None:
    """The limit of a file's size is the disk; a process of its own, because it is the limit of a process."""
    path = tmp_path / "r.tape"
    path.write_text("an old tape")

    async def run() -> tuple[int | None, bytes]:
        async with chain_and_server() as server:
            config = tmp_path / "box.toml"
            config.write_text(
                f'network = "mine"\n[networks.mine]\nendpoints = ["{server.url}"]\npassphrase = "first"\n'
            )
            words = f"ulimit -f 16; exec {sys.executable} -m appliance record --config {config} -o {path}"
            # Without coverage, whose own file the limit would break, too.
            environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
            process = await asyncio.create_subprocess_exec(
                "bash", "-c", words, stderr=asyncio.subprocess.PIPE, env=environ
            )
            async with ended(process), asyncio.timeout(60):
                while not any(request.streaming for request in server.requests):
                    await asyncio.sleep(0.01)
                server.tip = 1199
                _, said = await process.communicate()
            return process.returncode, said

    code, said = asyncio.run(run())
    assert code == 1
    assert said.count(b"\n") == 1
    assert str(part_of(path)).encode() in said
    assert path.read_text() == "an old tape"
    assert sum(isinstance(line.entry, Ledger) for line in open_tape(part_of(path))) > 50
