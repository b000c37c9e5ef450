# SPDX-License-Identifier: Apache-2.0
"""The end of a process that we started."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import pytest

from appliance.host.process import drain

pytestmark = pytest.mark.process

# It writes more than a pipe and the buffer of asyncio hold.
FLOOD = "import sys; sys.stdout.write('x' * (1 << 20)); sys.exit(3)"


@pytest.mark.parametrize("output", [PIPE, DEVNULL])
def test_the_end_is_noticed_whatever_was_written(output: int) -> None:
    async def run() -> int | None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, stdout=output)
        try:
            async with asyncio.timeout(20):
                await drain(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        return process.returncode

    assert asyncio.run(run()) == 3
