# SPDX-License-Identifier: Apache-2.0
"""Scenes: what kind of place the box is. A scene is data; one file each, named here.

The one rule: a scene says what, the composer says when. To write one, copy `wind.py`, change its numbers, and add it
to `SCENES`.
"""

from __future__ import annotations

from appliance.music.scenes.night import NIGHT
from appliance.music.scenes.scene import Scene
from appliance.music.scenes.wind import WIND

SCENES = {scene.name: scene for scene in (WIND, NIGHT)}

__all__ = ["SCENES", "Scene"]
