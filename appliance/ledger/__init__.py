# SPDX-License-Identifier: Apache-2.0
"""From a Stellar network to ledgers, in two processes that share one format.

    reader/        the listener's process: everything that touches the network ──tape lines──▶ a pipe
    tape/          the format of those lines and of tape files; imports neither of the others
    feed/          the player's process: supervises the listener, and plays a recording while there is no network
    networks.py    the known networks and their servers
    staleness.py   after how long without news each of them acts

`reader` and `feed` do not import each other. `tests/test_layers.py` enforces it.
"""
