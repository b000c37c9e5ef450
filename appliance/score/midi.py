# SPDX-License-Identifier: Apache-2.0
"""A MIDI file of a performance, with a track for each voice.

Bars and beats in the file are the beats that were played, so a sequencer's grid fits. The rendering thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import mido

from appliance.values import NoteEvent, Passage, Voice

TICKS = 480  # a beat; what most sequencers use themselves
JUMP = 64.0  # beats; two notes in a row that differ more from the time between them have different counts
SLOWEST = 0xFFFFFF  # us a beat, the most that a file can say: 3.6 beats a minute

# Similar General MIDI programs (from 0), for the listener's synthesizer.
PROGRAMS = {
    Voice.BELL: 14,  # tubular bells
    Voice.GLASS: 92,  # bowed glass pad
    Voice.PLUCK: 46,  # harp
    Voice.MALLET: 12,  # marimba
    Voice.SWELL: 48,  # strings
    Voice.FLOW: 91,  # choir pad
    Voice.CHIME: 10,  # music box
    Voice.HOLLOW: 77,  # shakuhachi
    Voice.MURMUR: 52,  # voices
    Voice.PAD: 89,  # warm pad
    Voice.DRONE: 95,  # sweep pad
}
DRUMS = 9  # the channel that General MIDI reserves for them


class Midi:
    """Gathers the notes and writes `path` when closed. The tempo follows from the length of each note's beats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: NoteEvent | None = None
        self._ahead = 0  # beats, of the file's count before that of the notes
        self._tempos: dict[int, int] = {}  # microseconds a beat, by the tick from which on they hold
        self._notes: dict[Voice, list[tuple[int, int, int, int]]] = {}  # first tick, last, pitch, velocity

    def observe(self, passage: Passage) -> None:
        """Take the notes of a passage."""
        for event in passage.notes:
            note = event.note
            start = max(0, round(self._beat(event) * TICKS))  # a change of tempo can leave a beat behind
            if note.duration > 0:
                # Rounded last: of a note that is next to nothing in beats, the quotient is infinite.
                self._tempos[start] = round(min(SLOWEST, max(1.0, 1e6 * event.length / note.duration)))
            end = start + max(1, round(note.duration * TICKS))
            velocity = max(1, round(note.velocity * 127))
            self._notes.setdefault(note.voice, []).append((start, end, note.pitch, velocity))

    def _beat(self, event: NoteEvent) -> float:
        """The beat of a note in the file, which goes on counting where a piece that was played counts its own beats."""
        last, self._last = self._last, event
        if last and last.length > 0:
            expected = last.beat + (event.seconds - last.seconds) * last.note.duration / last.length
            if abs(event.beat - expected) > JUMP:
                self._ahead += round(expected - event.beat)
        return event.beat + self._ahead

    def close(self) -> None:
        """Write the file."""
        file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
        file.tracks.append(mido.MidiTrack(self._tempo_changes()))
        for voice in Voice:
            if voice in self._notes:
                file.tracks.append(self._track(voice))
        file.save(str(self._path))

    def _tempo_changes(self) -> Iterator[mido.MetaMessage]:
        before, last = 0, None
        for tick, tempo in sorted(self._tempos.items()):
            if tempo != last:
                yield mido.MetaMessage("set_tempo", tempo=tempo, time=tick - before)
                before, last = tick, tempo

    def _track(self, voice: Voice) -> mido.MidiTrack:
        index = list(Voice).index(voice)
        channel = index if index < DRUMS else index + 1
        track = mido.MidiTrack(
            [
                mido.MetaMessage("track_name", name=voice.value),
                mido.Message("program_change", channel=channel, program=PROGRAMS[voice]),
            ]
        )
        before = 0
        for tick, begins, pitch, velocity in sorted(_events(self._notes[voice])):
            kind = "note_on" if begins else "note_off"
            track.append(
                mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - before)
            )
            before = tick
        return track


def _events(notes: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """The events of a track: tick, 0 off or 1 on, pitch, velocity.

    A pitch that begins again ends first, as on a keyboard, because the end of the one would be taken for that of the
    other. At the same tick the end comes before the beginning: 0 sorts before 1.
    """
    next_start: dict[int, int] = {}  # the tick at which a pitch begins next
    for start, end, pitch, velocity in sorted(notes, reverse=True):
        end = min(end, next_start.get(pitch, end))
        next_start[pitch] = start
        if end > start:
            yield start, 1, pitch, velocity
            yield end, 0, pitch, 0
