# SPDX-License-Identifier: Apache-2.0
"""The computer that the box runs on: log, systemd, clock, power, memory, processes."""
