# SPDX-License-Identifier: Apache-2.0
"""One fixed score, and the engines that are measured with it: the box's own, csound, and SuperCollider."""

import appliance.sound.synth  # noqa: F401 - before anything else of the sound: it suppresses pyo's greeting
