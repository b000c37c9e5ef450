# SPDX-License-Identifier: Apache-2.0
"""Sound files, read back by the library that other programs use."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs.file import LONGEST_WAV, SoundFile


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_sound_file_holds_the_samples_and_nothing_else(tmp_path: Path, ending: str) -> None:
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, (4, 512, 2)).astype(np.float32)
    for name in ("one", "two"):
        with closing(SoundFile(tmp_path / f"{name}.{ending}", ending.upper())) as file:
            for block in sound:
                file.write(block)
    read, rate = soundfile.read(tmp_path / f"one.{ending}", dtype="float32")
    assert rate == SAMPLE_RATE
    assert np.abs(read - sound.reshape(-1, 2)).max() < 2**-22
    assert soundfile.info(tmp_path / f"one.{ending}").subtype == "PCM_24"
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_a_wav_that_is_too_long_for_its_header_is_an_rf64(tmp_path: Path) -> None:
    for seconds, form in ((LONGEST_WAV - 1, "WAV"), (LONGEST_WAV + 1, "RF64")):
        with closing(SoundFile(tmp_path / "x.wav", "WAV", seconds)) as file:
            file.write(np.zeros((512, 2), dtype=np.float32))
        assert soundfile.info(tmp_path / "x.wav").format == form
        assert soundfile.info(tmp_path / "x.wav").frames == 512


def test_a_full_disk_is_an_os_error() -> None:
    with pytest.raises(OSError, match="full"), closing(SoundFile(Path("/dev/full"), "WAV")) as file:
        file.write(np.zeros((1 << 16, 2), dtype=np.float32))


def test_a_name_can_hold_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "m\udcfcde.flac"
    with closing(SoundFile(path, "FLAC")) as file:
        file.write(np.zeros((512, 2), dtype=np.float32))
    assert path.read_bytes().startswith(b"fLaC")
