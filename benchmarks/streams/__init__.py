# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks.listener` compares: the clients, and the server that they listen to."""

OPERATIONS = 100_000
START = (60_000_000 << 32) - 1  # the cursor before the server's first ledger
PAGE = 200  # events of a connection: the most that Horizon gives
NEVER = 5.0  # s; who has not stopped by then does not stop
