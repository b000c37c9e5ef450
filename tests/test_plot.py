# SPDX-License-Identifier: Apache-2.0
"""Pictures of real renders, read back as pixels."""

import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.cli import main
from appliance.performance import Block
from appliance.plot import COLOURS, NIGHT, NoMatplotlib, Picture, Sound
from appliance.saved.replacing import CannotWrite
from appliance.sound import SAMPLE_RATE
from appliance.sound.outputs import UnknownFormat
from appliance.values import Context, Controls, Kind, Note, NoteEvent, Passage, Voice

pytestmark = pytest.mark.process


def pixels(path: Path) -> NDArray[np.float64]:
    return np.asarray(matplotlib.image.imread(path), dtype=np.float64)[:, :, :3]


def shows(picture: NDArray[np.float64], colour: str) -> bool:
    wanted = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    # A dot is drawn with an opacity of 0.9.
    return bool((np.abs(picture - wanted).max(axis=2) < 0.08).any())


def draw(path: Path, output: str, seconds: str, *music: str) -> NDArray[np.float64]:
    words = ["render", *music, "-o", str(path.with_name(output)), "--seconds", seconds, "--plot", str(path)]
    assert main(words) == 0
    return pixels(path)


def test_a_picture_shows_the_notes_in_the_colours_of_their_kinds(tmp_path: Path) -> None:
    picture = draw(tmp_path / "x.png", "x.jsonl", "120")
    assert shows(picture, COLOURS[Kind.OFFER])
    assert shows(picture, NIGHT)
    assert not shows(picture, COLOURS[Kind.CLAWBACK])  # none was played


def test_sound_has_two_panels_more_than_a_score(tmp_path: Path) -> None:
    score = draw(tmp_path / "score.png", "x.mid", "6")
    sound = draw(tmp_path / "sound.png", "x.wav", "6")
    assert sound.shape[0] > score.shape[0]
    assert sound.shape[1] == score.shape[1]


def test_a_score_is_drawn_as_the_performance_was_that_it_was_made_of(tmp_path: Path) -> None:
    of_tape = draw(tmp_path / "tape.png", "x.score.gz", "60")
    of_score = draw(tmp_path / "score.png", "y.score.gz", "60", str(tmp_path / "x.score.gz"))
    assert of_score.shape == of_tape.shape
    title = slice(0, 70)  # rows, in which the two differ
    different = np.abs(of_score - of_tape).max(axis=2)[title.stop :] > 0.5
    assert different.mean() < 0.01
    assert shows(of_score, COLOURS[Kind.OFFER])


def test_equal_performances_are_equal_pictures(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name, "x.jsonl", "20")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_chord_is_named_once_by_all_its_tones_also_where_they_enter_later(tmp_path: Path) -> None:
    def drawn(name: str, *begins: float) -> NDArray[np.float64]:
        voices = [Voice.DRONE, Voice.PAD, Voice.PAD, Voice.PAD]
        bed = [
            NoteEvent(Note(pitch, 0.5, 30.0, voice), at, at, 30.0 - at)
            for pitch, voice, at in zip((36, 60, 63, 67), voices, begins, strict=True)
        ]
        context = Context("public", "wind", "wind", "C", 60.0)
        picture = Picture(tmp_path / name, "title")
        silence = np.zeros((30 * SAMPLE_RATE, 2), np.float32)
        passage = Passage(0.0, context, (*bed, NoteEvent(Note(60, 0.5, 1.0, Voice.BELL), 1.0, 1.0, 1.0)))
        picture.observe(Block(passage, Controls(1.0, 60.0, "public"), silence, 0.0, 0.0))
        picture.draw()
        return pixels(tmp_path / name)

    names = slice(70, 105)  # rows, above the highest tone
    together, entering = drawn("a.png", 0.0, 0.0, 0.0, 0.0), drawn("b.png", 0.0, 0.0, 3.0, 6.0)
    assert (together != entering).any()
    assert (together[names] == entering[names]).all()


def test_loudness_is_what_the_standard_says() -> None:
    sound = Sound()
    times = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 997 * times).astype(np.float32) * 10 ** (-20 / 20)
    sound.add(np.stack([tone, tone], axis=1))
    # BS.1770: a stereo sine of 997 Hz at -20 dBFS is -20 LUFS, by the choice of its constant.
    assert sound.loudness[-1] == pytest.approx(-20.0, abs=0.2)


@pytest.mark.parametrize(("path", "error"), [("x.jpg", UnknownFormat), ("/nowhere/x.png", CannotWrite)])
def test_a_picture_that_cannot_be_is_refused_before_the_music(path: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=path):
        Picture(Path(path), "title")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(NoMatplotlib, match="matplotlib"):
        Picture(tmp_path / "x.png", "title")
