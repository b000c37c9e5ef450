# SPDX-License-Identifier: Apache-2.0
"""What hands and eyes meet: knobs, buttons, lamps, and the same on a desk."""
