# SPDX-License-Identifier: Apache-2.0
"""A playing box writes no personal data to its files, and no other host can connect to it.

The real box, with its real listener beside it, against a server that sends what Horizon sends (and worse): accounts,
hashes and memos in every record.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stellar_sdk import MuxedAccount, StrKey

from appliance.ledger.tape import bundled
from tests.support.ending import ended
from tests.support.horizon_records import ISSUER, Chain, generated
from tests.support.horizon_server import HorizonServer, render
from tests.support.sockets import doors
from tests.support.traces import MEMO, found, traces, written

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "appliance"]
PATIENCE = 200.0  # s that a loaded machine may need for all of it


def chain() -> Chain:
    """Ledgers with memos, and records that are wrong in every way that might make somebody quote them."""
    made = generated([4] * 60, network="first")
    for sequence, operations in made.operations.items():
        for number, record in enumerate(operations):
            record["memo"] = record["transaction"] = {"memo_type": "text", "memo": MEMO}
            record["to_muxed"] = "M" + ISSUER[1:] + "AAAAAAAAAAAAA"
            if number == sequence % 5:
                record["amount"] = record["source_account"]
            if number == sequence % 3:
                record["type_i"] = record["transaction_hash"]
    return made


def settings(folder: Path, server: HorizonServer) -> Path:
    path = folder / "settings"
    path.mkdir()
    (path / "box.toml").write_text(
        f'network = "mine"\nstate_dir = "{folder}/state"\n'
        f'[networks.mine]\nendpoints = ["{server.url}"]\npassphrase = "first"\n'
    )
    return path / "box.toml"


@asynccontextmanager
async def playing(folder: Path, config: Path) -> AsyncIterator[Process]:
    """A box whose log goes into a file."""
    with (folder / "log").open("w") as log:
        words = [*COMMAND, "run", "--verbose", "--config", str(config)]
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=log, stderr=log)
    async with ended(process):
        yield process


async def said(folder: Path, words: str) -> None:
    while not re.search(words, (folder / "log").read_text()):
        await asyncio.sleep(0.05)


async def run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, *words, stdin=DEVNULL, stdout=DEVNULL)
    assert await process.wait() in (0, 1)  # the doctor may well find something


def test_a_box_writes_no_personal_data(tmp_path: Path) -> None:
    faults = {"stream": ["nonsense", "rst", "error"], "page": ["ok", "html", "short"]}
    tape, bundle = tmp_path / "evening.tape", tmp_path / "support.zip"

    async def play() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            HorizonServer(chain(), tip=1010) as well,
            HorizonServer(chain(), tip=1010, faults=faults) as ill,
        ):
            # There is something to find: every record that goes out is full of it.
            assert len(traces(render(ill.chain.operations[1005][0]))) > 5
            config = settings(tmp_path, ill)
            async with playing(tmp_path, config) as process:
                await said(tmp_path, "Live: ")
                words = ("--set", f"networks.mine.endpoints={well.url}", "-o", str(tape), "--seconds", "2")
                recording = asyncio.create_task(run("record", "--config", str(config), *words))
                while not recording.done() or len([asked for asked in ill.requests if asked.streaming]) < 3:
                    for server in (well, ill):
                        server.tip = min(1059, server.tip + bool(server.asked("/ledgers")))
                    await asyncio.sleep(0.05)
                await run("doctor", "--config", str(config), "--bundle", str(bundle))
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0

    asyncio.run(play())
    assert {name for name, _ in written(tmp_path)} >= {"log", "evening.tape", "doctor.json", "state.json"}
    assert tape.read_text().count('"ledger"') > 3
    assert found(tmp_path) == []


def test_a_trace_is_found_in_a_longer_word_and_packed_music_is_none() -> None:
    key = bytes(range(32))
    muxed = MuxedAccount(ISSUER, 77).account_muxed
    assert muxed
    for trace in (
        *(ISSUER, muxed, StrKey.encode_contract(key), StrKey.encode_liquidity_pool(key)),
        StrKey.encode_claimable_balance(b"\0" + key),
    ):
        assert traces(f"XG{trace}AA") == [trace]
    assert traces("BS6ZNAQJN6" + 12 * "ANN6") == []  # of a kept tape, in base64


def listeners(process: Process) -> list[int]:
    return [
        int(child)
        for tasks in Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux: /proc/net lists the sockets")
def test_a_box_that_plays_accepts_no_connection_from_the_network(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            HorizonServer(chain(), tip=1010) as server,
            playing(tmp_path, settings(tmp_path, server)) as process,
        ):
            await said(tmp_path, "Live: ")
            (listener,) = listeners(process)
            for _ in range(20):
                server.tip += 1
                assert [door.split()[0] for door in doors(process.pid)] == ["unix"]  # the control socket
                assert doors(listener) == []
                await asyncio.sleep(0.02)
            # The same eyes see our server's door.
            assert doors(os.getpid()) == [f"tcp 0100007F:{server.port:04X}"]

    asyncio.run(play())


def test_doors_of_each_kind_are_seen(tmp_path: Path) -> None:
    made = [
        socket.create_server(("127.0.0.1", 0)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),  # connected, so no door
    ]
    made[1].bind(("127.0.0.1", 0))
    made[2].bind(str(tmp_path / "door"))
    made[2].listen()
    made[3].connect(("127.0.0.1", 9))
    try:
        assert [door.split()[0] for door in doors(os.getpid())] == ["tcp", "udp", "unix"]
    finally:
        for one in made:
            one.close()


def test_the_bundled_recording_has_no_personal_data(tmp_path: Path) -> None:
    (tmp_path / "wind").write_bytes(bundled().path.read_bytes())
    assert [len(text) > 100_000 for _, text in written(tmp_path)] == [True]
    assert found(tmp_path) == []
