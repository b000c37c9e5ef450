# SPDX-License-Identifier: Apache-2.0
"""What is played: from ledgers to notes. Pure: no input or output, no clock, no threads, no globals."""
