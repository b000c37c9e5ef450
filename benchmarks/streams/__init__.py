# SPDX-License-Identifier: Apache-2.0
"""The clients that `benchmarks.listener` compares, and their server."""

OPERATIONS = 100_000
START = (60_000_000 << 32) - 1  # the cursor before the server's first ledger
PAGE = 200  # events of a connection: the most that Horizon gives
NEVER = 5.0  # s; a client that has not stopped by then never stops
