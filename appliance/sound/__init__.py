# SPDX-License-Identifier: Apache-2.0
"""From notes to samples, and from samples to a sound card, a file or nowhere."""

SAMPLE_RATE = 48_000  # Hz; every card of the last twenty years plays it without conversion
SYNTH_RATE = SAMPLE_RATE // 2  # Hz, at which the voices are computed: they have little energy above 8 kHz
CHANNELS = 2
