# SPDX-License-Identifier: Apache-2.0
"""Settings: model.py says which there are, sources.py where their values come from."""

from appliance.settings.model import Settings, networks, safe_mode
from appliance.settings.sources import Loaded, SettingsError, as_toml, load

__all__ = ["Loaded", "Settings", "SettingsError", "as_toml", "load", "networks", "safe_mode"]
