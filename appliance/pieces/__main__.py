# SPDX-License-Identifier: Apache-2.0
"""Starts the process of the pieces without TLS: with it asyncio takes 5 MB more, and few boxes ask Horizon.

Horizon's client loads it when it asks (horizon.py). This module is run and never imported.
"""

from __future__ import annotations

import sys

sys.modules["ssl"] = None  # type: ignore[assignment] # asyncio does without a module that cannot be imported

import asyncio  # noqa: E402, F401

del sys.modules["ssl"]

from appliance.pieces.node import main  # noqa: E402

sys.exit(main())
