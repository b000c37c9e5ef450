# SPDX-License-Identifier: Apache-2.0
"""The cause of a session's end for each fault of a server, as the doctor's probe reports it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from appliance.ledger.networks import Network
from appliance.ledger.reader.probe import SHORT, ProbeResult, probe
from appliance.ledger.reader.session import Cause, Timeouts
from tests.support.horizon_records import generated
from tests.support.horizon_server import HorizonServer
from tests.support.rpc_server import RpcServer

pytestmark = pytest.mark.process

PATIENT = Timeouts(connect=60, answer=60, page=60, silence=60, ask=60, late=60, stale=120)
HASTY = replace(SHORT, answer=0.3, page=0.3, silence=0.3)
TIMED = ("mute", "slow", "trickle")  # faults that only a timeout ends


async def probed(server: HorizonServer | RpcServer, fault: str = "") -> ProbeResult:
    async with server:
        where = Network("here", "generated", (server.url,))
        (result,) = await probe(where, HASTY if fault in TIMED else PATIENT, longest=60)
    return result


@pytest.mark.parametrize(
    ("request_", "fault", "cause"),
    [
        ("root", "mute", Cause.SILENT),
        ("root", "slow", Cause.SILENT),
        ("root", "rst", Cause.BROKEN),
        ("root", "429", Cause.LIMITED),
        ("root", "401", Cause.KEY),
        ("root", "403", Cause.KEY),
        ("root", "407", Cause.PROXY),
        ("root", "503", Cause.REFUSED),
        ("root", "html", Cause.WEB_PAGE),
        ("root", "redirect", Cause.REDIRECT),
        ("root", "bomb", Cause.TOO_LONG),
        ("stream", "trickle", Cause.SILENT),
        ("stream", "eof", Cause.BROKEN),
        ("stream", "error", Cause.LIMITED),
        ("stream", "500", Cause.REFUSED),
        ("stream", "redirect", Cause.REDIRECT),
        ("stream", "endless", Cause.TOO_LONG),
        ("page", "rst", Cause.BROKEN),
        ("page", "bomb", Cause.TOO_LONG),
    ],
)
def test_a_fault_of_a_horizon_has_its_cause(request_: str, fault: str, cause: Cause) -> None:
    server = HorizonServer(generated([3]), faults={request_: [fault]})
    assert asyncio.run(probed(server, fault)).cause is cause


@pytest.mark.parametrize(
    ("method", "fault", "cause"),
    [
        ("getNetwork", "mute", Cause.SILENT),
        ("getNetwork", "rst", Cause.BROKEN),
        ("getNetwork", "nonsense", Cause.MALFORMED),
        ("getNetwork", "shapeless", Cause.MALFORMED),
        ("getNetwork", "html", Cause.WEB_PAGE),
        ("getNetwork", "redirect", Cause.REDIRECT),
        ("getNetwork", "bomb", Cause.TOO_LONG),
        ("getNetwork", "429", Cause.LIMITED),
        ("getNetwork", "-32005", Cause.LIMITED),
        ("getNetwork", "-32001", Cause.REFUSED),
        ("getNetwork", "503", Cause.REFUSED),
        ("getNetwork", "wrong", Cause.NETWORK),
        ("getHealth", "stale", Cause.STALE),
        ("getEvents", "-32000=Too many requests", Cause.LIMITED),
    ],
)
def test_a_fault_of_an_rpc_server_has_its_cause(method: str, fault: str, cause: Cause) -> None:
    server = RpcServer(generated([3]), faults={method: [fault]})
    assert asyncio.run(probed(server, fault)).cause is cause


def test_a_server_that_works_has_none() -> None:
    assert asyncio.run(probed(HorizonServer(generated([3])))).cause is None


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [("http://127.0.0.1:9", Cause.UNREACHED), ("https://horizon.invalid", Cause.UNFOUND)],
)
def test_a_server_that_is_not_there_has_its_cause(endpoint: str, cause: Cause) -> None:
    (result,) = asyncio.run(probe(Network("here", "generated", (endpoint,)), PATIENT, longest=60))
    assert result.cause is cause
