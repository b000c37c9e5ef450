# SPDX-License-Identifier: Apache-2.0
"""The soak: a day of the box in virtual time, with faults of every kind, and the bounds that it must keep."""
