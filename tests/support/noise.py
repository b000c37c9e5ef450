# SPDX-License-Identifier: Apache-2.0
"""A potentiometer as a converter sees it, after a model: 10 bits, noise of 1.2 LSB, and a spike now and then.

No figure here was measured on a Pi: the noise is that of a 10 k wiper with 100 nF on a board that also plays music, as
data sheets and forums give it; the spikes (one reading in five hundred, 20 to 60 LSB) are radios and bad crimps.
"""

from __future__ import annotations

from random import Random

from appliance.panel.knobs import SAMPLES, TOP, Potentiometer

NOISE = 1.2  # LSB, standard deviation
SPIKES = 0.002  # of all readings


def reading(position: float, rng: Random) -> int:
    """What the converter says of a wiper at `position`, 0 to 1."""
    raw = position * TOP + rng.gauss(0.0, NOISE)
    if rng.random() < SPIKES:
        raw += rng.choice((-1, 1)) * rng.uniform(20, 60)
    return round(min(float(TOP), max(0.0, raw)))


def at_rest(position: float, rng: Random) -> Potentiometer:
    """A knob that has stood somewhere for half a second."""
    knob = Potentiometer()
    for _ in range(SAMPLES // 2):
        knob.see(reading(position, rng))
    return knob


def idle_changes(position: float, minutes: float, rng: Random) -> float:
    """How often a minute a knob at rest moves."""
    knob = at_rest(position, rng)
    changes = sum(knob.see(reading(position, rng)) for _ in range(round(minutes * 60 * SAMPLES)))
    return changes / minutes


def step(start: float, end: float, rng: Random) -> float:
    """Seconds from a sudden turn to 90 % of it."""
    knob = at_rest(start, rng)
    before, samples = knob.position, 0
    while abs(knob.position - before) < 0.9 * abs(end - start):
        knob.see(reading(end, rng))
        samples += 1
    return samples / SAMPLES


def slow_turn(rng: Random) -> float:
    """The largest error on a turn of a twentieth of the way in two seconds."""
    knob, error = at_rest(0.3, rng), 0.0
    for sample in range(2 * SAMPLES):
        position = 0.3 + 0.05 * sample / (2 * SAMPLES)
        knob.see(reading(position, rng))
        error = max(error, abs(knob.position - (position * TOP - 12) / (TOP - 24)))
    return error
