# SPDX-License-Identifier: Apache-2.0
"""How it is heard: from notes to samples, and from samples to a card, a file or nowhere."""

SAMPLE_RATE = 48_000  # Hz; what every card of the last twenty years plays without conversion
CHANNELS = 2
