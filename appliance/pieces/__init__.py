# SPDX-License-Identifier: Apache-2.0
"""Pieces: kept scores that are signed, found, passed on and sold. Optional, and a process of its own.

    feed.py       an artist's signed, append-only list; pure    keys.py     signatures and sealing (PyNaCl)
    piece.py      what a piece consists of; pure                accounts.py addresses and signed messages; pure
    sales.py      what is paid and what is owed; pure           horizon.py  payments and accounts (HTTP)
    shelf.py      what is on the disk                           swarm.py    other boxes (libtorrent)

    seeds.py      what is on the shelf, in the swarm            own.py      the artist's feed: publish, sell, deliver
    following.py  the feeds of others: follow, buy              catalogue.py the pieces: fetch, show, play, forget, list
    node.py       the process: all of these together            server.py   its Unix socket
    repeating.py  what is done again and again                  client.py   who asks it: the command line, the page

    verbs.py      the command line                              qr.py       a payment link as a picture (segno)
    rehearsal.py  the flows of money, where money is free       wallet.py   the wallet of a rehearsal (stellar-sdk)

Only `cli` imports this folder: for the verb `piece`, and client.py for the page. The player gets a path through the
control socket.
"""
