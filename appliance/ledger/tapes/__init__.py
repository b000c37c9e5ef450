# SPDX-License-Identifier: Apache-2.0
"""The recordings that ship with the box."""
