# SPDX-License-Identifier: Apache-2.0
"""The servers of a network, working and failing, against real ones on this machine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest

from appliance.doctor.finding import Verdict
from appliance.doctor.servers import ALTERNATIVE, LATER, judged, servers
from appliance.ledger.networks import RPC, Network
from appliance.ledger.reader.horizon import BUFFERED
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.reader.session import Cause, Timeouts, Tip
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.patient import NOW, patient

pytestmark = pytest.mark.process

NETWORK = Network("mine", "first", ("https://one.example", f"{RPC}https://two.example"))
PATIENT = Timeouts(connect=60, answer=60, page=60)


def result(at: int, age: float | None, cause: Cause = Cause.SILENT) -> ProbeResult:
    if age is None:
        return ProbeResult(NETWORK.endpoints[at], None, "has a fault", 0.4, cause=cause)
    return ProbeResult(NETWORK.endpoints[at], Tip(1000 + at, int(NOW - age)), "", 0.4)


@pytest.mark.parametrize(
    ("first", "second", "verdicts", "words"),
    [
        (result(0, 3), result(1, 4), "ok ok", ["1,000", "1,001"]),
        (result(0, 3), result(1, 400), "ok note", ["1,000", "397 s"]),
        (result(0, 3), result(1, None), "ok note", ["1,000", ALTERNATIVE]),
        (result(0, 400), result(1, 402), "note note", ["400 s", "402 s"]),
        (result(0, None), result(1, None), "wrong wrong", [LATER, LATER]),
    ],
)
def test_the_verdict_on_a_server_depends_on_the_others(
    first: ProbeResult, second: ProbeResult, verdicts: str, words: list[str]
) -> None:
    found = list(judged(NETWORK, [first, second], NOW))
    assert [finding.verdict for finding in found] == verdicts.split()
    for finding, expected in zip(found, words, strict=True):
        assert finding.check == "server mine"
        assert expected in f"{finding.says} {finding.advice}"


@pytest.mark.parametrize(
    ("cause", "word"),
    [
        (Cause.UNFOUND, "cable"),
        (Cause.UNREACHED, "cable"),
        (Cause.PROXY, "HTTPS_PROXY"),
        (Cause.PROXY_UNFOUND, "HTTPS_PROXY"),
        (Cause.TLS, "address"),
        (Cause.TLS_VERSION, "server"),
        (Cause.AUTHORITY, "update-ca-certificates"),
        (Cause.DATE, "date"),
        (Cause.CERTIFICATE, "date"),
        (Cause.KEY, "headers"),
        (Cause.REDIRECT, "address"),
        (Cause.WEB_PAGE, "Wi-Fi"),
        (Cause.NETWORK, "passphrase"),
        (Cause.LIMITED, LATER),
    ],
)
def test_the_advice_depends_on_the_cause(cause: Cause, word: str) -> None:
    for finding in judged(NETWORK, [result(0, None, cause), result(1, None, cause)], NOW):
        assert finding.verdict is Verdict.WRONG
        assert word in finding.advice


@pytest.mark.parametrize(("note", "word"), [(BUFFERED, "proxy_buffering"), ("lacks pages", "")])
def test_the_remedy_of_a_note(note: str, word: str) -> None:
    (found,) = judged(NETWORK, [replace(result(0, 3), note=note)], NOW)
    assert found.verdict is Verdict.NOTE
    assert word in found.advice
    assert ("proxy_buffering" in found.advice) is (note == BUFFERED)


def test_real_servers_are_asked() -> None:
    async def run() -> None:
        chain = generated([3] * 4, network="first")
        async with HorizonServer(chain) as server:
            endpoints = (server.url, "http://127.0.0.1:9", f"{RPC}{server.url}")
            seen = await probe(Network("mine", "first", endpoints), PATIENT, longest=60)
            assert [one.endpoint for one in seen] == list(endpoints)
            assert seen[0].tip
            assert seen[0].tip.sequence == chain.ledgers[-1]["sequence"]
            # A Horizon is no RPC server.
            assert [one.cause for one in seen] == [None, Cause.UNREACHED, Cause.MALFORMED]
            (other,) = await probe(Network("mine", "second", (server.url,)), PATIENT, longest=60)
            assert other.cause is Cause.NETWORK

    asyncio.run(run())


def test_servers_are_asked_at_once() -> None:
    async def run() -> float:
        mute = HorizonServer(generated([3]), faults={"root": repeat("mute")})
        async with mute:
            begun = asyncio.get_running_loop().time()
            seen = await probe(Network("mine", "first", (mute.url,) * 40), replace(PATIENT, answer=2.0))
            assert {one.cause for one in seen} == {Cause.SILENT}
            return asyncio.get_running_loop().time() - begun

    assert asyncio.run(run()) < 60.0  # s; one after the other they would take 80 s


def test_a_server_that_answers_slowly_has_a_timeout_in_all() -> None:
    async def run() -> None:
        async with HorizonServer(generated([3]), faults={"root": ["slow"]}) as server:
            (seen,) = await probe(Network("mine", "first", (server.url,)), Timeouts(), longest=0.2)
            assert seen.cause is Cause.SILENT

    asyncio.run(run())


def test_findings_come_from_the_servers(tmp_path: Path) -> None:
    async def run() -> None:
        async with HorizonServer(generated([3] * 4, network="first")) as server:
            (found,) = await servers(patient(tmp_path), Network("mine", "first", (server.url,)))
            assert found.check == "server mine"
            assert found.says.startswith("127.0.0.1 is at ledger ")

    asyncio.run(run())
