# SPDX-License-Identifier: Apache-2.0
"""Pieces: kept scores that are signed, found, passed on and sold. Optional, and a process of its own.

    keys.py      signatures and sealing (PyNaCl)          feed.py    an artist's signed, append-only list; pure
    accounts.py  addresses and signed messages; pure      piece.py   what a piece consists of; pure
    sales.py     what is paid and what is owed; pure      swarm.py   other boxes (libtorrent)
    horizon.py   payments and accounts (HTTP)             shelf.py   what is on the disk
    node.py      the process: all of these together       server.py  its Unix socket
    verbs.py     the command line                         qr.py      a payment link as a picture (segno)
    client.py    who asks it: the command line, the page
    rehearsal.py the flows of money, on a network where money is free (stellar-sdk)

Only `cli` imports this folder: for the verb `piece`, and client.py for the page. The player gets a path through the
control socket.
"""
