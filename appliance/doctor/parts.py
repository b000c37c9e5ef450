# SPDX-License-Identifier: Apache-2.0
"""The parts of the box that the doctor checks, in the order of its report; importing it costs nothing."""

PARTS = ("settings", "network", "sound", "panel", "computer")
