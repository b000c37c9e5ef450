# SPDX-License-Identifier: Apache-2.0
"""The doctor: checks the box and its surroundings, and says what is wrong and what to do."""
