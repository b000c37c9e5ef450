# SPDX-License-Identifier: Apache-2.0
"""The box for Home Assistant and whatever else speaks MQTT: `stellar-wind mqtt`, a process of its own.

It is a client of the control socket on one side and of a broker on the other.

    topics    what is published and what is obeyed: pure
    bridge    the connections to both, for months
"""
