# SPDX-License-Identifier: Apache-2.0
"""The listener's process: everything that touches the network. The player never imports it."""
