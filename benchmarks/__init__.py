# SPDX-License-Identifier: Apache-2.0
"""What the box costs and how it sounds, measured. Nothing here is imported by the box."""
