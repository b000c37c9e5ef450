# SPDX-License-Identifier: Apache-2.0
"""Which server an endpoint means, and what is loaded for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from appliance.ledger.networks import KNOWN
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.endpoints import open_session
from appliance.ledger.reader.horizon import Horizon
from appliance.ledger.reader.rpc import Rpc
from appliance.ledger.reader.session import ListenOptions, Session

RPC_SIDE = {f"appliance.ledger.reader.{name}" for name in ("rpc", "soroban", "xdr")}

# Opens a session with each server that the arguments name, as `follow` and `probe` do, and prints our loaded modules.
PROGRAM = """
import asyncio, json, sys
import appliance.ledger.reader.listener, appliance.ledger.reader.probe, appliance.ledger.reader.record_network
from appliance.ledger.reader.budget import own
from appliance.ledger.reader.endpoints import open_session
from appliance.ledger.reader.session import ListenOptions

async def main():
    for endpoint in sys.argv[1:]:
        await open_session(endpoint, ListenOptions(), own()).close()

asyncio.run(main())
print(json.dumps([name for name in sys.modules if name.startswith("appliance.")]))
"""


def loaded(*endpoints: str) -> set[str]:
    """Our modules in a process that has opened a session with each endpoint."""
    command = [sys.executable, "-c", PROGRAM, *endpoints]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("https://horizon.stellar.org", Horizon),
        ("rpc+https://rpc.example", Rpc),
        ("http://rpc.example", Horizon),
    ],
)
def test_an_endpoint_says_which_kind_of_server_it_is(endpoint: str, kind: type[Session]) -> None:
    async def run() -> Session:
        session = open_session(endpoint, ListenOptions(), own())
        await session.close()
        return session

    assert isinstance(asyncio.run(run()), kind)


@pytest.mark.process
def test_the_rpc_side_is_not_loaded_for_horizon() -> None:
    endpoints = [endpoint for network in KNOWN.values() for endpoint in network.endpoints]
    modules = loaded(*endpoints)
    assert "appliance.ledger.reader.client" in modules
    assert modules & RPC_SIDE == set()


@pytest.mark.process
def test_the_rpc_side_is_loaded_for_an_rpc_server() -> None:
    assert loaded("rpc+http://127.0.0.1:9") >= RPC_SIDE
