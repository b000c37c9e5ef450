# SPDX-License-Identifier: Apache-2.0
"""Stellar Wind Box: plays the Stellar network as calm, harmonic music."""
