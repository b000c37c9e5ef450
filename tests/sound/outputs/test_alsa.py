# SPDX-License-Identifier: Apache-2.0
"""The real ALSA library, with devices that need no card: `file` keeps what was played, `null` forgets it."""

from pathlib import Path

import numpy as np
import pytest

from appliance.sound.outputs import NoSoundCard
from appliance.sound.outputs.alsa import Alsa


def device(path: Path) -> str:
    """A device by its definition, as ALSA's configuration would name it."""
    return f"file:'{path}',raw"


def test_every_sample_reaches_the_device(tmp_path: Path) -> None:
    kept = tmp_path / "played.raw"
    sound = np.random.default_rng(1).uniform(-1, 1, (10, 512, 2)).astype(np.float32)
    card = Alsa(device(kept), latency=0.128, block=512)
    for block in sound:
        card.write(block, ())
    card.close()
    assert np.array_equal(np.fromfile(kept, dtype=np.float32).reshape(sound.shape), sound)
    assert card.underruns == 0


def test_the_latency_is_the_one_that_was_granted() -> None:
    card = Alsa("null", latency=0.128, block=512)
    assert card.latency == pytest.approx(0.128, abs=0.01)
    card.close()


def test_a_missing_card_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoSoundCard, match=r"^The sound card 'nobody' cannot be opened: .*\.$"):
        Alsa("nobody", latency=0.128, block=512)
    assert capfd.readouterr().err == ""  # ALSA's own eight lines are kept away


def test_a_card_that_has_gone_says_so() -> None:
    card = Alsa("null", latency=0.128, block=512)
    card.close()
    with pytest.raises(NoSoundCard, match=r"has gone"):
        card.write(np.zeros((512, 2), dtype=np.float32), ())
