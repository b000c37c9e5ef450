# SPDX-License-Identifier: Apache-2.0
"""The doctor: checks the box and its environment, and reports what is wrong and what to do."""
