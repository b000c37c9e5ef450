# SPDX-License-Identifier: Apache-2.0
"""The soak: a day of the box's own time in bad weather, and what it is held to."""
