# SPDX-License-Identifier: Apache-2.0
"""The box in a browser: a process of its own, which is a client of the control socket and serves one page.

    control socket ──events──▶ follower ──▶ view.py ──▶ server.py ──WebSocket──▶ at most 8 viewers
                   ◀─commands─                            ▲   ◀─commands, where `page.steer` is on──
                   ──samples──▶ encoder.py, one for each ─┤ ──MP3, FLAC──▶ at most 4 listeners
    pieces.sock    ◀─one question at a time─ pieces.py ───┘

It writes no file and opens no connection but those to the box.
"""
