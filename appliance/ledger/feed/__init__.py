# SPDX-License-Identifier: Apache-2.0
"""The player's side of the network: ledgers come from a supervised listener, or from a recording."""
