# SPDX-License-Identifier: Apache-2.0
"""A fixed score that keeps every voice of a pool busy: what the engines are measured with.

It holds nothing random, so every engine and every run plays the same notes. Each voice of the pool is a slot that
begins its next note when its last one has rung out; the bed changes its chord as the scene does, so that two chords
overlap for the length of a release. Pure; any thread.
"""

from __future__ import annotations

from appliance.sound import SAMPLE_RATE
from appliance.sound.voices import TIMBRES
from appliance.values import Bed, Context, Controls, Ledger, Note, NoteEvent, Passage, Voice

BED = Bed(brightness=0.65, wind=0.4, space=0.5, air=0.7)  # means of five minutes of the public network
LEDGER = 5.8  # s between two ledgers
CHORD = 30.0  # s; `wind` holds a chord for 24 to 56
CHORDS = ((36, 48, 63, 67, 82), (32, 51, 60, 65, 79))  # MIDI pitches; the first is the drone's
DEGREES = (0, 3, 5, 7, 8, 10)  # semitones of the box's scale
GAP = 0.25  # s between a note's end and the next one in its slot; the synth frees a voice after 0.1
# As often as the public network plays them: offers and payments first.
LEADS = (
    *(Voice.PLUCK, Voice.MALLET, Voice.GLASS, Voice.PLUCK, Voice.BELL, Voice.FLOW, Voice.MALLET, Voice.CHIME),
    *(
        Voice.BELL,
        Voice.GLASS,
        Voice.PLUCK,
        Voice.MURMUR,
        Voice.MALLET,
        Voice.SWELL,
        Voice.PLUCK,
        Voice.HOLLOW,
    ),
)


def dense(voices: int, seconds: float) -> list[NoteEvent]:
    """The score for a pool of so many voices, in the order of its notes' beginnings."""
    score = [event for slot in range(voices) for event in _slot(slot, voices, seconds)]
    score += [event for index in range(int(seconds / CHORD) + 1) for event in _chord(index)]
    return sorted(score, key=lambda event: event.seconds)


class Dense:
    """The score as a part for the performer; the bed is steered once a second, as by a beat, and ledgers close."""

    def __init__(self, voices: int, seconds: float) -> None:
        self._coming = dense(voices, seconds)[::-1]
        self._blocks = 0

    def passage(self, frames: int, controls: Controls) -> Passage:
        """The music of the next block."""
        begins, ends = (block * frames / SAMPLE_RATE for block in (self._blocks, self._blocks + 1))
        bed = BED if self._blocks % round(SAMPLE_RATE / frames) == 0 else None
        self._blocks += 1
        notes = []
        while self._coming and self._coming[-1].seconds < ends:
            notes.append(self._coming.pop())
        closed = int(ends / LEDGER) > int(begins / LEDGER)
        ledgers = (Ledger(1, 0, 0, 0, 0, ()),) if closed else ()
        context = Context(controls.network, controls.scene, "wind", "C", controls.tempo)
        return Passage(begins, context, tuple(notes), bed, ledgers=ledgers)


def ends(event: NoteEvent) -> float:
    """When a note has rung out, in seconds of the audio clock."""
    timbre = TIMBRES[event.note.voice]
    return event.seconds + max(event.length, timbre.rise(event.note.velocity) + 0.05) + timbre.release


def _slot(slot: int, voices: int, seconds: float) -> list[NoteEvent]:
    notes: list[NoteEvent] = []
    begins = 2.0 * slot / voices  # the pool fills within two seconds
    while begins < seconds:
        step = 5 * slot + 7 * len(notes)
        pitch = 48 + 12 * (step // len(DEGREES) % 3) + DEGREES[step % len(DEGREES)]
        note = Note(
            pitch,
            velocity=0.35 + 0.05 * (step % 11),
            duration=1.5,
            voice=LEADS[(slot + 3 * len(notes)) % len(LEADS)],
            pan=(step % 9) / 4 - 1,
        )
        notes.append(NoteEvent(note, begins, begins, 1.5))
        begins = ends(notes[-1]) + GAP
    return notes


def _chord(index: int) -> list[NoteEvent]:
    drone, *tones = CHORDS[index % len(CHORDS)]
    begins = index * CHORD
    notes = [Note(drone, 0.6, CHORD, Voice.DRONE)]
    notes += [Note(pitch, 0.6, CHORD, Voice.PAD, pan=0.3 * place - 0.45) for place, pitch in enumerate(tones)]
    return [NoteEvent(note, begins, begins, CHORD) for note in notes]
