# SPDX-License-Identifier: Apache-2.0
"""The parts of the box that the doctor checks, in the order of its report. A file of its own, cheap to import."""

PARTS = ("settings", "network", "sound", "panel", "computer")
