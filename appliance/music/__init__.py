# SPDX-License-Identifier: Apache-2.0
"""The music: from ledgers to notes. Pure: no input or output, no clock, no threads, no globals."""
