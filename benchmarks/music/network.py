# SPDX-License-Identifier: Apache-2.0
"""Rows 2, 3, 8, 9 and 13: whether the network is heard.

Row 2: the same tape, from CHANGED s on four times as busy or a tenth as busy; what COMPARED..ENDS s of it sound like.
Row 3: exceptional amounts. Row 8: notes a second, and rests. Row 9: what a ledger's close does to the bed.
Row 13: the commonest voice. Pure; any thread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pyloudnorm

from appliance.ledger.tape import Line
from appliance.sound import SAMPLE_RATE
from appliance.values import Amount, Ledger, NoteEvent
from benchmarks.measure import SKIPPED, Figure
from benchmarks.music.spectra import FPS, Array, bands, decibels, edges
from benchmarks.play import BED, Played

BUSIER, QUIETER = 4.0, 0.1
CHANGED, COMPARED, ENDS = 110.0, 140.0, 200.0  # s
WIND = (450.0, 1100.0)  # Hz: the bands whose lower edge lies within, where the wind is
WIND_UP, WIND_DOWN = 3.0, -4.0  # dB
NOTES_UP, NOTES_DOWN = 0.2, -0.4
LEVEL = 1.5  # LU

LARGE = 95  # percentile of the ledgers' largest amounts: above, a ledger holds an exception
HEARD_WITHIN = 12.0  # s from its arrival
HEARD = 0.95
LOUDER = 3.0  # dB of the top 1 % of amounts over the 90th percentile of all notes
BETWEEN = 20.0  # s between two exceptions

DENSITY = (0.6, 0.95)  # notes a second
REST = 8.0  # s
STRETCH = 300.0  # s, in each of which there is a rest

BEFORE, AFTER = 1.5, (0.5, 2.5)  # s around the close of a ledger
DRAWS = 60  # sets of random moments that a close is compared with
BRIGHTER = 1.0  # semitones
DEVIATIONS = 3.0

COMMONEST = 0.75


def melody(notes: Sequence[NoteEvent]) -> list[NoteEvent]:
    """The notes that are not the bed's."""
    return [event for event in notes if event.note.voice not in BED]


# --- row 2 --------------------------------------------------------------------------------------------------


def changed(lines: Sequence[Line], factor: float, begins: float = CHANGED) -> list[Line]:
    """A tape that is `factor` times as busy from `begins` s on; amounts that it lacks are those of other ledgers."""
    pool = [amount for line in lines if isinstance(line.entry, Ledger) for amount in line.entry.amounts]
    result: list[Line] = []
    for index, line in enumerate(lines):
        if line.seconds < begins or not isinstance(line.entry, Ledger):
            result.append(line)
            continue
        count = max(1, int(len(line.entry.amounts) * factor))
        more: list[Amount] = list(islice(pool, index * 37 % max(1, len(pool)), None)) + pool
        amounts = (*line.entry.amounts, *more)[:count]
        operations = max(1, int(line.entry.operations * factor))
        result.append(Line(line.seconds, replace(line.entry, amounts=amounts, operations=operations)))
    return result


def compared(lines: Sequence[Line]) -> list[list[Line]]:
    """A tape as it is, as that of a busier network, and as that of a quieter one."""
    return [changed(lines, factor) for factor in (1.0, BUSIER, QUIETER)]


def wind_level(sound: Array) -> float:
    """The mean power of the wind's bands, in dB."""
    lower = edges()[:-1]
    return float(decibels(bands(sound)[(lower > WIND[0]) & (lower < WIND[1])].sum(axis=0).mean()))


def of_steps(
    usual: Played,
    busier: Played,
    quieter: Played,
    *,
    windy: bool = True,
    bounds: tuple[float, float, float, float, float] = (WIND_UP, WIND_DOWN, NOTES_UP, NOTES_DOWN, LEVEL),
) -> list[Figure]:
    """What a busier and a quieter network change from COMPARED to ENDS s, against the network as it is.

    The loudness of all three is compared with that of the whole of `usual`, whose beginning is left out. `windy` is
    false for a scene without wind.
    """
    wind_up, wind_down, notes_up, notes_down, level = bounds
    first, last = int(COMPARED * SAMPLE_RATE), int(ENDS * SAMPLE_RATE)
    winds = [wind_level(it.samples[first:last]) for it in (usual, busier, quieter)]
    counts = [
        sum(COMPARED <= event.seconds < ENDS for event in melody(it.notes)) for it in (usual, busier, quieter)
    ]
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    own = meter.integrated_loudness(usual.samples[int(SKIPPED * SAMPLE_RATE) : last])
    apart = max(
        abs(meter.integrated_loudness(it.samples[first:last]) - own) for it in (usual, busier, quieter)
    )
    more, fewer = (count / max(1, counts[0]) - 1 for count in counts[1:])
    return [
        Figure("x 4: wind band", winds[1] - winds[0], low=wind_up if windy else None, unit="dB", row=2),
        Figure("x 4: notes", more, low=notes_up, row=2),
        Figure("x 1/10: wind band", winds[2] - winds[0], high=wind_down if windy else None, unit="dB", row=2),
        Figure("x 1/10: notes", fewer, high=notes_down, row=2),
        Figure("loudness, furthest from the scene's own", apart, high=level, unit="LU", row=2),
    ]


# --- row 3 --------------------------------------------------------------------------------------------------


def loudness(event: NoteEvent) -> float:
    """How loud a note is in dB, from its score: velocity by the synth's law, high notes lowered as the synth does."""
    hertz = 440 * 2 ** ((event.note.pitch - 69) / 12)
    return 28 * math.log10(max(1e-3, event.note.velocity)) - 10 * max(0.0, math.log10(hertz / 261.6))


def of_exceptions(played: Played, *, bound: bool = True) -> list[Figure]:
    """Whether exceptional amounts are heard, and how they stand out.

    Of the ledgers whose largest amount is among the top 5 % of such amounts, that amount must be played within
    HEARD_WITHIN s. The level of the notes of the top 1 % of all played amounts is their median, against the 90th
    percentile of all notes. An exception is a note that is LOUDER dB above that; notes of one amount within 2 s are
    one.
    """
    notes = [event for event in played.notes if event.note.amount]
    largest = [
        (arrived, max(amount.stroops for amount in ledger.amounts))
        for arrived, ledger in played.ledgers
        if ledger.amounts and arrived < played.ledgers[-1][0] - HEARD_WITHIN
    ]
    if len(notes) < 2 or not largest:
        return []
    limit = np.percentile([float(stroops) for _, stroops in largest], LARGE)
    asked = [(arrived, stroops) for arrived, stroops in largest if stroops >= limit]
    heard = [
        any(
            event.note.amount
            and event.note.amount.stroops == stroops
            and arrived <= event.seconds < arrived + HEARD_WITHIN
            for event in notes
        )
        for arrived, stroops in asked
    ]
    sizes = np.array([float(event.note.amount.stroops) for event in notes if event.note.amount])
    levels = np.array([loudness(event) for event in notes])
    usual = float(np.percentile(levels, 90))
    above = float(np.median(levels[sizes >= np.percentile(sizes, 99)])) - usual
    events: list[float] = []
    last = -1
    for event, level in zip(notes, levels, strict=True):
        stroops = event.note.amount.stroops if event.note.amount else 0
        if level >= usual + LOUDER:
            if not (events and stroops == last and event.seconds - events[-1] < 2.0):
                events.append(event.seconds)
            last = stroops
    nearest = min((after - before for before, after in pairwise(events)), default=math.inf)
    return [
        Figure(
            "largest amount of a top-5 % ledger is played",
            float(np.mean(heard)),
            low=HEARD if bound else None,
            row=3,
        ),
        Figure(
            "top-1 % amounts over the 90th percentile note",
            above,
            low=LOUDER if bound else None,
            unit="dB",
            row=3,
        ),
        Figure("exceptions an hour", len(events) / max(1e-9, notes[-1].seconds) * 3600, row=3),
        Figure("shortest time between two of them", nearest, low=BETWEEN, unit="s", row=3),
    ]


# --- rows 8 and 13 ------------------------------------------------------------------------------------------


def rests(notes: Sequence[NoteEvent]) -> list[float]:
    """The moments at which a rest begins: REST s in which no note of the melody is held or begins."""
    found: list[float] = []
    silent = 0.0
    for event in melody(notes):
        if event.seconds - silent >= REST:
            found.append(silent)
        silent = max(silent, event.seconds + event.length)
    return found


def of_density(played: Played, seconds: float, *, dense: bool = True) -> list[Figure]:
    """Notes a second and rests. `dense`: the notes are those of a busy network in a scene of the usual density."""
    notes = [event for event in melody(played.notes) if event.seconds >= SKIPPED]
    found = rests(notes)
    fewest = min(
        (
            sum(bool(start <= moment < start + STRETCH) for moment in found)
            for start in np.arange(0.0, seconds - STRETCH + 1, STRETCH)
        ),
        default=0,
    )
    low, high = DENSITY if dense else (None, None)
    early = sum(event.seconds < SKIPPED + 180 for event in notes) / min(180.0, seconds - SKIPPED)
    return [
        Figure("notes a second, first three minutes", early, low, high, row=8),
        Figure("notes a second, all", len(notes) / (seconds - SKIPPED), low, high, row=8),
        Figure("rests of 8 s in five minutes, mean", len(found) / seconds * STRETCH, row=8),
        Figure("rests of 8 s in five minutes, fewest", fewest, low=1, row=8),
    ]


def of_voices(played: Played, *, bound: bool = True) -> list[Figure]:
    """The share of the commonest voice among the notes of the melody."""
    voices = Counter(event.note.voice for event in melody(played.notes) if event.seconds >= SKIPPED)
    if not voices:
        return []
    share = max(voices.values()) / voices.total()
    return [
        Figure("share of the commonest voice", share, high=COMMONEST if bound else None, row=13),
        Figure("voices heard", len(voices), row=13),
    ]


# --- row 9 --------------------------------------------------------------------------------------------------


def of_closes(bed: Array, closes: Sequence[float]) -> list[Figure]:
    """The bed's brightness at the close of a ledger against random moments, from the bed alone and its start on.

    Brightness is the centroid of the bands in semitones, its mean AFTER the moment less that BEFORE. The deviation is
    that of the mean over as many random moments as there are ledgers.
    """
    power = bands(bed)
    limits = edges()
    middles = (limits[:-1] + limits[1:]) / 2
    centroid = 12 * np.log2((power * middles[:, None]).sum(axis=0) / (power.sum(axis=0) + 1e-14) / 100 + 1e-9)

    def rise(moments: Sequence[float] | Array) -> float:
        rises = [
            centroid[at + round(AFTER[0] * FPS) : at + round(AFTER[1] * FPS)].mean()
            - centroid[at - round(BEFORE * FPS) : at].mean()
            for at in (round(moment * FPS) for moment in moments)
            if at >= 2 * FPS and at + 5 * FPS < len(centroid)
        ]
        return float(np.mean(rises)) if rises else 0.0

    rng = np.random.default_rng(0)
    lasts = len(centroid) / FPS
    chance = [rise(rng.uniform(SKIPPED, lasts - 6, len(closes))) for _ in range(DRAWS)]
    spread = float(np.std(chance))
    above = rise(closes) - float(np.mean(chance))
    return [
        Figure("brightness at a close", above, low=BRIGHTER, unit="semitones", row=9),
        Figure("in standard deviations", above / (spread + 1e-9), low=DEVIATIONS, row=9),
    ]
