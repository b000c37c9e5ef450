# SPDX-License-Identifier: Apache-2.0
"""How it is heard: from notes to samples, and from samples to a card, a file or nowhere."""
