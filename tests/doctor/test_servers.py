# SPDX-License-Identifier: Apache-2.0
"""The servers of a network, working and failing, against real ones on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.doctor.servers import judged, servers
from appliance.ledger.networks import RPC, Network
from appliance.ledger.reader.probe import ProbeResult, probe
from appliance.ledger.reader.session import Timeouts, Tip
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.patient import NOW, patient

pytestmark = pytest.mark.process

NETWORK = Network("mine", "first", ("https://one.example", f"{RPC}https://two.example"))
HASTE = Timeouts(connect=0.5, answer=0.5, page=0.5)


def result(at: int, age: float | None, why: str = "does not answer") -> ProbeResult:
    tip = None if age is None else Tip(1000 + at, int(NOW - age))
    return ProbeResult(NETWORK.endpoints[at], tip, "" if tip else why, 0.4)


@pytest.mark.parametrize(
    ("first", "second", "verdicts", "words"),
    [
        (
            result(0, 3),
            result(1, 4),
            "ok ok",
            ["1,000", "1,001"],
        ),
        (result(0, 3), result(1, 400), "ok note", ["1,000", "397 s behind the others"]),
        (
            result(0, 3),
            result(1, None),
            "ok note",
            ["1,000", "Nothing to do"],
        ),
        (result(0, 400), result(1, 402), "note note", ["400 s ago", "402 s ago"]),
        (
            result(0, None),
            result(1, None, "cannot be found"),
            "wrong wrong",
            ["Try again later", "Check the cable"],
        ),
        (
            result(0, None, "serves another network than mine"),
            result(1, None),
            "wrong wrong",
            ["passphrase", ""],
        ),
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


def test_real_servers_are_asked_at_once_and_with_a_timeout() -> None:
    async def run() -> None:
        chain = generated([3] * 4, network="first")
        async with HorizonServer(chain) as succeeded, HorizonServer(chain, faults={"root": ["mute"]}) as mute:
            endpoints = (succeeded.url, mute.url, "http://127.0.0.1:9", f"{RPC}{succeeded.url}")
            seen = await probe(Network("mine", "first", endpoints), HASTE)
            assert [one.endpoint for one in seen] == list(endpoints)
            assert seen[0].tip
            assert seen[0].tip.sequence == chain.ledgers[-1]["sequence"]
            assert [one.why for one in seen[1:]] == ["does not answer", "cannot be reached", seen[3].why]
            assert seen[3].why  # a Horizon is no RPC server
            (other,) = await probe(Network("mine", "second", (succeeded.url,)), HASTE)
            assert other.why == "serves another network than mine"

    asyncio.run(run())


def test_a_server_that_answers_slowly_has_a_timeout_in_all() -> None:
    async def run() -> None:
        async with HorizonServer(generated([3]), faults={"root": ["slow"]}) as server:
            (seen,) = await probe(Network("mine", "first", (server.url,)), Timeouts(), longest=0.2)
            assert seen.why == "does not answer within 0 s"

    asyncio.run(run())


def test_findings_come_from_the_servers(tmp_path: Path) -> None:
    async def run() -> None:
        async with HorizonServer(generated([3] * 4, network="first")) as server:
            (found,) = await servers(patient(tmp_path), Network("mine", "first", (server.url,)))
            assert found.check == "server mine"
            assert found.says.startswith("127.0.0.1 is at ledger ")

    asyncio.run(run())
