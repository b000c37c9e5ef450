# SPDX-License-Identifier: Apache-2.0
"""The real ALSA library, on cards whose faults a test switches on and off."""

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.sound.outputs import CardHangs, NoSoundCard
from appliance.sound.outputs.alsa import Alsa
from tests.support.fault_cards import Card, Cards

pytestmark = pytest.mark.process

SOUND: NDArray[np.float32] = np.random.default_rng(1).uniform(-0.9, 0.9, (20, 512, 2)).astype(np.float32)


def played_on(device: str) -> int:
    """Play SOUND, and return how often the card ran dry."""
    card = Alsa(device, latency=0.1)
    dry = written(card)
    card.drain()
    card.close()
    return dry


def heard_whole(cards: Cards, name: str, mode: str = "") -> Card:
    """A card that has played SOUND and never ran dry: a busy machine can stall for longer than a buffer lasts."""
    for attempt in range(20):
        card = cards[f"{name}-{attempt}"]
        card.be(mode)
        if not played_on(card.device):
            return card
    pytest.fail("It ran dry twenty times.")


def written(card: Alsa) -> int:
    return sum(card.write(block) for block in SOUND)


def test_every_sample_is_heard(cards: Cards) -> None:
    card = heard_whole(cards, "whole")
    assert np.array_equal(card.played()[: SOUND.shape[0] * 512].reshape(SOUND.shape), SOUND)


def test_the_latency_is_the_one_that_was_granted_and_then_the_one_that_is(cards: Cards) -> None:
    card = Alsa(cards["latency"].device, latency=0.1)
    assert card.latency == pytest.approx(0.1, abs=0.01)
    card.write(SOUND[0])
    assert card.latency == pytest.approx(512 / 48_000)  # all that it holds
    card.close()


@pytest.mark.parametrize("refused", ["s16", "44100", "mono", "s16 44100 mono"])
def test_what_a_card_refuses_is_converted_by_alsa(cards: Cards, refused: str) -> None:
    card = heard_whole(cards, refused.replace(" ", "-"), refused)
    width = 2 if "s16" in refused else 4
    channels = 1 if "mono" in refused else 2
    rate = 44_100 if "44100" in refused else 48_000
    seconds = SOUND.shape[0] * 512 / 48_000
    assert card.heard / (width * channels * rate) == pytest.approx(seconds, rel=0.01)


def test_a_converter_has_a_buffer_of_every_length(cards: Cards) -> None:
    cards["length"].be("44100 s16")
    for milliseconds in range(20, 500, 3):
        card = Alsa(cards["length"].device, latency=milliseconds / 1000)
        assert card.latency == pytest.approx(milliseconds / 1000, abs=0.03)
        card.close()


def test_both_sides_are_heard_where_there_is_only_one(cards: Cards) -> None:
    card = cards["one"]
    card.be("mono")
    pcm = Alsa(card.device, latency=0.1)
    for _ in range(20):
        pcm.write(np.tile(np.array([[0.2, 0.6]], dtype=np.float32), (512, 1)))
    pcm.drain()
    pcm.close()
    assert card.played(1)[100:5000] == pytest.approx(0.4, abs=0.001)


def test_a_missing_card_is_one_error_that_names_it(cards: Cards, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoSoundCard, match="'missing'"):
        Alsa("missing", latency=0.1)
    assert capfd.readouterr().err == ""  # ALSA's own eight lines are kept away


def test_a_busy_card_is_one_error_with_the_reason_that_alsa_gives(cards: Cards) -> None:
    cards["busy"].be("busy")
    with pytest.raises(NoSoundCard, match=f"{cards['busy'].device}.*busy"):
        Alsa(cards["busy"].device, latency=0.1)


def test_what_alsa_cannot_convert_either_is_one_error(cards: Cards) -> None:
    cards["digital"].be("mpeg")
    with pytest.raises(NoSoundCard, match=f"{cards['digital'].device}.*Invalid argument"):
        Alsa(cards["digital"].device, latency=0.1)


def test_a_card_that_has_gone_says_so(cards: Cards) -> None:
    card = Alsa(cards["gone"].device, latency=0.1)
    card.write(SOUND[0])
    cards["gone"].be("gone")
    with pytest.raises(NoSoundCard, match=f"{cards['gone'].device}.*No such device"):
        written(card)
    card.close()


def test_a_card_that_runs_dry_is_counted_and_played_on(cards: Cards) -> None:
    cards["dry"].be("xrun")
    assert played_on(cards["dry"].device) > 0


def test_a_card_that_stands_still_is_not_waited_for(cards: Cards) -> None:
    card = Alsa(cards["stall"].device, latency=0.1)
    cards["stall"].be("stall")
    with pytest.raises(CardHangs, match=cards["stall"].device):
        written(card)
    card.close()
