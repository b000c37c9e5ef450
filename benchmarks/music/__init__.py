# SPDX-License-Identifier: Apache-2.0
"""The targets of the music, measured: `make bench-music`."""
