# SPDX-License-Identifier: Apache-2.0
"""What the network says: from Horizon's bytes to amounts, and from there to tape lines."""
