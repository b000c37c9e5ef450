# SPDX-License-Identifier: Apache-2.0
"""From the network to ledgers, in two processes that share one format.

reader/   the listener's process: everything that touches the network ──tape lines──▶ a pipe
tape/     the format of those lines, and of tape files
feed/     the player's process: the supervisor of the listener, and the choice between network and recording
"""
