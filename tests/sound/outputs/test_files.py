# SPDX-License-Identifier: Apache-2.0
"""Sound files, read back by the library that other programs use."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.file import SoundFile


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_sound_file_holds_the_samples_and_nothing_else(tmp_path: Path, ending: str) -> None:
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, (4, 512, 2)).astype(np.float32)
    for name in ("one", "two"):
        with closing(SoundFile(tmp_path / f"{name}.{ending}")) as file:
            for block in sound:
                file.write(block)
    read, rate = soundfile.read(tmp_path / f"one.{ending}", dtype="float32")
    assert rate == SAMPLE_RATE
    assert np.abs(read - sound.reshape(-1, 2)).max() < 2**-22
    assert soundfile.info(tmp_path / f"one.{ending}").subtype == "PCM_24"
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
