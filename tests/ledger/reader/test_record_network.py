# SPDX-License-Identifier: Apache-2.0
import asyncio
import logging
from pathlib import Path

import pytest

from appliance.ledger.networks import Network
from appliance.ledger.reader.record_network import NetworkRecorder, record_network
from appliance.ledger.reader.session import ListenOptions
from appliance.ledger.tape import BadTape, Header, Heartbeat, Line, TapeWriter, open_tape
from appliance.values import Ledger, Link, LinkState
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
    assert taped(path, Header("mine"), *lines, Line(9000.0, Heartbeat())) == (
        f"Recorded {path}: 1,200 ledgers, 960,000 operations."
    )
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
        return caplog.messages.count(
            f"The mine network is away: {LOST.reason}. The recording goes on when it is back."
        )

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
        recorder.write(Line(85.0, Heartbeat()))
        assert away() == 1
        recorder.write(Line(90.0, Heartbeat()))
        assert away() == 2


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "none came from the mine network."),
        ((Line(0.0, LOST),), f"none came from the mine network: {LOST.reason}."),
    ],
)
def test_a_tape_without_a_ledger_is_no_success(tmp_path: Path, lines: tuple[Line, ...], why: str) -> None:
    with pytest.raises(BadTape, match=r"r\.tape holds no ledger") as caught:
        taped(tmp_path / "r.tape", *lines)
    assert why in str(caught.value)


def test_a_recording_that_is_cancelled_has_what_came_until_then(tmp_path: Path) -> None:
    path = tmp_path / "r.tape"

    async def run() -> str:
        async with HorizonServer(generated([2] * 200, first=1000, network="first"), tip=1000) as server:
            networks = {"one": Network("one", "first", (server.url,))}
            recording = asyncio.create_task(record_network(networks, "one", path, None, ListenOptions()))
            async with asyncio.timeout(60):
                while not any(request.streaming for request in server.requests):
                    await asyncio.sleep(0.01)
                server.tip = 1199
                while path.stat().st_size == 0:  # until enough has come to be written
                    await asyncio.sleep(0.01)
                recording.cancel()
                return await recording

    summary = asyncio.run(run())
    count = sum(isinstance(line.entry, Ledger) for line in open_tape(path))
    assert summary == f"Recorded {path}: {count} ledgers, {2 * count} operations."
    assert count > 1
