# SPDX-License-Identifier: Apache-2.0
from typing import Any

SpiDev: Any

class LocalPiFactory: ...

def get_pi_revision() -> int: ...
