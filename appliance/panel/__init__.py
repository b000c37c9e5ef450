# SPDX-License-Identifier: Apache-2.0
"""The panel: knobs, buttons and lamps, on the case and in a terminal."""
