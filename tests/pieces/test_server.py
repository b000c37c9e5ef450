# SPDX-License-Identifier: Apache-2.0
"""The socket of the pieces: each command gets one sentence, whatever it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.pieces.server import PieceServer

pytestmark = pytest.mark.process


async def encode(text: str) -> dict[str, Any]:
    """A command that fails for text that is none."""
    return {"bytes": len(text.encode())}


async def look_up(name: str) -> dict[str, Any]:
    """A command with a fault of its own."""
    known: dict[str, str] = {}
    return {"found": known[name]}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[" + b"[]," * 1_000_000 + b"0]",
        b'{"do":["encode"]}',
        b'{"do":"encode"}',
        b'{"do":"encode","self":"x"}',
        b'{"do":"encode","text":"\\ud800"}',
        b'{"do":"look_up","name":"x"}',
        b'{"do":"__init__"}',
    ],
)
def test_every_command_is_answered_and_the_next_one_obeyed(line: bytes, tmp_path: Path) -> None:
    async def run() -> None:
        server = PieceServer(tmp_path, {"encode": encode, "look_up": look_up})
        async with server.running(), asyncio.timeout(60):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "pieces.sock"))
            writer.write(line + b"\n" + b'{"do":"encode","text":"ok"}\n')
            refused, obeyed = json.loads(await reader.readline()), json.loads(await reader.readline())
            writer.close()
        assert refused["ok"] is False
        assert refused["error"].endswith(".")
        assert obeyed == {"ok": True, "bytes": 2}

    asyncio.run(run())
