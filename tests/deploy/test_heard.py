# SPDX-License-Identifier: Apache-2.0
"""The judge of what an emulated box plays: it must know music from noise, from silence and from the wrong notes."""

from pathlib import Path

import numpy as np
import pytest

from tests.deploy.heard import HEADER, RATE, TONES, heard, recorded


def chord(shift: float = 0.0, seconds: float = 4.0) -> np.ndarray:
    """All tones of the scale in two octaves at -20 dBFS, `shift` semitones higher."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitches = [octave + tone + shift for octave in (48, 60) for tone in TONES]
    wave = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) for pitch in pitches)
    wave *= 0.1 / np.sqrt(np.square(wave).mean())
    return np.stack([wave, wave], axis=1)


def test_music_is_in_the_scale() -> None:
    found = heard(chord())
    assert found.level == pytest.approx(-20, abs=0.1)
    assert (found.seconds, found.silent) == (4.0, 0.0)
    assert found.in_scale > 0.95


def test_a_semitone_higher_it_is_not() -> None:
    assert heard(chord(1.0)).in_scale < 0.4


def test_noise_is_no_music() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (4 * RATE, 2))
    assert heard(noise).in_scale == 0.0


def test_what_stutters_is_still_music() -> None:
    sound = chord()
    for start in range(0, len(sound), RATE // 2):
        sound[start : start + RATE // 10] = 0
    found = heard(sound)
    assert found.in_scale > 0.9
    assert found.silent == pytest.approx(0.2, abs=0.05)
    assert found.level == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("sound", [np.zeros((RATE, 2)), np.zeros((0, 2))])
def test_silence_is_none(sound: np.ndarray) -> None:
    found = heard(sound)
    assert found.in_scale == 0.0
    assert found.silent == 1.0
    assert found.level < -100


def test_a_recording_that_still_grows_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    assert len(recorded(file)) == 0
    file.write_bytes(b"\0" * HEADER + np.array([16384, -16384, 1, 1], "<i2").tobytes() + b"\1")
    assert recorded(file).tolist()[0] == [0.5, -0.5]
    assert len(recorded(file, since=4)) == 1
