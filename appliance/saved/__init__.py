# SPDX-License-Identifier: Apache-2.0
"""Files that the box writes for itself: its state, crash stamps, kept scores."""
