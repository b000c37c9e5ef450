# SPDX-License-Identifier: Apache-2.0
"""What an emulated sound card has written down: how long, how loud, how much of it on tones of the scale.

Nothing here measures continuity: an emulated processor is late whenever its host is busy, and what it could not compute
in time is silence. Gaps in the sound are looked for on the host, in a render.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 48_000  # Hz; what the emulator is told to write
HEADER = 44  # bytes; it is only completed when the emulator ends
TONES = (0, 3, 5, 7, 8, 10)  # C Eb F G Ab Bb: semitones from C
LOW, HIGH = 120.0, 2000.0  # Hz; where the box has its tones, and semitones are far apart
NEAR = 0.4  # semitones from a tone at which a peak is that tone: what stutters is blurred


@dataclass(frozen=True, slots=True)
class Heard:
    """Figures of a recording."""

    seconds: float
    level: float  # dBFS, RMS of what is not silence
    silent: float  # share of the time
    in_scale: float  # share of what its peaks hold; 0 without a peak

    def __str__(self) -> str:
        share = f"{self.silent:.0%} silent, {self.in_scale:.0%} in the scale"
        return f"{self.seconds:.1f} s, {self.level:.1f} dBFS, {share}"


def recorded(file: Path, since: int = 0) -> NDArray[np.float64]:
    """The samples that stand in a recording of 16 bits and two channels, from byte `since` of them on."""
    raw = file.read_bytes()[HEADER + since // 4 * 4 :] if file.exists() else b""
    return np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<i2").reshape(-1, 2) / 32768


def heard(sound: NDArray[np.float64]) -> Heard:
    """The figures of a sound, shape (frames, 2)."""
    window = RATE // 20
    power = np.square(sound[: len(sound) // window * window]).mean(axis=1).reshape(-1, window).mean(axis=1)
    loud = power > 10 ** (-80 / 10)
    level = 10 * np.log10(power[loud].mean()) if loud.any() else -np.inf
    silent = float(1 - loud.mean()) if len(loud) else 1.0
    return Heard(len(sound) / RATE, float(level), silent, _in_scale(sound.mean(axis=1)))


def _in_scale(sound: NDArray[np.float64]) -> float:
    frames = sound[: len(sound) // RATE * RATE].reshape(-1, RATE) * np.hanning(RATE)
    power = np.square(np.abs(np.fft.rfft(frames))).mean(axis=0) if len(frames) else np.zeros(RATE)
    good = total = 0.0
    for hz in range(int(LOW), int(HIGH)):  # one bin a hertz
        around = power[hz - 20 : hz + 21]
        if power[hz] == around.max() and power[hz] > 20 * np.median(around):
            pitch = 69 + 12 * np.log2(hz / 440)
            off = min(abs((pitch - tone + 6) % 12 - 6) for tone in TONES)
            # A bin is a hertz wide, which low down is much of a semitone.
            good += power[hz] * (off <= NEAR + 12 * np.log2(1 + 0.5 / hz))
            total += power[hz]
    return float(good / total) if total else 0.0
