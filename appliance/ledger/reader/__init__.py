# SPDX-License-Identifier: Apache-2.0
"""The listener: everything that touches the network. It runs in `stellar-wind listen`, `record` and `doctor`.

The player never imports it. The modules, from the command down to the wire:

    listener, record_network    the two commands that follow a network
    follow                      one network for as long as the command runs: servers, back-off, states of the link
    probe                       one question to each server, for `doctor`
    endpoints                   opens a session with a server
    session                     what a session is
    horizon, client, sse        a session with a Horizon server: records, HTTP, server-sent events
    rpc, soroban, xdr           a session with a Stellar RPC server; loaded only for a network that has one
    amounts                     Horizon's JSON to amounts
    backoff, budget, routes     when to try again, how much a server may be asked, is there a network at all
    line_writer                 tape lines to a pipe
    record_files                `record --from`: operations in files to a tape
"""
