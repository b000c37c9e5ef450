# SPDX-License-Identifier: Apache-2.0
"""A fixed score that keeps every voice of a pool busy: what the engines are measured with.

The one rule: it holds no chance, so every engine and every run plays the same notes. Each voice of the pool is a
slot that begins its next note when its last one has rung out; the bed changes its chord as the scene does, and so
is doubled for a release's length. Pure; any thread.
"""

from __future__ import annotations

from appliance.sound.voices import TIMBRES
from appliance.values import Bed, Note, NoteEvent, Voice

BED = Bed(brightness=0.5, wind=0.6, space=0.6)  # a busy hour of the public network
CHORD = 30.0  # s; between the 24 and the 56 that `wind` holds a chord
CHORDS = ((36, 48, 63, 67, 82), (32, 51, 60, 65, 79))  # MIDI pitches; the first is the drone's
DEGREES = (0, 3, 5, 7, 8, 10)  # semitones of the box's scale
GAP = 0.25  # s between a note's end and the next one in its slot; the synth lets a voice rest after 0.1
# As often as the public network plays them: offers and payments first.
LEADS = (
    *(Voice.PLUCK, Voice.BELL, Voice.GLASS, Voice.PLUCK, Voice.BELL, Voice.FLOW, Voice.PLUCK, Voice.CHIME),
    *(Voice.BELL, Voice.GLASS, Voice.PLUCK, Voice.MURMUR, Voice.BELL, Voice.SWELL, Voice.PLUCK, Voice.HOLLOW),
)


def dense(voices: int, seconds: float) -> list[NoteEvent]:
    """The score for a pool of so many voices, in the order of its notes' beginnings."""
    score = [sounded for slot in range(voices) for sounded in _slot(slot, voices, seconds)]
    score += [sounded for index in range(int(seconds / CHORD) + 1) for sounded in _chord(index)]
    return sorted(score, key=lambda sounded: sounded.seconds)


def ends(sounded: NoteEvent) -> float:
    """When a note has rung out, in seconds of the audio clock."""
    timbre = TIMBRES[sounded.note.voice]
    return sounded.seconds + max(sounded.length, timbre.attack + 0.05) + timbre.release


def _slot(slot: int, voices: int, seconds: float) -> list[NoteEvent]:
    notes: list[NoteEvent] = []
    begins = 2.0 * slot / voices  # the pool fills within two seconds, not with a bang
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
