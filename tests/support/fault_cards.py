# SPDX-License-Identifier: Apache-2.0
"""Simulated sound cards: the ALSA plug-in of alsa_fault/, built here, and a folder for each card.

A card reads its mode from one file in its folder whenever it is called, appends the samples that it plays to another,
and counts its underruns in a third.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent / "alsa_fault"
COMPILER = os.environ.get("CC", "cc")


def lacking() -> str:
    """What this machine lacks to build the plug-in; empty if nothing."""
    if not shutil.which(COMPILER):
        return f"there is no C compiler ({COMPILER}) to build the ALSA fault device with"
    if not Path("/usr/include/alsa/pcm_external.h").exists():
        return "the headers of ALSA (libasound2-dev) are not installed to build its fault device with"
    return ""


class Cards:
    """A folder of cards. `environ` makes ALSA use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "ALSA_CONFIG_PATH": str(HERE / "asound.conf"),
            "ALSA_FAULTS": str(folder),
        }
        plugin = folder / "libasound_module_pcm_fault.so"
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-DPIC"]
        subprocess.run([COMPILER, *flags, "-o", plugin, HERE / "fault.c", "-lasound"], check=True)

    def __getitem__(self, name: str) -> "Card":
        return Card(self.folder / name)


class Card:
    """One card; it has no fault until `be` is called."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.device = f"fault:CARD={folder.name}"
        self._mode, self._new = folder / "mode", folder / "new"
        self._played, self._underruns = folder / "played", folder / "underruns"

    def be(self, mode: str) -> None:
        """Set its mode (fault.c lists them), atomically."""
        self._new.write_text(mode)
        self._new.replace(self._mode)

    @property
    def heard(self) -> int:
        """How many bytes it has played."""
        return self._played.stat().st_size if self._played.exists() else 0

    @property
    def underruns(self) -> int:
        """How often it has run dry and was started again."""
        return self._underruns.stat().st_size if self._underruns.exists() else 0

    def played(self, channels: int = 2) -> NDArray[np.float32]:
        """The samples that it has played, if it takes the box's own format."""
        return np.fromfile(self._played, dtype=np.float32).reshape(-1, channels)
