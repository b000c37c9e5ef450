# SPDX-License-Identifier: Apache-2.0
"""The player's side of the network: ledgers from a supervised listener, or from a recording.

    supervisor    keeps a listener running and reads its lines
    relay         a process that connects the supervisor to a listener in a systemd unit of its own
    played        drops what was already played before the listener was restarted
    source        chooses between the network and the recording
    feed          the above together: the ledgers to play, and the state of the network
    inbox         passes ledgers to the performer's thread

It imports nothing of `reader`: only the listener's process uses the network.
"""
