# SPDX-License-Identifier: Apache-2.0
"""Settings: everything a person may set, with its unit, its range and the reason for its default.

The one rule: a setting is a dotted key with one value from one place (command line over environment over file
over default), and a wrong one is told in one sentence: the place, the key, the value and what is allowed.
Read at start, by the main thread of the player and of the listener, and by the player again on SIGHUP; immutable.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import tomli_w
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from appliance.ledger.networks import KNOWN, RPC, Network
from appliance.music.scales import ROOTS, STEPS
from appliance.music.scenes import SCENES
from appliance.panel.pins import ANY_HAT, HATS, NO_HAT, NOWHERE, PINS, Knobs, Wiring, clashes, wiring
from appliance.values import BoxError

DEFAULT_FILE = Path("/etc/stellar-wind.toml")
PREFIX = "STELLAR_WIND_"


class SettingsError(BoxError, ValueError):
    """One sentence a line, for each setting that is wrong."""


# --- how a setting is described -----------------------------------------------------------------------------


def _setting(
    default: Any,
    allowed: str,
    why: str,
    *,
    low: int | None = None,
    high: int | None = None,
    choices: Iterable[Any] = (),
) -> Any:
    """A field. `allowed` says in words what it may hold: for errors and for the comments of `as_toml`."""
    extra: dict[str, Any] = {"allowed": allowed, "choices": list(choices)}
    return Field(default, ge=low, le=high, description=why, json_schema_extra=extra)


def _number(default: float, low: int, high: int, unit: str, why: str) -> Any:
    kind = "a whole number" if isinstance(default, int) else "a number"
    return _setting(default, f"{kind} from {low} to {high} {unit}".rstrip(), why, low=low, high=high)


def _choice(default: str | int, choices: Iterable[str | int], why: str, unit: str = "") -> Any:
    return _setting(default, f"one of {', '.join(map(str, choices))} {unit}".rstrip(), why, choices=choices)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast(dict[str, Any], field.json_schema_extra or {})


def _no_switch(value: object) -> object:
    """Python counts true as 1; a person who writes `volume = true` means something else."""
    if isinstance(value, bool):
        raise ValueError
    return value


def _as_list(value: object) -> object:
    """A list in the environment or on the command line is written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Real = Annotated[float, BeforeValidator(_no_switch)]
Whole = Annotated[int, BeforeValidator(_no_switch)]
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
Endpoints = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _Section(BaseModel):
    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True, validate_default=True
    )

    @field_validator("*")
    @classmethod
    def _is_a_choice(cls, value: Any, info: ValidationInfo) -> Any:
        choices = _extra(cls.model_fields[str(info.field_name)]).get("choices")
        if choices and value not in choices:
            raise ValueError
        return value


# --- the settings -------------------------------------------------------------------------------------------


class Sound(_Section):
    """How it is heard."""

    device: str = _setting(
        "auto",
        "auto, or the name of an ALSA device, as `aplay -L` lists them",
        "What it plays on; `auto` is the best card there is: sound board, USB, headphones, HDMI with a listener.",
    )
    latency: Real = _number(
        128.0, 40, 500, "ms", "Sound held ready; it bridges pauses, and delays the knobs."
    )
    loudest: Real = _number(
        1.0, 0, 1, "of full volume", "What the end of the knob's way means; 0.75 is 12 dB below full."
    )
    voices: Whole = _number(16, 6, 32, "voices", "Lead notes at once; 16 is what a Zero 2 W can compute.")
    block: Whole = _choice(
        512, (256, 512, 1024), "Computed in one go; more is cheaper, but coarser.", "frames"
    )


class Night(_Section):
    """When it is night, by the clock of the place where the box stands, and what is left then."""

    begins: str = _setting("", "a time such as 22:30, or nothing for no night", "When the box turns down.")
    ends: str = _setting("07:00", "a time such as 07:00", "When it is itself again.")
    volume: Real = _number(0.75, 0, 1, "of the knob's way", "0.75 makes it 8 dB quieter, and 12 at the end.")
    light: Real = _number(0.25, 0, 1, "of the light", "What is left of the lamps; 0 is dark.")

    @field_validator("begins", "ends")
    @classmethod
    def _is_a_time(cls, value: str, info: ValidationInfo) -> str:
        if not _TIME.fullmatch(value) and (value or info.field_name == "ends"):
            raise ValueError
        return value


class Music(_Section):
    """What is played."""

    root: str = _choice("C", ROOTS, "The note that everything rests on.")
    scale: str = _choice(
        "wind", STEPS, "The notes that sound; `wind` is minor pentatonic with a minor sixth."
    )
    invert: bool = _setting(False, "true or false", "Larger amounts are higher notes; true turns that round.")
    quirks: bool = _setting(
        True,
        "true or false",
        "The scene `original` reads 32 bits of an amount, as it did; exact, it goes flat.",
    )


class Listener(_Section):
    """How the network is listened to."""

    mode: str = _choice(
        "ledgers",
        ("ledgers", "operations"),
        "Read each ledger's operations in pages, with little traffic, or stream every single one.",
    )
    pages: Whole = _number(3, 1, 5, "pages of 200 operations", "Read of one ledger; more would not be heard.")
    idle_timeout: Real = _number(
        70.0, 10, 300, "s", "Silence after which a line is dead; 55 s can be healthy."
    )
    socket: str = _setting(
        "",
        "the path of a Unix socket, or nothing",
        "Where a listener answers that is a unit of its own; without it the box starts one itself.",
    )


class CustomNetwork(_Section):
    """A network of the owner's own, or other endpoints for a known one."""

    endpoints: Endpoints = _setting(
        ...,
        f"at least one http:// or https:// address, with {RPC} before it for a Stellar RPC server",
        "Horizon or Stellar RPC servers, tried in this order.",
    )
    passphrase: str = _setting(
        "",
        "the network's passphrase, or nothing for a known network's own",
        "A server that states another passphrase is on another network and is not listened to.",
    )

    @field_validator("endpoints")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for parts in (urlsplit(address.removeprefix(RPC)) for address in addresses):
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError
        if not addresses:
            raise ValueError
        return tuple(address.rstrip("/") for address in addresses)


class Keep(_Section):
    """What becomes of what you just heard, when you ask the box to keep it."""

    format: str = _choice(
        "mid",
        ("tape", "mid", "flac"),
        "Beside the tape, from which all can be made later: nothing, MIDI, or sound, which takes a small board long.",
    )


class Recording(_Section):
    """What plays while there is no network."""

    path: str = _setting(
        "", "the path of a tape, or nothing for the one that ships", "Plays without a network."
    )


def _pin(part: str) -> Any:
    return _number(PINS[part], NOWHERE, 27, f"(Broadcom); {NOWHERE} is nowhere", f"The pin of {part}.")


class Pins(_Section):
    """Where the parts of the panel are wired, for a box that is not wired as the papers say."""

    note_1: Whole = _pin("note_1")
    note_2: Whole = _pin("note_2")
    note_3: Whole = _pin("note_3")
    note_4: Whole = _pin("note_4")
    note_5: Whole = _pin("note_5")
    note_6: Whole = _pin("note_6")
    network_1: Whole = _pin("network_1")
    network_2: Whole = _pin("network_2")
    network_3: Whole = _pin("network_3")
    network_button: Whole = _pin("network_button")
    mute_button: Whole = _pin("mute_button")
    volume_a: Whole = _pin("volume_a")
    volume_b: Whole = _pin("volume_b")
    tempo_a: Whole = _pin("tempo_a")
    tempo_b: Whole = _pin("tempo_b")


class Panel(_Section):
    """The knobs, buttons and lamps of the case."""

    factory: str = _choice(
        "auto",
        ("auto", "rpigpio", "lgpio", "mock", "none"),
        "What drives the pins; `auto` is rpigpio, or lgpio for encoders; `mock` is the panel on a screen.",
    )
    knobs: Knobs = _choice(
        "potentiometers",
        ("potentiometers", "encoders", "none"),
        "Potentiometers, on an MCP3008, show where they stand; encoders go round for ever.",
    )
    hat: str = _choice(
        ANY_HAT,
        (ANY_HAT, NO_HAT, *HATS),
        "The sound board on the header: its pins are not the panel's. `any` keeps free what most use.",
    )
    lamps: str = _choice("calm", ("calm", "full", "off"), "How bright; calm is half the light.")
    power_off: str = _setting(
        "systemctl poweroff",
        "a command, or nothing",
        "What switches the power off when MUTE is held; the box must be allowed to.",
    )
    pins: Pins = Pins()

    @field_validator("power_off")
    @classmethod
    def _is_a_command(cls, value: str) -> str:
        shlex.split(value)  # raises ValueError where a quote does not end
        return value

    @property
    def wiring(self) -> Wiring:
        """Where everything is."""
        return wiring(self.knobs, self.pins.model_dump())


class Settings(BaseSettings, _Section):
    """All settings."""

    network: str = _setting("public", "the name of a network", "The network to play from the start.")
    scene: str = _choice(
        "wind", SCENES, "The place: its notes, bed and wind. May change while the box plays (SIGHUP)."
    )
    volume: Real = _number(0.7, 0, 1, "of full volume", "Loudness at first; 0.7 leaves room to turn it up.")
    tempo: Real = _number(60.0, 30, 180, "beats a minute", "Notes begin on beats; 60 is a calm pulse.")
    seed: Whole = _number(1, 0, 2**31 - 1, "", "Where chance begins: same seed, same tape, same piece.")
    state: str = _setting(
        "",
        "the path of a folder, or nothing for systemd's, or else ~/.local/state/stellar-wind",
        "Where the box keeps what hands have set, over a power cut.",
    )
    sound: Sound = Sound()
    night: Night = Night()
    music: Music = Music()
    listener: Listener = Listener()
    recording: Recording = Recording()
    keep: Keep = Keep()
    panel: Panel = Panel()
    networks: dict[str, CustomNetwork] = {}

    def __init__(self, *layers: PydanticBaseSettingsSource) -> None:
        """Each setting from the first layer that has it, or its default; nothing else is read."""
        super().__init__(_build_sources=(layers, {}))


def plain(settings: Settings) -> Settings:
    """The defaults, but for what is a fact (how the case is wired, where the listener is) and how loud it may be."""
    sound, listener = Sound(loudest=settings.sound.loudest), Listener(socket=settings.listener.socket)
    update = {"panel": settings.panel, "listener": listener, "sound": sound, "night": settings.night}
    return Settings().model_copy(update=update)


def networks(settings: Settings) -> dict[str, Network]:
    """Every network that can be played, by name: the known ones first, then the owner's."""
    every = dict(KNOWN)
    for name, custom in settings.networks.items():
        every[name] = Network(name, custom.passphrase or every[name].passphrase, custom.endpoints)
    return every


# --- where they come from -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where each of them was set."""

    settings: Settings
    origins: Mapping[str, str]  # dotted key to its source, for every key that is not at its default

    def origin(self, key: str) -> str:
        """Where a dotted key such as "sound.device" was set, in words: "the command line", "the file ..."."""
        return self.origins.get(key, "the default")


class _Layer(PydanticBaseSettingsSource):
    """One place that settings come from, as dotted keys."""

    def __init__(
        self, values: Mapping[str, Any], origins: Mapping[str, str], spell: Callable[[str], str] = str
    ) -> None:
        super().__init__(Settings)
        self.values = {key: value for key, value in values.items() if _field(key)}
        self.origins = {key: origins[key] for key in self.values}
        self.wrong = [
            _unknown(origins[key], key, value, spell) for key, value in values.items() if not _field(key)
        ]

    def __call__(self) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        for key, value in self.values.items():
            *sections, last = key.split(".")
            table = nested
            for section in sections:
                table = table.setdefault(section, {})
            table[last] = value
        return nested

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not asked: `__call__` gives all values at once."""
        raise NotImplementedError


def load(command_line: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None) -> Loaded:
    """The settings in force.

    `command_line` holds dotted keys; its values may be text, as in the environment; None is an option not
    given. `config` is the file that the command line names; without one, the default file, if it is there.
    Raises SettingsError, with a line for each thing that is wrong.
    """
    layers = [_from_command_line(command_line), _from_environment(environ), _from_file(config)]
    given = ChainMap(*(layer.values for layer in layers))
    origins = ChainMap(*(layer.origins for layer in layers))
    wrong = [sentence for layer in layers for sentence in layer.wrong]
    try:
        settings = Settings(*layers)
        wrong += _wrong_networks(settings, origins)
        wrong += _wrong_pins(settings.panel, origins)
    except ValidationError as error:
        wrong += [_refused(details, given, origins) for details in error.errors()]
    if wrong:
        raise SettingsError("\n".join(dict.fromkeys(wrong)))
    return Loaded(settings, origins)


def _from_command_line(command_line: Mapping[str, Any]) -> _Layer:
    values = {key: value for key, value in command_line.items() if value is not None}
    return _Layer(values, dict.fromkeys(values, "the command line"))


def _from_environment(environ: Mapping[str, str]) -> _Layer:
    names = {_key(name): name for name in environ if name.startswith(PREFIX)}
    return _Layer(
        {key: environ[name] for key, name in names.items()},
        {key: f"the environment variable {name}" for key, name in names.items()},
        _variable,
    )


def _key(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().replace("__", ".")


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _from_file(config: Path | None) -> _Layer:
    path = config or DEFAULT_FILE
    origin = f"the file {path}"
    try:
        values = dict(_leaves(tomllib.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        if config:
            raise SettingsError(f"The file {path} that --config names does not exist.") from None
        values = {}
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"The file {path} is not TOML: {error}.") from error
    return _Layer(values, dict.fromkeys(values, origin))


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


# --- what keys there are ------------------------------------------------------------------------------------


def _describe(section: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _describe(field.annotation, f"{above}{name}.")
        elif name != "networks":
            yield f"{above}{name}", field


_FIELDS = {**dict(_describe(Settings)), **dict(_describe(CustomNetwork, "networks.NAME."))}
_NAMED = re.compile(r"networks\.[a-z0-9]+(?:[_-][a-z0-9]+)*\.")


def _field(key: str) -> FieldInfo | None:
    return _FIELDS.get(_NAMED.sub("networks.NAME.", key, count=1))


# --- what is said when one is wrong -------------------------------------------------------------------------


def _sets(origin: str, key: str, value: object) -> str:
    return f"{origin[0].upper()}{origin[1:]} sets {key} = {value!r:.80}"


def _unknown(origin: str, key: str, value: object, spell: Callable[[str], str]) -> str:
    last = key.rpartition(".")[2]
    near = [
        other for other in _FIELDS if other.rpartition(".")[2] == last
    ]  # the right word in the wrong section
    near = near or difflib.get_close_matches(key, _FIELDS, n=1)
    advice = (
        f"did you mean {' or '.join(map(spell, near))}?" if near else "`stellar-wind config` lists them all."
    )
    return f"{_sets(origin, key, value)}, but there is no such setting; {advice}"


def _refused(details: ErrorDetails, given: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    key = ".".join(part for part in details["loc"] if isinstance(part, str))
    field = _field(key)
    if not field or key not in given:  # a network of one's own, without what every network needs
        return _lacking(key, origins)
    return f"{_sets(origins[key], key, given[key])}; allowed is {_extra(field)['allowed']}."


def _lacking(key: str, origins: Mapping[str, str]) -> str:
    section, _, name = key.rpartition(".")
    origin = next(origin for other, origin in origins.items() if other.startswith(f"{section}."))
    return (
        f"{origin[0].upper()}{origin[1:]} describes the network [{section}], but no setting gives its {name}."
    )


def _wrong_networks(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    """What only shows when all sections are seen together."""
    for name, custom in settings.networks.items():
        if name not in KNOWN and not custom.passphrase:
            yield _lacking(f"networks.{name}.passphrase", origins)
    names = dict.fromkeys((*KNOWN, *settings.networks))
    if settings.network not in names:
        yield (
            f"{_sets(origins['network'], 'network', settings.network)}; "
            f"allowed is one of {', '.join(names)}, or a name that a section [networks.NAME] describes."
        )


def _wrong_pins(panel: Panel, origins: Mapping[str, str]) -> Iterator[str]:
    """Every pin with two users. Whatever somebody set is to blame, rather than a default."""
    pins = panel.pins.model_dump()
    values = {"panel.hat": panel.hat, "panel.knobs": panel.knobs}
    values |= {f"panel.pins.{part}": pin for part, pin in pins.items()}
    set_by_hand = [key for key in values if key in origins]
    for key, sentence in clashes(pins, panel.knobs, panel.hat):
        blamed = key if key in origins else set_by_hand[0]
        yield f"{_sets(origins[blamed], blamed, values[blamed])}, but {sentence}"


# --- as a file ----------------------------------------------------------------------------------------------


def as_toml(loaded: Loaded) -> str:
    """The settings in force as a file to use again, each with what is allowed and where it was set."""
    return "\n".join(_lines(loaded, loaded.settings)) + "\n"


def _lines(loaded: Loaded, section: BaseModel, above: str = "") -> Iterator[str]:
    tables: list[tuple[str, BaseModel]] = []
    for name, value in section:
        key = f"{above}{name}"
        if isinstance(value, BaseModel):
            tables.append((key, value))
        elif isinstance(value, dict):
            tables += [(f"{key}.{inner}", table) for inner, table in value.items()]
        elif field := _field(key):
            yield f"# {field.description}"
            written = tomli_w.dumps({name: value}).rstrip("\n")
            yield f"{written}  # {_extra(field)['allowed']}; from {loaded.origin(key)}"
    for key, table in tables:
        yield f"\n[{key}]"
        yield from _lines(loaded, table, f"{key}.")
