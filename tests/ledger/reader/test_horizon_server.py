# SPDX-License-Identifier: Apache-2.0
"""The test server against what the real one was recorded to send."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
from typing import Any

import pytest

from appliance.ledger.networks import Network
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.reader.session import Cause
from tests.support.horizon_records import Chain, chain_of, generated, recorded, rows
from tests.support.horizon_server import HorizonServer

pytestmark = pytest.mark.process

STREAM = {"Accept": "text/event-stream"}


async def ask(server: HorizonServer, target: str, headers: dict[str, str] | None = None) -> tuple[str, bytes]:
    """The header and the body, without its chunks, that the server sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{n}: {v}" for n, v in (headers or {}).items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = b""
    if "chunked" in head:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
    elif length := re.search(r"Content-Length: (\d+)", head):
        body = await reader.readexactly(int(length[1]))
    writer.close()
    await writer.wait_closed()
    return head, body


def answer(
    chain: Chain, target: str, headers: dict[str, str] | None = None, **options: Any
) -> tuple[str, bytes]:
    """One request to a server of its own."""

    async def run() -> tuple[str, bytes]:
        async with HorizonServer(chain, **options) as server:
            return await ask(server, target, headers)

    return asyncio.run(run())


def page(chain: Chain, target: str) -> Any:
    return json.loads(answer(chain, target)[1])


def chain_2020() -> Chain:
    return chain_of(rows(recorded("pubnet-2020-07-28-11-ledgers-operations.jsonl.gz")))


def test_a_connection_at_the_default_limit_is_the_recorded_one_to_the_byte() -> None:
    head, body = answer(chain_2020(), "/operations?cursor=0", STREAM)
    assert body == recorded("sse-limit10.txt").read_bytes()
    date = re.compile("Date: .*")
    assert date.sub("", head) == date.sub("", recorded("sse-headers.txt").read_bytes().decode())


def test_an_idle_connection_is_the_recorded_one_to_the_byte() -> None:
    for cursor in ("now", str(2**62)):
        _, body = answer(chain_2020(), f"/operations?cursor={cursor}", STREAM, timeout=0.0)
        assert body == recorded("sse-idle.txt").read_bytes()


def test_a_rate_limited_stream_is_the_recorded_one_to_the_byte() -> None:
    _, body = answer(generated([1]), "/operations?cursor=0", STREAM, faults={"stream": ["error"]})
    assert body == recorded("sse-rate-limited-midstream.txt").read_bytes()


def test_the_timed_transcript_is_replayed_and_rendered_to_the_byte() -> None:
    transcript = [(row["t"], row["sse"].encode()) for row in rows(recorded("sse-timed.jsonl.gz"))]
    sent = b"".join(message for _, message in transcript)
    assert len(transcript) == 202
    chain = chain_2020()
    _, replayed = answer(chain, "/operations", STREAM, transcript=transcript, scale=0.001)
    assert replayed == sent
    first = int(sent.split(b"id: ")[1].split(b"\n")[0])
    _, rendered = answer(chain, f"/operations?cursor={first - 1}&limit=200", STREAM)
    assert rendered == sent


def test_last_event_id_beats_the_cursor() -> None:
    chain = generated([3])
    second = chain.operations[1000][1]["id"]
    _, body = answer(chain, "/operations?cursor=0&limit=1", {**STREAM, "Last-Event-ID": second})
    assert f"id: {chain.operations[1000][2]['id']}".encode() in body
    assert body.count(b"id: ") == 1


def test_the_first_page_tells_the_network_and_its_last_ledger() -> None:
    root = page(generated([1, 2, 3], network="here"), "/")
    assert (root["network_passphrase"], root["history_latest_ledger"]) == ("here", 1002)


def test_pages_go_on_and_back_by_their_links() -> None:
    chain = generated([5])
    tokens = [record["paging_token"] for record in chain.operations[1000]]
    first = page(chain, "/ledgers/1000/operations?limit=2")
    assert [record["id"] for record in first["_embedded"]["records"]] == tokens[:2]
    onward = first["_links"]["next"]["href"]
    assert onward.endswith(f"/ledgers/1000/operations?cursor={tokens[1]}&limit=2&order=asc")
    second = page(chain, onward[onward.index("/ledgers") :])
    assert [record["id"] for record in second["_embedded"]["records"]] == tokens[2:4]
    back = second["_links"]["prev"]["href"]
    again = page(chain, back[back.index("/ledgers") :])
    assert [record["id"] for record in again["_embedded"]["records"]] == tokens[:2][::-1]


def test_a_page_is_indented_by_two_and_packed_when_asked_for() -> None:
    chain = generated([2])
    head, plain = answer(chain, "/operations?limit=2")
    assert "Content-Encoding" not in head
    assert plain.startswith(b'{\n  "_links": {\n    "self": {\n      "href": "http://127.0.0.1:')
    assert b"\\u0026" in plain
    assert b"&" not in plain
    head, packed = answer(chain, "/operations?limit=2", {"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding: gzip" in head
    port = re.compile(rb"127.0.0.1:\d+")
    assert port.sub(b"", gzip.decompress(packed)) == port.sub(b"", plain)


def test_only_closed_ledgers_are_there() -> None:
    chain = generated([1, 1, 1])
    assert "404 Not Found" in answer(chain, "/ledgers/1002/operations", tip=1001)[0]
    assert "200 OK" in answer(chain, "/ledgers/1001", tip=1001)[0]
    _, body = answer(chain, "/ledgers?cursor=0&limit=2", STREAM, tip=1001)
    assert re.findall(rb"id: (\d+)", body) == [b"4294967296000", b"4299262263296"]


def test_a_429_says_when_to_come_back_on_pages_only() -> None:
    head, body = answer(generated([1]), "/operations", faults={"list": ["429"]})
    assert "429 Too Many Requests" in head
    assert "Retry-After: 1\r\n" in head
    assert json.loads(body)["status"] == 429
    head, _ = answer(generated([1]), "/operations", STREAM, faults={"stream": ["429"]})
    assert "429 Too Many Requests" in head
    assert "Retry-After" not in head


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--mode", "redirect"], Cause.REDIRECT),
        (["--mode", "503", "--of", "root"], Cause.REFUSED),
        (["--tls", "expired"], Cause.AUTHORITY),
    ],
)
def test_by_hand_it_does_what_it_is_asked_for(words: list[str], cause: Cause) -> None:
    """Started from the command line, as documented, and probed as the doctor does."""

    async def run() -> ProbeResult:
        command = [sys.executable, "-m", "tests.support.horizon_server", "--port", "0", *words]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout
            url = (await process.stdout.readline()).decode().split(" at ")[1].split(",")[0]
            testnet = Network("testnet", "Test SDF Network ; September 2015", (url,))
            (result,) = await probe(testnet)
            return result
        finally:
            process.terminate()
            await process.wait()

    assert asyncio.run(run()).cause is cause
