# SPDX-License-Identifier: Apache-2.0
"""The real synth, one block at a time. Faults are injected into pyo's objects, found by their class and table."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from random import Random
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from pyo import Allpass, ButBP, HarmTable, Osc, PyoObject, PyoTableObject

from appliance.ledger.feed.inbox import Inbox
from appliance.music.composer import Composer
from appliance.music.composition import Composition
from appliance.music.scales import Scale
from appliance.music.scenes import SCENES
from appliance.sound import SAMPLE_RATE
from appliance.sound.performer import MUTE, Performer
from appliance.sound.synth import RING, Synth
from appliance.sound.voices import TIMBRES, hertz
from appliance.values import Amount, Bed, Controls, Kind, Ledger, Note, NoteEvent, Voice

pytestmark = pytest.mark.process

BLOCK = 512
INAUDIBLE = -100.0  # dB
T = TypeVar("T")


@contextmanager
def awake(voices: int = 6, seed: int = 1) -> Iterator[Synth]:
    """A synth at full volume, without its start-up ramp."""
    with closing(Synth(block=BLOCK, voices=voices, seed=seed)) as synth:
        synth.volume(1.0)
        synth.fade(1.0, 0.01)
        render(synth, 0.2)
        yield synth


def render(
    synth: Synth, seconds: float, start: float = 0.0, each: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    blocks = []
    for index in range(round(seconds * SAMPLE_RATE / BLOCK)):
        each(index)
        blocks.append(synth.compute(start + index * BLOCK / SAMPLE_RATE).copy())
    return np.concatenate(blocks)


def note(
    voice: Voice = Voice.BELL, pitch: int = 60, length: float = 0.5, at: float = 0.0, velocity: float = 0.7
) -> NoteEvent:
    return NoteEvent(Note(pitch, velocity, length, voice), at, at, length)


def level(samples: NDArray[np.float32]) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) + 1e-12))


def centroid(samples: NDArray[np.float32]) -> float:
    """Hz; the mean frequency by power."""
    power = np.square(np.abs(np.fft.rfft(samples.mean(axis=1) * np.hanning(len(samples)))))
    return float((power * np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)).sum() / power.sum())


def partial(samples: NDArray[np.float32], hertz: float) -> float:
    """dB of the power at a frequency, within the width of a line."""
    power = np.square(np.abs(np.fft.rfft(samples.mean(axis=1) * np.hanning(len(samples))) / len(samples)))
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE) - hertz) <= 3 * SAMPLE_RATE / len(samples)
    return float(10 * np.log10(power[near].sum()))


def clicking(samples: NDArray[np.float32]) -> float:
    """dB of the loudest 5 ms above 12 kHz, where the box has no tones: a step shows there and nothing else does."""
    frames = samples.mean(axis=1)[: len(samples) // 240 * 240].reshape(-1, 240) * np.hanning(240)
    power = np.square(np.abs(np.fft.rfft(frames)[:, 60:])).sum(axis=1) / 240**2
    return float(10 * np.log10(power.max() + 1e-15))


def existing(kind: type[T]) -> list[T]:
    gc.collect()
    return [it for it in gc.get_objects() if isinstance(it, kind)]


def sounding(partials: Sequence[float]) -> list[Osc]:
    """The oscillators that are playing a wave of these harmonics."""
    return [
        it
        for it in existing(Osc)
        if it.isPlaying() and isinstance(it.table, HarmTable) and it.table.list == list(partials)
    ]


def reverb() -> Allpass:
    """What gives the reverb its level on each side; there is one."""
    (found,) = existing(Allpass)
    return found


def performing(synth: Synth) -> tuple[Performer, Inbox]:
    inbox = Inbox()
    composer = Composer(SCENES["wind"], Scale("wind", 0), Random(1))
    return Performer(Composition(composer, inbox.take, SAMPLE_RATE), synth), inbox


@pytest.mark.parametrize("voice", list(Voice))
def test_every_voice_sounds_its_pitch_and_falls_silent(voice: Voice) -> None:
    with awake() as synth:
        synth.follow(Bed(0.5, 0.0, 0.0))
        synth.play(note(voice, pitch=60))
        assert synth.sounding == 1
        timbre = TIMBRES[voice]
        sound = render(synth, timbre.attack + 1.0)
        assert level(sound) > -60
        spectrum = np.abs(np.fft.rfft(sound[-SAMPLE_RATE:].mean(axis=1) * np.hanning(SAMPLE_RATE)))
        strongest = 523.3 if voice is Voice.DRONE else 261.6  # of a drone, the octave
        assert abs(int(spectrum[30:].argmax()) + 30 - strongest) < 4
        render(synth, timbre.release + 1.0, timbre.attack + 1.0)
        assert synth.sounding == 0
        tail = render(synth, 12.0)
        assert level(tail[-SAMPLE_RATE:]) < -80
        assert synth.silenced == 0


def test_notes_add_up_after_one_between_them_has_ended() -> None:
    notes = [note(Voice.FLOW, 48, 9.0), note(Voice.CHIME, 60, 0.1), note(Voice.FLOW, 55, 9.0)]

    def played(*events: NoteEvent) -> NDArray[np.float32]:
        with awake() as synth:
            for event in events:
                synth.play(event)
            sound = render(synth, 6.0)
            assert synth.sounding == sum(event.length > 6.0 for event in events)
            return sound

    each = [played(event) for event in notes]
    assert all(level(sound[-SAMPLE_RATE:]) > -40.0 for sound in (each[0], each[2]))
    assert np.abs(played(*notes) - sum(each)).max() < 1e-5


def test_a_struck_note_decays_exponentially() -> None:
    with awake() as synth:
        synth.follow(Bed(0.5, 0.0, 0.0))
        render(synth, 12.0)  # the reverb's level glides to nothing
        synth.play(note(Voice.PLUCK, 48, length=4.0, at=12.0))
        fifth = SAMPLE_RATE // 5
        sound = render(synth, 3.65, 12.0)[3 * fifth : 18 * fifth]
        steps = np.diff([level(part) for part in np.split(sound, 15)])
        # A straight line falls ever faster, and a sustained level not at all.
        assert steps.max() < -0.7
        assert steps.min() > -2.6


STRUCK = [Voice.BELL, Voice.PLUCK, Voice.MALLET, Voice.CHIME]


@pytest.mark.parametrize("voice", STRUCK)
def test_a_hard_stroke_is_brighter_and_begins_sooner(voice: Voice) -> None:
    bright, begun = [], []
    for velocity in (0.3, 0.9):
        with awake() as synth:
            synth.play(note(voice, 60, 2.0, velocity=velocity))
            sound = render(synth, 0.5)
        bright.append(centroid(sound))
        loud = [level(part) for part in np.split(sound[: SAMPLE_RATE // 4], 250)]
        begun.append(next(ms for ms, one in enumerate(loud) if one > max(loud) - 6))
    assert bright[1] > 1.2 * bright[0]
    assert begun[1] < 0.8 * begun[0]


@pytest.mark.parametrize("voice", STRUCK)
def test_a_low_note_rings_longer_than_a_high_one(voice: Voice) -> None:
    falls = []
    for pitch in (48, 84):
        with awake() as synth:
            synth.play(note(voice, pitch, 4.0))
            sound = render(synth, 0.45)[2400:]  # before the echo
        # Of the body, without the edge, which decays sooner.
        falls.append(partial(sound[:7200], hertz(pitch)) - partial(sound[-7200:], hertz(pitch)))
    assert 0.5 < 1.5 * falls[0] < falls[1]


@pytest.mark.parametrize("voice", [Voice.BELL, Voice.CHIME])
def test_a_bell_has_a_strong_partial_that_is_no_harmonic(voice: Voice) -> None:
    ratio = TIMBRES[voice].ratio
    assert abs(ratio - round(ratio)) > 0.2
    with awake() as synth:
        synth.play(note(voice, 60, 2.0))
        sound = render(synth, 0.3)
    assert partial(sound, ratio * hertz(60)) > partial(sound, hertz(60)) - 25


def test_no_two_notes_in_a_row_are_alike_and_a_score_sounds_the_same_again() -> None:
    def performed() -> list[float]:
        with awake() as synth:
            heard = []
            for index in range(8):
                at = 0.2 + 1.37 * index
                synth.play(note(Voice.MALLET, length=0.3, at=at))
                heard.append(centroid(render(synth, 1.37, at)[:12_000]))
            return heard

    heard = performed()
    assert all(abs(one / other - 1) > 0.03 for one, other in pairwise(heard))
    assert heard == performed()


def test_an_attack_of_seconds_ends_without_a_jump() -> None:
    with awake() as synth:
        synth.play(note(Voice.DRONE, 39, length=30.0, velocity=0.84))
        render(synth, 4.8)
        # Rounding errors summed over five seconds would be corrected by a jump at the end: -125 dB.
        assert clicking(render(synth, 0.6, 4.8)) < INAUDIBLE - 30


def test_nothing_is_made_after_the_start() -> None:
    with awake() as synth:
        before = synth.streams
        for index in range(200):
            at = index * 0.1
            synth.play(note(list(Voice)[index % len(Voice)], 48 + index % 36, at=at))
            synth.follow(Bed(index % 10 / 10, 0.5, 0.5))
            synth.volume(index % 10 / 10)
            render(synth, 0.1, at)
        assert synth.streams == before


def test_nothing_is_made_while_scenes_and_tempo_change() -> None:
    def made() -> int:
        return len(existing(PyoObject)) + len(existing(PyoTableObject))

    with awake() as synth:
        performer, inbox = performing(synth)
        performer.block(Controls(1.0, 60.0, "public"))
        before, streams = made(), synth.streams
        assert before > 50
        for index, scene in enumerate(("night", "original", "rain", "wind")):
            amounts = tuple(Amount(2**size, Kind.OFFER, True, 1) for size in range(1, 60))
            inbox.put(Ledger(index, 0, 60, 1, 0, amounts))
            for _ in range(300):
                performer.block(Controls(0.5, 60.0 + 40 * index, "public", scene=scene))
        assert synth.stolen > 0
        assert (made(), synth.streams) == (before, streams)


def test_another_scene_comes_without_a_click_or_a_gap() -> None:
    with awake(voices=16) as synth:
        performer, _ = performing(synth)
        blocks = []
        for index in range(2400):
            scene = ("wind", "night", "original", "rain")[index // 600]
            performer.block(Controls(1.0, 60.0, "public", scene=scene))
            blocks.append(performer.samples.copy())
        sound = np.concatenate(blocks)[500 * BLOCK :]
        assert clicking(sound) < INAUDIBLE + 10  # the wind lies at -95
        assert min(level(part) for part in np.array_split(sound, 140)) > -45  # a tenth of a second each


def test_the_bed_moves_without_zipper_noise() -> None:
    with awake() as synth:
        synth.play(note(Voice.PAD, 72, length=30.0))
        render(synth, 6.0)

        def steer(index: int) -> None:
            synth.follow(Bed(index % 2, 0.0, index % 2))

        steered = render(synth, 2.0, 6.0, steer)
        assert clicking(steered) < INAUDIBLE


def held_chord(wind: float, *, breathes: bool) -> NDArray[np.float32]:
    """Sixteen seconds of a low pad; the bed breathes after the eighth, if it does."""
    with awake() as synth:
        synth.follow(Bed(0.2, wind, 0.0))
        synth.play(note(Voice.PAD, 48, length=30.0))
        before = render(synth, 8.0)
        if breathes:
            synth.breathe()
        return np.concatenate([before, render(synth, 8.0, len(before) / SAMPLE_RATE)])


def test_the_bed_brightens_for_a_moment_when_a_ledger_closes() -> None:
    still, breathing = (held_chord(0.0, breathes=breathes) for breathes in (False, True))
    assert clicking(breathing) < INAUDIBLE

    def rises(seconds: float) -> float:
        """By how much the breath brightens the second that begins then."""
        second = slice(round(seconds * SAMPLE_RATE), round((seconds + 1) * SAMPLE_RATE))
        return centroid(breathing[second]) / centroid(still[second])

    assert rises(6.5) == 1.0
    assert rises(8.3) > 1.015
    assert rises(15.0) == pytest.approx(1.0, abs=0.01)


def test_the_chords_give_way_to_the_wind() -> None:
    calm, storm = (held_chord(wind, breathes=False)[-4 * SAMPLE_RATE :] for wind in (0.0, 1.0))
    assert partial(storm, hertz(48)) < partial(calm, hertz(48)) - 9
    assert level(storm) == pytest.approx(level(calm), abs=6)


def test_the_loop_of_air_comes_round_without_a_click() -> None:
    """Above 8 kHz there is hardly any air, so that a jump where the loop begins again stands out there."""
    with awake() as synth:
        synth.follow(Bed(0.2, 0.0, 0.0, 1.0))
        render(synth, 4.0)
        sound = render(synth, 6.0, 4.0)[:, 1]  # the loop takes 2.7 s; this side is read between its samples
    frames = sound[: len(sound) // 240 * 240].reshape(-1, 240) * np.hanning(240)
    power = np.square(np.abs(np.fft.rfft(frames))[:, 42:55]).sum(axis=1)
    assert 10 * np.log10(power.max() / np.median(power)) < 16


@pytest.mark.parametrize("voice", [voice for voice in Voice if voice not in (Voice.PAD, Voice.DRONE)])
def test_the_highest_notes_have_no_aliases(voice: Voice) -> None:
    with awake() as synth:
        synth.follow(Bed(0.5, 0.0, 0.0))
        render(synth, 15.0)  # the reverb's level glides to nothing
        synth.play(NoteEvent(Note(95, 1.0, 5.0, voice, bright=1.0), 15.0, 15.0, 5.0))
        halves = np.split(render(synth, 4.0, 15.0)[-4 * SAMPLE_RATE :].mean(axis=1), 2)
        loudest, spectrum = (np.abs(np.fft.rfft(half * np.blackman(len(half)))) for half in halves)
        hz = np.arange(len(spectrum)) / 2
        between = np.full(len(spectrum), True)
        for first in (hertz(95), hertz(95) * TIMBRES[voice].ratio):
            # A struck note that decays has a wider line: its envelope is set every few blocks.
            between &= np.abs(hz / first - np.round(hz / first)) > 0.08
        assert 20 * np.log10(spectrum[between].max() / loudest.max()) < -80


def test_one_seed_is_one_sound() -> None:
    def piece(seed: int) -> bytes:
        with awake(seed=seed) as synth:
            synth.follow(Bed(0.5, 1.0, 0.5))
            for pitch in (48, 60, 67):
                synth.play(note(pitch=pitch))
            return render(synth, 2.0).tobytes()

    assert piece(1) == piece(1)
    assert piece(1) != piece(2)


def test_stealing_a_voice_does_not_click() -> None:
    with awake(voices=6) as synth:

        def crowd(index: int) -> None:
            if index % 9 == 0:
                synth.play(note(Voice.FLOW, 48 + index % 24, length=4.0, at=index * BLOCK / SAMPLE_RATE))

        render(synth, 0.09 * 6, each=crowd)
        assert synth.stolen == 0
        stolen = clicking(render(synth, 3.0, 0.09 * 6, crowd))
        assert synth.stolen > 20
        assert synth.sounding == 6
        assert stolen < INAUDIBLE
        for oscillator in sounding(TIMBRES[Voice.FLOW].body):  # what a theft without its fade would do
            oscillator.stop()
        assert clicking(render(synth, 0.1)) > INAUDIBLE + 15


def test_the_volume_glides() -> None:
    with awake() as synth:
        synth.play(note(Voice.PAD, 60, length=30.0))
        render(synth, 6.0)

        def knob(index: int) -> None:
            synth.volume((index * 7 % 10) / 10)

        assert clicking(render(synth, 1.0, 6.0, knob)) < INAUDIBLE
        synth.volume(0.0)
        render(synth, 0.9, 7.0)
        assert level(render(synth, 0.3, 7.9)) < -150  # 0 is silence itself


def test_a_fade_ends_in_silence() -> None:
    with awake() as synth:
        synth.play(note(Voice.PAD, 60, length=30.0))
        render(synth, 6.0)
        synth.fade(0.0, 0.5)
        faded = render(synth, 0.6, 6.0)
        assert level(faded[:4800]) > -40
        assert level(faded[-2400:]) < -150


def muted(synth: Synth, seconds: float, start: float) -> NDArray[np.float32]:
    """What is heard of so many seconds that begin with a mute."""
    synth.fade(0.0, MUTE)
    return render(synth, seconds, start)


def test_a_muted_synth_fades_rings_out_and_rests() -> None:
    with awake() as synth:
        synth.play(note(Voice.DRONE, 39, length=600.0))
        synth.play(note(Voice.SWELL, 67, length=600.0))
        render(synth, 6.0)
        sound = muted(synth, RING - 0.1, 6.0)
        assert clicking(sound) < INAUDIBLE
        assert not sound[SAMPLE_RATE:].any()
        assert not synth.rests
        assert not render(synth, 1.0, 5.9 + RING).any()
        assert synth.rests
        assert synth.sounding == 2  # their notes are held


def test_a_mute_cuts_what_was_played_before_it() -> None:
    with awake() as synth:
        synth.follow(Bed(0.5, 0.0, 1.0))
        for pitch in range(60, 66):
            synth.play(note(Voice.CHIME, pitch, length=2.0, velocity=1.0))
        assert level(render(synth, 3.0)) > -30
        muted(synth, RING + 1.0, 3.0)
        assert synth.rests
        synth.fade(1.0, MUTE)
        after = render(synth, 2.0, 3600.0)
        assert not synth.rests
        assert level(after) < -90


@pytest.mark.parametrize("pause", [0.1, 1.0, RING + 1.0])
def test_notes_that_begin_while_muted_are_heard_after_it_without_a_click(pause: float) -> None:
    """After the fade it sounds as one that was never muted."""
    chord = [(Voice.DRONE, 39), (Voice.PAD, 51), (Voice.PAD, 58), (Voice.SWELL, 67)]
    heard = []
    for mute in (True, False):
        with awake() as synth:
            synth.follow(Bed(0.5, 0.0, 0.6))
            render(synth, 1.0)
            begins = 1.0 + pause
            if mute:
                muted(synth, pause, 1.0)
            for voice, pitch in chord:
                synth.play(note(voice, pitch, length=600.0, at=begins))
            assert bool(render(synth, 6.0, begins)[SAMPLE_RATE:].any()) is not mute
            synth.fade(1.0, MUTE)
            sound = render(synth, 3.0, begins + 6.0)
            assert clicking(sound) < INAUDIBLE
            heard.append(level(sound[SAMPLE_RATE:]))
    assert heard[0] == pytest.approx(heard[1], abs=1.0)


def test_a_volume_of_zero_rests_too_and_the_knob_is_heard_at_once() -> None:
    with awake() as synth:
        synth.play(note(Voice.DRONE, 39, length=600.0))
        render(synth, 6.0)
        synth.volume(0.0)
        render(synth, RING + 1.5, 6.0)
        assert synth.rests
        synth.volume(1.0)
        sound = render(synth, 0.3, 7.5 + RING)
        assert clicking(sound) < INAUDIBLE
        assert level(sound[SAMPLE_RATE // 5 :]) > -40


def test_all_voices_at_once_stay_below_full_scale() -> None:
    with awake(voices=16) as synth:
        synth.follow(Bed(1.0, 1.0, 1.0))
        for index in range(16):
            synth.play(note(Voice.FLOW, 48 + 2 * index, length=8.0, velocity=1.0))
        for index in range(10):
            synth.play(note(Voice.PAD, 48 + 3 * index, length=8.0, velocity=1.0))
        loud = render(synth, 8.0)
        assert np.isfinite(loud).all()
        assert 0.2 < np.abs(loud).max() < 0.87


@pytest.mark.parametrize("planted", [float("nan"), float("inf"), 1e9])
def test_a_broken_block_is_muted_at_once_and_the_graph_is_rebuilt(
    planted: float, caplog: pytest.LogCaptureFixture
) -> None:
    with awake() as synth:
        synth.play(note(Voice.PAD, 60, length=30.0))
        unbroken = level(render(synth, 17.5)[-SAMPLE_RATE:])
    with awake() as synth:
        synth.play(note(Voice.PAD, 60, length=30.0))
        render(synth, 8.0)
        reverb().setMul(planted)
        broken = render(synth, 0.5, 8.0)
        assert np.isfinite(broken).all()
        assert np.abs(broken).max() < 0.87
        assert 1 <= synth.silenced <= 2
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        # The chord that was held sounds again, after its attack.
        assert level(render(synth, 9.0, 8.5)[-SAMPLE_RATE:]) == pytest.approx(unbroken, abs=1.0)
        streams = synth.streams
        render(synth, 1.0, 17.5)
        assert synth.streams == streams


PARTS: dict[str, Callable[[], PyoObject]] = {
    "lead": lambda: sounding(TIMBRES[Voice.SWELL].edge)[0],
    "pad": lambda: sounding(TIMBRES[Voice.PAD].body)[0],
    "drone": lambda: sounding(TIMBRES[Voice.DRONE].body)[0],
    "wind": lambda: existing(ButBP)[0],
}


@pytest.mark.parametrize("planted", [float("nan"), float("inf"), 1e3])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_breaks_is_not_heard_and_sounds_again(part: str, planted: float) -> None:
    with awake() as synth:
        synth.follow(Bed(0.5, 1.0, 0.5))
        for voice in (Voice.SWELL, Voice.PAD, Voice.DRONE):
            synth.play(note(voice, 48, length=30.0))
        loudest = np.abs(render(synth, 3.0)).max()
        PARTS[part]().setMul(planted)
        broken = render(synth, 0.5, 3.0)
        assert np.isfinite(broken).all()
        assert np.abs(broken).max() <= loudest  # what sounded, and no more
        assert synth.silenced == 1
        assert synth.sounding == 3


def test_a_rebuilt_graph_reads_the_tables_that_were_there() -> None:
    def tables() -> set[int]:
        return {id(it) for it in existing(PyoTableObject)}

    with awake() as synth:
        before = tables()
        reverb().setMul(float("nan"))
        render(synth, 0.1)
        assert synth.silenced == 1
        assert tables() == before  # to compute the noise again would take a Pi most of a second


def test_a_graph_that_stays_broken_is_not_rebuilt_all_the_time() -> None:
    with awake() as synth:

        def plant(index: int) -> None:
            if index % 10 == 0:  # what is broken stays so in the feedback, and finding it takes time
                reverb().setMul(float("nan"))

        assert not np.any(render(synth, 2.5, 0.2, plant)[BLOCK * 20 :])
        streams = synth.streams
        render(synth, 0.4, 2.7, plant)
        assert synth.streams == streams


def test_a_limit_on_leads_holds_without_a_click_and_makes_nothing() -> None:
    with awake(voices=16) as synth:
        streams, at, most = synth.streams, 0.2, 16

        def crowd(index: int) -> None:
            if index % 4 == 0:
                synth.play(note(Voice.FLOW, 48 + index % 24, length=4.0, at=at + index * BLOCK / SAMPLE_RATE))
            if index > 14:  # those that were too many have had time to fall silent
                assert synth.leads <= most

        for most in (16, 8, 4, 16):
            synth.limit(most)
            sound = render(synth, 2.0, at, crowd)
            at += 2.0
            assert synth.leads == most
            assert clicking(sound) < INAUDIBLE
        assert synth.streams == streams


def test_a_limit_on_leads_outlives_a_rebuild() -> None:
    with awake(voices=16) as synth:
        synth.limit(4)
        reverb().setMul(float("nan"))
        render(synth, 0.1, 0.2)
        for index in range(16):
            synth.play(note(pitch=48 + index, length=8.0, at=0.3))
        render(synth, 1.0, 0.3)
        assert synth.silenced > 0
        assert synth.leads == 4
