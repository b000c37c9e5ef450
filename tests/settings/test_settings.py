# SPDX-License-Identifier: Apache-2.0
"""What the settings promise: their order of precedence, their round trip as a file, and their errors."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ledger.networks import KNOWN
from appliance.settings import DEFAULT_FILE, SettingsError, as_toml, load, networks, plain
from appliance.values import BoxError

ADDRESSES = "at least one http:// or https:// address, with rpc+ before it for a Stellar RPC server"


def refused(
    command_line: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    config: Path | None = None,
) -> list[str]:
    """The lines of the error that these sources must give."""
    with pytest.raises(SettingsError) as caught:
        load(command_line or {}, environ or {}, config)
    return str(caught.value).splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "box.toml"


def test_defaults_need_no_source() -> None:
    loaded = load({}, {})
    settings = loaded.settings
    assert (settings.network, settings.scene, settings.volume, settings.tempo) == (
        "public",
        "wind",
        0.7,
        60.0,
    )
    assert (settings.sound.latency, settings.sound.polyphony, settings.sound.block_size) == (128.0, 16, 512)
    assert loaded.origin("sound.latency") == "the default"
    assert networks(settings) == KNOWN


def test_command_line_beats_environment_beats_file(file: Path) -> None:
    file.write_text("tempo = 70\nvolume = 0.1\nseed = 5\n[sound]\nlatency = 90\n")
    environ = {
        "STELLAR_WIND_TEMPO": "80",
        "STELLAR_WIND_VOLUME": "0.2",
        "STELLAR_WIND_SOUND__DEVICE": "hw:1",
        "HOME": "x",
    }
    loaded = load({"tempo": "90", "seed": None}, environ, file)
    settings = loaded.settings
    assert (settings.tempo, settings.volume, settings.seed) == (90.0, 0.2, 5)
    assert (settings.sound.latency, settings.sound.device, settings.sound.block_size) == (90.0, "hw:1", 512)
    origins = {
        key: loaded.origin(key)
        for key in ("tempo", "volume", "seed", "sound.latency", "sound.device", "sound.block_size")
    }
    assert origins == {
        "tempo": "the command line",
        "volume": "the environment variable STELLAR_WIND_VOLUME",
        "seed": f"the file {file}",
        "sound.latency": f"the file {file}",
        "sound.device": "the environment variable STELLAR_WIND_SOUND__DEVICE",
        "sound.block_size": "the default",
    }


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLAR_WIND_TEMPO", "80")
    monkeypatch.setenv("TEMPO", "90")
    assert load({}, {}).settings.tempo == 60.0


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("tempo", "fast", "a number from 30 to 180 beats a minute"),
        ("tempo", "29.9", "a number from 30 to 180 beats a minute"),
        ("tempo", True, "a number from 30 to 180 beats a minute"),
        ("volume", "nan", "a number from 0 to 1 of full volume"),
        ("volume", True, "a number from 0 to 1 of full volume"),
        ("volume", "1.01", "a number from 0 to 1 of full volume"),
        ("seed", "1.5", "a whole number from 0 to 2147483647"),
        ("seed", 2**31, "a whole number from 0 to 2147483647"),
        ("scene", "storm", "one of wind, night, original"),
        ("sound.polyphony", "5", "a whole number from 6 to 32 voices"),
        ("sound.latency", "501", "a number from 40 to 500 ms"),
        ("sound.block_size", "300", "one of 256, 512, 1024 frames"),
        ("sound.device", 5, "auto, or the name of an ALSA device, as `aplay -L` lists them"),
        ("sound.max_volume", "1.5", "a number from 0 to 1 of full volume"),
        ("night.start", "24:00", "a time such as 22:30, or nothing for no night"),
        ("night.start", "noon", "a time such as 22:30, or nothing for no night"),
        ("night.end", "", "a time such as 07:00"),
        ("night.end", "7:60", "a time such as 07:00"),
        ("panel.power_off", "sh -c 'poweroff", "a command, or nothing"),
        ("music.scale", "lydian", "one of wind, minor-pentatonic, major-pentatonic, dorian, original"),
        ("music.invert", "perhaps", "true or false"),
        ("listener.mode", "all", "one of ledgers, operations"),
        ("listener.pages", "0", "a whole number from 1 to 5 pages of 200 operations"),
        ("listener.idle_timeout", "9", "a number from 10 to 300 s"),
        ("networks.public.endpoints", "", ADDRESSES),
        ("networks.public.endpoints", "ftp://there", ADDRESSES),
        ("networks.public.endpoints", "https://[", ADDRESSES),
        ("networks.public.endpoints", "rpc+", ADDRESSES),
        ("networks.public.endpoints", "rpc+ftp://there", ADDRESSES),
        ("networks.public.endpoints", "rpc://there", ADDRESSES),
        ("networks.public.endpoints", "rpc+rpc+https://there", ADDRESSES),
    ],
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_allowed(
    key: str, value: object, allowed: str
) -> None:
    assert refused({key: value}) == [f"The command line sets {key} = {value!r}; allowed is {allowed}."]


def test_the_sentence_names_where_the_value_came_from(file: Path) -> None:
    file.write_text("tempo = 300\n")
    assert refused(config=file) == [
        f"The file {file} sets tempo = 300; allowed is a number from 30 to 180 beats a minute."
    ]
    (line,) = refused(environ={"STELLAR_WIND_MUSIC__ROOT": "H"})
    assert line.startswith(
        "The environment variable STELLAR_WIND_MUSIC__ROOT sets music.root = 'H'; allowed is one of C,"
    )


def test_a_wrong_value_that_another_source_outranks_is_not_looked_at(file: Path) -> None:
    file.write_text("tempo = 300\n")
    assert load({"tempo": 72.0}, {}, file).settings.tempo == 72.0


def test_unknown_keys_are_errors_in_every_source(file: Path) -> None:
    file.write_text("tempoo = 1\n[soundd]\ndevice = 'x'\n[networks.My-Net]\npassphrase = 'x'\n")
    environ = {"STELLAR_WIND_SOUND_DEVICE": "x", "STELLAR_WIND_ZZZ": "x", "STELLAR_WIND_SOUND": "{}"}
    none = "but there is no such setting"
    variable = "The environment variable STELLAR_WIND_"
    assert refused({"sound.voice": "7", "sound.volume": "3", "wind.scene": "x"}, environ, file) == [
        f"The command line sets sound.voice = '7', {none}; did you mean sound.polyphony?",
        f"The command line sets sound.volume = '3', {none}; did you mean volume or night.volume?",
        f"The command line sets wind.scene = 'x', {none}; did you mean scene?",
        f"{variable}SOUND_DEVICE sets sound_device = 'x', {none}; did you mean STELLAR_WIND_SOUND__DEVICE?",
        f"{variable}ZZZ sets zzz = 'x', {none}; `stellar-wind config` lists them all.",
        f"{variable}SOUND sets sound = '{{}}', {none}; did you mean STELLAR_WIND_SOUND__BLOCK?",
        f"The file {file} sets tempoo = 1, {none}; did you mean tempo?",
        f"The file {file} sets soundd.device = 'x', {none}; did you mean sound.device?",
        f"The file {file} sets networks.My-Net.passphrase = 'x', {none}; "
        "did you mean networks.NAME.passphrase?",
    ]


def test_several_errors_are_several_lines() -> None:
    assert len(refused({"tempo": "x", "seed": "y", "nothing.like.it": "z"})) == 3


def test_a_file_that_is_not_there_matters_only_when_it_was_named(file: Path) -> None:
    assert not DEFAULT_FILE.exists(), "this machine has a box of its own"
    load({}, {})
    assert refused(config=file) == [f"The file {file} that --config names does not exist."]


def test_a_file_that_is_not_toml(file: Path) -> None:
    file.write_bytes(b"tempo = \xff\n")
    (line,) = refused(config=file)
    assert line.startswith(f"The file {file} is not TOML: ")
    file.write_text("tempo = = 1\n")
    (line,) = refused(config=file)
    assert line.startswith(f"The file {file} is not TOML: ")
    assert refused(config=file.parent) == [f"The file {file.parent} cannot be read: Is a directory."]


def test_a_network_of_ones_own() -> None:
    environ = {
        "STELLAR_WIND_NETWORKS__MINE__ENDPOINTS": "http://127.0.0.1:8000/, rpc+https://rpc.example/",
        "STELLAR_WIND_NETWORKS__MINE__PASSPHRASE": "Mine ; 2026",
        "STELLAR_WIND_NETWORK": "mine",
    }
    settings = load({}, environ).settings
    assert list(networks(settings)) == [*KNOWN, "mine"]
    mine = networks(settings)[settings.network]
    assert mine.endpoints == ("http://127.0.0.1:8000", "rpc+https://rpc.example")
    assert (mine.name, mine.passphrase) == ("mine", "Mine ; 2026")


def test_other_endpoints_for_a_known_network_keep_its_passphrase(file: Path) -> None:
    file.write_text("[networks.testnet]\nendpoints = ['https://horizon.example']\n")
    testnet = networks(load({}, {}, file).settings)["testnet"]
    assert testnet.endpoints == ("https://horizon.example",)
    assert testnet.passphrase == KNOWN["testnet"].passphrase


def test_a_network_must_be_known_and_whole(file: Path) -> None:
    file.write_text(
        "[networks.mine]\npassphrase = 'Mine'\n[networks.yours]\nendpoints = ['https://horizon.example']\n"
    )
    assert refused(config=file) == [
        f"The file {file} describes the network [networks.mine], but no setting gives its endpoints."
    ]
    assert refused({"networks.mine.endpoints": "https://horizon.example", "network": "my"}, config=file) == [
        f"The file {file} describes the network [networks.yours], but no setting gives its passphrase.",
        "The command line sets network = 'my'; allowed is one of public, testnet, futurenet, mine, yours, "
        "or a name that a section [networks.NAME] describes.",
    ]


def test_the_printed_settings_say_range_unit_and_origin() -> None:
    lines = as_toml(load({"tempo": "72"}, {"STELLAR_WIND_SOUND__BLOCK": "256"})).splitlines()
    variable = "the environment variable STELLAR_WIND_SOUND__BLOCK"
    assert "tempo = 72.0  # a number from 30 to 180 beats a minute; from the command line" in lines
    assert f"block = 256  # one of 256, 512, 1024 frames; from {variable}" in lines
    assert "[listener]" in lines


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
addresses = st.lists(
    st.sampled_from(["https://a.example", "http://127.0.0.1:8000/horizon", "rpc+https://b.example"]),
    min_size=1,
    max_size=3,
)


@given(
    command_line=st.fixed_dictionaries(
        {},
        optional={
            "network": st.sampled_from(["public", "testnet", "my-own"]),
            "scene": st.sampled_from(["wind", "night", "original"]),
            "volume": st.floats(0, 1),
            "tempo": st.floats(30, 180) | st.floats(30, 180).map(str),
            "seed": st.integers(0, 2**31 - 1),
            "sound.device": words,
            "sound.latency": st.floats(40, 500),
            "sound.polyphony": st.integers(6, 32) | st.integers(6, 32).map(str),
            "sound.block_size": st.sampled_from([256, 512, 1024]),
            "music.root": st.sampled_from(["C", "F#", "Eb"]),
            "music.invert": st.booleans(),
            "listener.pages": st.integers(1, 5),
            "recording.path": words,
        },
    ),
    passphrase=words.filter(str.strip),
    endpoints=addresses,
)
def test_the_printed_settings_can_be_used_again(
    tmp_path_factory: pytest.TempPathFactory,
    command_line: dict[str, Any],
    passphrase: str,
    endpoints: list[str],
) -> None:
    own = {"networks.my-own.passphrase": passphrase, "networks.my-own.endpoints": endpoints}
    first = load(command_line | own, {})
    file = tmp_path_factory.mktemp("again") / "box.toml"
    file.write_text(as_toml(first), encoding="utf-8")
    again = load({}, {}, file)
    assert again.settings == first.settings
    assert again.origin("tempo") == f"the file {file}"


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(words.map("STELLAR_WIND_".__add__), words))
def test_nothing_but_a_settings_error_comes_out(
    command_line: dict[str, str], environ: dict[str, str]
) -> None:
    with contextlib.suppress(SettingsError):
        load(command_line, environ)


def test_the_error_is_ours_and_a_value_error() -> None:
    assert issubclass(SettingsError, BoxError)
    assert issubclass(SettingsError, ValueError)


def test_in_safe_mode_only_facts_and_what_keeps_the_peace_are_left() -> None:
    given = {
        "panel.knobs": "encoders",
        "listener.socket": "/run/x",
        "sound.max_volume": 0.5,
        "night.start": "22:00",
    }
    taste = {
        "scene": "night",
        "sound.polyphony": 8,
        "recording.path": "/x",
        "network": "testnet",
        "volume": 0.1,
    }
    assert plain(load(given | taste, {}).settings) == load(given, {}).settings
