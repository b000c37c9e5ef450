# SPDX-License-Identifier: Apache-2.0
"""How long each part goes without news before it acts. The timeouts that depend on each other, in one place.

    nothing new of         for   then                                         in
    --------------------   ---   ------------------------------------------   ------------------------------------
    a listener's line        5   it writes a heartbeat                        reader.listener
                            25   it is killed, and another one is started     feed.supervisor
    an operation            15   mode `operations` asks for the last ledger   reader.horizon
    a ledger                11   the server is asked for its last ledger      reader.horizon
                            20   the recording plays                          feed.source
                            20   `record` logs that the network is away       reader.record_network
                            60   the server is stale; the next one is tried   reader.horizon, reader.rpc, doctor.servers
    a ledger that it has     7   the stream is late: it is opened again,      reader.horizon
                                 and the second time read in pages instead
    an event of a stream    70   the connection is closed                     reader.client

A network closes a ledger every 5 to 6 seconds. The longest healthy gap between two of Horizon's deliveries is 10 s, and
it ends a quiet stream by itself after 55 s. Constants only.
"""

HEARTBEAT = 5.0  # s
HUNG_AFTER = 25.0  # s, five heartbeats; with its end and a new start that makes 30 s
PROBE_AFTER = 15.0  # s; an empty ledger then reaches the player before AWAY_AFTER
ASK_AFTER = 11.0  # s
# ASK_AFTER and LATE_AFTER together are shorter than AWAY_AFTER; each is longer than Horizon's pause of 5 s.
LATE_AFTER = 7.0  # s
AWAY_AFTER = 20.0  # s, four ledgers
STALE_AFTER = 60.0  # s
SILENT_AFTER = 70.0  # s
