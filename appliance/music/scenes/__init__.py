# SPDX-License-Identifier: Apache-2.0
"""The scenes, a file each, and the table of their names.

No other code depends on the name of a scene. To add one, copy `night.py`, change its numbers and add it to `SCENES`;
for a melody of its own, see `rain.py`.
"""

from __future__ import annotations

from appliance.music.scene import Scene
from appliance.music.scenes.night import NIGHT
from appliance.music.scenes.original import ORIGINAL
from appliance.music.scenes.rain import RAIN
from appliance.music.scenes.wind import WIND

SCENES = {scene.name: scene for scene in (WIND, NIGHT, RAIN, ORIGINAL)}

__all__ = ["SCENES", "Scene"]
