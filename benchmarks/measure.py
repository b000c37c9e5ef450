# SPDX-License-Identifier: Apache-2.0
"""Figures of a score and of a sound, and the bounds that a piece must keep.

Loudness and its range follow ITU-R BS.1770 and EBU Tech 3342 (pyloudnorm), the true peak is taken at four times the
sample rate, ranks are correlated after Spearman (scipy). Pure; any thread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import butter, find_peaks, resample_poly, sosfilt, stft
from scipy.stats import spearmanr

from appliance.music.scales import Scale, clash
from appliance.sound import SAMPLE_RATE
from appliance.values import NoteEvent, Voice
from benchmarks.play import BED

Samples = NDArray[np.float64]

SKIPPED = 5.0  # s at the beginning that the bounds leave out: the start-up ramp
TIED = 0.95  # below, ties bound the correlation, and 0.85 is no fair bound
ALONE = 0.5  # below, nearly all amounts are equal, and the few others decide: no bound
ENOUGH = 50  # notes; a share among fewer is random
FRAME = 30.0  # s
FLOOR = -55.0  # dBFS RMS; below, it is inaudible in a room
NEAR = 12  # notes before a note that can still ring
PAD_RINGS = 12.0  # s that a tone of a chord is still heard after the start of its release
LEAD_RINGS = 3.0  # likewise a note of the melody


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table. A bound that is None does not apply."""

    what: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    row: int = 0  # of the table of targets that `make bench-music` prints; 0: it has no number

    @property
    def kept(self) -> bool:
        """Whether the value lies within its bounds. NaN keeps none."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        if self.low is None:
            return "" if self.high is None else f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


def table(title: str, figures: Iterable[Figure]) -> str:
    """The figures, one a line, with their bounds; a broken bound is marked."""
    rows = [
        f"  {' ' if figure.kept else '!'} {figure.what:<58} {figure.value:>10.3f} {figure.unit:<5} {figure.bounds}"
        for figure in figures
    ]
    return "\n".join([title, *rows])


# --- the score ----------------------------------------------------------------------------------------------


def of_score(score: Sequence[NoteEvent], scale: Scale, *, busy: bool = True) -> list[Figure]:
    """The figures of a score. `busy` adds the bounds that only a network with many amounts can keep."""
    heard = [event for event in score if event.seconds >= SKIPPED]
    played = [event for event in heard if event.note.amount]
    pitches = [event.note.pitch for event in played]
    degrees = Counter(pitches)
    foreign = sum(scale.tone(event.note.pitch) not in scale.steps for event in heard)
    repeats = sum(before == after for before, after in pairwise(pitches))
    figures = [
        Figure("notes a second", len(played) / max(1.0, heard[-1].seconds - SKIPPED) if heard else 0.0),
        Figure("notes outside the scale", foreign, high=0),
        Figure("notes a semitone from the sounding chord", _clashes(heard, score, scale), high=0),
        Figure("notes a semitone from another that rings", _rubs(played), high=0),
        Figure("immediate repeats", repeats, high=0),
        Figure("from note to note, median leap", _leap(pitches), unit="semitones"),
    ]
    if not played:
        return figures
    waits = [s.note.waited + s.note.delay * s.length / s.note.duration for s in played]
    sizes = [event.note.amount.stroops for event in played if event.note.amount]
    reached, most = _rank_correlation(sizes, pitches)
    return [
        *figures,
        Figure("entropy of the played degrees", _entropy(degrees), low=3.5 if busy else None, unit="bit"),
        Figure(
            "share of the commonest degree",
            max(degrees.values()) / len(played),
            high=0.14 if len(played) >= ENOUGH else None,
        ),
        Figure(
            "rank correlation of amount and pitch",
            reached,
            low=0.85 if most >= TIED and len(played) >= ENOUGH else None,
        ),
        Figure("the most that equal amounts leave possible", most),
        Figure(
            "part of it that was reached",
            reached / most,
            low=0.85 if most >= ALONE and len(played) >= ENOUGH else None,
        ),
        Figure("from arrival to sound, 95 of 100", float(np.percentile(waits, 95)), high=8.0, unit="s"),
        Figure("from arrival to sound, longest", max(waits), high=12.0, unit="s"),
    ]


def _rank_correlation(sizes: Sequence[int], pitches: Sequence[int]) -> tuple[float, float]:
    """Spearman's, and the most that it could be: the same pitches given to the same amounts in order of size.

    Notes of equal amounts must differ, since none may repeat; so ties bound the correlation from above.
    """
    if len(set(sizes)) < 2 or len(set(pitches)) < 2:
        return 1.0, 1.0
    most = spearmanr(sorted(sizes), sorted(pitches)).statistic
    return float(spearmanr(sizes, pitches).statistic), float(most)


def _clashes(heard: Sequence[NoteEvent], score: Sequence[NoteEvent], scale: Scale) -> int:
    chords = [
        (pad.seconds, pad.seconds + pad.length + PAD_RINGS, scale.tone(pad.note.pitch))
        for pad in score
        if pad.note.voice is Voice.PAD
    ]
    return sum(
        clash(
            scale.tone(note.note.pitch),
            (
                tone
                for begins, fades, tone in chords
                if begins <= note.seconds + note.length and fades > note.seconds
            ),
        )
        for note in heard
        if note.note.voice not in BED
    )


def _rubs(played: Sequence[NoteEvent]) -> int:
    return sum(
        clash(event.note.pitch, [other.note.pitch])
        for index, event in enumerate(played)
        for other in played[max(0, index - NEAR) : index]
        if other.seconds + other.length + LEAD_RINGS
        > event.seconds + 1e-6  # one that ends as it begins is not met
    )


def _leap(pitches: Sequence[int]) -> float:
    return float(np.median([abs(one - other) for one, other in pairwise(pitches)] or [0]))


def _entropy(counts: Counter[int]) -> float:
    total = counts.total()
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def likeness(score: Sequence[NoteEvent], seconds: float) -> tuple[float, float]:
    """Whether a long score repeats itself: the highest peak of its autocorrelation, and at which lag in s.

    From the notes, without sound: for each half minute how much of each pitch class sounds, and how much of all; the
    mean correlation of frames at each lag from a minute to half the score, less the median of the lags within five
    minutes of it. Only a lag that is more alike than those beside it is a peak: a chord that is held for two minutes is
    alike at the first lags.
    """
    frames = np.zeros((int(seconds / FRAME), 13))
    for event in score:
        begins, ends = event.seconds, min(seconds - 1e-6, event.seconds + event.length)
        for frame in range(int(begins / FRAME), min(len(frames), int(ends / FRAME) + 1)):
            share = event.note.velocity * (min(ends, (frame + 1) * FRAME) - max(begins, frame * FRAME))
            frames[frame, [event.note.pitch % 12, 12]] += share
    frames -= frames.mean(axis=0)
    frames /= frames.std(axis=0) + 1e-9
    frames /= np.linalg.norm(frames, axis=1, keepdims=True) + 1e-9
    alike = np.array(
        [(frames[lag:] * frames[:-lag]).sum(axis=1).mean() for lag in range(2, len(frames) // 2)]
    )
    above = alike - median_filter(alike, 21)
    peaks = find_peaks(alike)[0]
    highest = int(peaks[above[peaks].argmax()])
    return float(above[highest]), (2 + highest) * FRAME


# --- the sound ----------------------------------------------------------------------------------------------


def of_sound(samples: Samples) -> list[Figure]:
    """The figures of a sound, shape (frames, 2), with its first seconds."""
    whole, sound = samples, samples[int(SKIPPED * SAMPLE_RATE) :]
    frequencies, power = _spectrum(sound)
    middle = sound.mean(axis=1)
    above = float(power[frequencies > 6000].sum() / power.sum())
    return [
        Figure("samples that are not finite", float(np.count_nonzero(~np.isfinite(whole))), high=0),
        Figure("integrated loudness", _loudness(sound), -22.5, -19.5, "LUFS"),
        Figure("loudness range", _loudness_range(sound), 3.0, 12.0, "LU"),
        Figure("true peak", _decibels(_true_peak(whole)), high=-1.0, unit="dBTP"),
        Figure("longest stretch below -55 dBFS", _longest_silence(sound), high=1.0, unit="s"),
        Figure("clicks", _clicks(whole), high=0),
        Figure("offset from zero", float(np.abs(sound.sum(axis=0)).max()) / len(sound), high=1e-4),
        Figure("spectral centroid", float((frequencies * power).sum() / power.sum()), 200.0, 1500.0, "Hz"),
        Figure("energy above 6 kHz", _decibels(math.sqrt(above)), high=-25, unit="dB"),
        Figure("left and right, correlation", float(np.asarray(np.corrcoef(sound.T))[0, 1]), 0.2, 0.95),
        Figure("lost when summed to mono", _level(sound.ravel()) - _level(middle), high=2.5, unit="dB"),
    ]


def of_limiter(reduction: Sequence[float], block: int) -> list[Figure]:
    """What the limiter did: its reduction in dB at each block of so many frames."""
    settled = np.asarray(reduction[round(SKIPPED * SAMPLE_RATE / block) :])
    return [
        Figure("limiter, down by 3 dB or more", float((settled >= 3.0).mean()), high=0.01),
        Figure("limiter, furthest down", float(settled.max()), unit="dB"),
    ]


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(max(amplitude, 1e-12))


def _level(samples: Samples) -> float:
    return _decibels(math.sqrt(float(np.square(samples).mean())))


def _loudness(sound: Samples) -> float:
    return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(sound))


def _loudness_range(sound: Samples) -> float:
    return float(pyloudnorm.Meter(SAMPLE_RATE).loudness_range(sound))


def _true_peak(sound: Samples) -> float:
    # In pieces of ten seconds that overlap by a tenth: an hour at four times the rate does not fit into memory.
    step, lap = 10 * SAMPLE_RATE, SAMPLE_RATE // 10
    return max(
        float(np.abs(resample_poly(sound[start : start + step + lap], 4, 1, axis=0)).max())
        for start in range(0, len(sound), step)
    )


def _spectrum(sound: Samples) -> tuple[Samples, Samples]:
    """Frequencies, and the mean power of both sides at each."""
    frequencies, _, bins = stft(sound.T, SAMPLE_RATE, nperseg=8192)
    return frequencies, np.square(np.abs(bins)).mean(axis=(0, 2))


def _longest_silence(sound: Samples) -> float:
    """Seconds; in windows of a twentieth of a second."""
    window = SAMPLE_RATE // 20
    power = np.square(sound[: len(sound) // window * window]).mean(axis=1).reshape(-1, window).mean(axis=1)
    longest = run = 0
    for silent in power < 10 ** (FLOOR / 10):
        run = run + 1 if silent else 0
        longest = max(longest, run)
    return longest / 20


def _clicks(sound: Samples) -> float:
    """Milliseconds with a burst above 14 kHz, where the box has no tones: only a step in the wave has one.

    A burst is 20 dB above the median of the tenth of a second around it, and above -100 dBFS.
    """
    highest = sosfilt(butter(6, 14_000, "hp", fs=SAMPLE_RATE, output="sos"), sound, axis=0)
    window = SAMPLE_RATE // 1000
    power = (
        np.square(highest[: len(highest) // window * window]).mean(axis=1).reshape(-1, window).mean(axis=1)
    )
    level = 10 * np.log10(power + 1e-16)
    return float(np.count_nonzero((level > median_filter(level, 101) + 20) & (level > -100)))
