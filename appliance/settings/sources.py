# SPDX-License-Identifier: Apache-2.0
"""Where settings come from: the command line, over the environment, over the file, over the defaults.

A setting is a dotted key ("sound.device") with one value from one place. A wrong one is reported in one sentence that
names the place, the key, the value and what is allowed; all wrong ones are reported at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from appliance.ledger.networks import KNOWN
from appliance.panel.pins import clashes
from appliance.settings.model import CustomNetwork, Panel, Settings, extra
from appliance.values import BoxError

DEFAULT_FILE = Path("/etc/stellar-wind.toml")
PREFIX = "STELLAR_WIND_"
COMMAND_LINE = "the command line"  # as an origin


class SettingsError(BoxError, ValueError):
    """One sentence a line, for each setting that is wrong."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where each of them was set."""

    settings: Settings
    origins: Mapping[str, str]  # dotted key to its source, for every key that is not at its default

    def origin(self, key: str) -> str:
        """Where a dotted key such as "sound.device" was set, in words: "the command line", "the file ..."."""
        return self.origins.get(key, "the default")


@dataclass(slots=True)
class _Place:
    """One place that settings come from."""

    values: dict[str, Any]  # by dotted key, known keys only
    origins: dict[str, str]
    wrong: list[str] = dataclasses.field(default_factory=list)  # a sentence for each key that is no setting


def load(command_line: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None) -> Loaded:
    """The settings in force.

    `command_line` holds dotted keys; its values can be text, as in the environment; None is an option that was not
    given. `config` is the file that the command line names; without one, the default file if it exists. Raises
    SettingsError, with a line for each thing that is wrong.
    """
    places = [_from_command_line(command_line), _from_environment(environ), _from_file(config)]
    given = ChainMap(*(place.values for place in places))
    origins = ChainMap(*(place.origins for place in places))
    wrong = [sentence for place in places for sentence in place.wrong]
    try:
        settings = Settings(**_nested(given))
        wrong += _wrong_networks(settings, origins)
        wrong += _wrong_pins(settings.panel, origins)
    except ValidationError as error:
        wrong += [_refused(details, given, origins) for details in error.errors()]
    if wrong:
        raise SettingsError("\n".join(dict.fromkeys(wrong)))
    return Loaded(settings, origins)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"sound.device": "hw:1"} as {"sound": {"device": "hw:1"}}."""
    nested: dict[str, Any] = {}
    # The longer key first: a text for all `headers` then replaces the single ones, and is refused.
    for key, value in sorted(values.items(), reverse=True):
        network, found, header = key.partition(".headers.")
        *sections, last = [*network.split("."), "headers", header] if found else key.split(".")
        table = nested
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = value
    return nested


def _place(
    values: Mapping[str, Any], origins: Mapping[str, str], spell: Callable[[str], str] = str
) -> _Place:
    place = _Place({}, {})
    for key, value in values.items():
        if _field(key):
            place.values[key], place.origins[key] = value, origins[key]
        else:
            place.wrong.append(_unknown(origins[key], key, value, spell))
    return place


def _from_command_line(command_line: Mapping[str, Any]) -> _Place:
    values = {key: value for key, value in command_line.items() if value is not None}
    return _place(values, dict.fromkeys(values, COMMAND_LINE))


def _from_environment(environ: Mapping[str, str]) -> _Place:
    # An empty variable counts as unset, as in other programs.
    names = {_key(name): name for name, value in environ.items() if name.startswith(PREFIX) and value}
    return _place(
        {key: environ[name] for key, name in names.items()},
        {key: f"the environment variable {name}" for key, name in names.items()},
        _variable,
    )


def _key(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().replace("__", ".")


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _from_file(config: Path | None) -> _Place:
    path = config or DEFAULT_FILE
    origin = f"the file {_printable(path)}"
    try:
        text = _text(path, path.read_bytes())
    except FileNotFoundError:
        if config:
            raise SettingsError(f"The file {path} that --config names does not exist.") from None
        text = ""
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be read: {error.strerror}.") from error
    try:
        table = tomllib.loads(text)
        # Raises ValueError for a hexadecimal number of thousands of digits: no error could show it.
        repr(table)
        values = dict(_leaves(table))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The file {path} is not TOML: {error}.{_quotes(text, str(error))}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"The file {path} has a number of thousands of digits, or thousands of brackets: remove them."
        ) from error
    return _place(values, dict.fromkeys(values, origin))


def _printable(path: Path) -> str:
    """The path on one line: a name can hold a newline, or bytes that are no text."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(path))


def _text(path: Path, content: bytes) -> str:
    """The text of a settings file, which some editors begin with a byte order mark or save in another encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise SettingsError(f"The file {path} is UTF-16 text: save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"The file {path} is not UTF-8 text (line {line}, perhaps Latin-1): save it as UTF-8."
        ) from error


def _quotes(text: str, error: str) -> str:
    """A hint for a text without its quotes, such as `start = 22:30`; "" for another error."""
    found = re.search(r"at line (\d+)", error)
    lines = text.splitlines()
    line = lines[int(found[1]) - 1] if found and int(found[1]) <= len(lines) else ""
    if match := re.fullmatch(r"\s*([\w.]+)\s*=\s*([^\s\"'\[{#][^\"'#]*?)\s*(#.*)?", line):
        return f' Text needs quotes: {match[1]} = "{match[2]}".'
    return ""


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
_HEADERS = "networks.NAME.headers"
# The names of 0.1.0, which are errors and no aliases, with the names of now.
_RENAMED = {
    "sound.loudest": "sound.max_volume",
    "sound.voices": "sound.polyphony",
    "sound.block": "sound.block_size",
    "night.begins": "night.start",
    "night.ends": "night.end",
    "state": "state_dir",
    "panel.factory": "panel.pin_factory",
}
_GONE = {"music.quirks": "the scene `original` always reads amounts in that way"}
_NAMED = re.compile(r"networks\.[a-z0-9]+(?:[_-][a-z0-9]+)*\.")


def _field(key: str) -> FieldInfo | None:
    named = _NAMED.sub("networks.NAME.", key, count=1)
    if named.startswith(f"{_HEADERS}."):  # each header is a key of its own
        named = _HEADERS
    return _FIELDS.get(named)


def _is_secret(key: str) -> bool:
    """Whether a value is not shown: that of a header, and also of one whose key is misspelt."""
    known = key.endswith((".endpoints", ".passphrase")) and ".headers." not in key
    return key.startswith("networks.") and not known


# --- what is said when one is wrong -------------------------------------------------------------------------


def _sets(origin: str, key: str, value: object) -> str:
    shown = value.isoformat() if isinstance(value, date | time) else repr(value)
    if key.endswith((".endpoints", ".server")):
        shown = re.sub(r"(//)[^/@'\"]*@|(\?)[^'\"]*", r"\1\2...", shown)  # each of them can be a key
    if _is_secret(key):
        return f"{origin[0].upper()}{origin[1:]} sets {key}"
    return f"{origin[0].upper()}{origin[1:]} sets {key} = {shown:.80}"


def _unknown(origin: str, key: str, value: object, spell: Callable[[str], str]) -> str:
    return f"{_sets(origin, key, value)}, but there is no such setting; {_hint(key, spell)}"


def _hint(key: str, spell: Callable[[str], str]) -> str:
    if key in _RENAMED:
        return f"it is now {spell(_RENAMED[key])}."
    if key in _GONE:
        return f"remove it, {_GONE[key]}."
    if key.startswith("networks.") and _field(key.lower()):
        return f"the name of a network is written in lower case: {spell(key.lower())}."
    if section := [other for other in _FIELDS if other.startswith(f"{key}.")]:
        return f"{key} is a section, with {', '.join(map(spell, section))}."
    last = key.rpartition(".")[2]
    near = [
        other for other in _FIELDS if other.rpartition(".")[2] == last
    ]  # the right word in a wrong section
    near = near or difflib.get_close_matches(key, _FIELDS, n=1)
    return (
        f"did you mean {' or '.join(map(spell, near))}?" if near else "`stellar-wind config` lists them all."
    )


def _refused(details: ErrorDetails, given: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    key = ".".join(part for part in details["loc"] if isinstance(part, str))
    field = _field(key)
    if field is _FIELDS[_HEADERS] and key not in given:  # each header was set by itself
        origin = next(origins[other] for other in given if other.startswith(f"{key}."))
        return f"{_sets(origin, key, None)}; {_reason(details, None)}allowed is {extra(field)['allowed']}."
    if not field or key not in given:  # a [networks.NAME] without a value that every network needs
        return _lacking(key, origins)
    reason = _reason(details, given[key])
    return f"{_sets(origins[key], key, given[key])}; {reason}allowed is {extra(field)['allowed']}."


def _reason(details: ErrorDetails, value: object) -> str:
    """What a validator has to say beyond what is allowed."""
    if isinstance(value, date | time):
        return "text needs quotes; "
    reason = str(details.get("ctx", {}).get("error", ""))
    return f"{reason}; " if reason else ""


def _lacking(key: str, origins: Mapping[str, str]) -> str:
    section, _, name = key.rpartition(".")
    origin = next(origin for other, origin in origins.items() if other.startswith(f"{section}."))
    return (
        f"{origin[0].upper()}{origin[1:]} describes the network [{section}], but no setting gives its {name}."
    )


def _wrong_networks(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    """What can be checked only across sections."""
    for name, custom in settings.networks.items():
        if name not in KNOWN and not custom.passphrase:
            yield _lacking(f"networks.{name}.passphrase", origins)
    names = dict.fromkeys((*KNOWN, *settings.networks))
    for key, value in (("network", settings.network), ("pieces.network", settings.pieces.network)):
        if value not in names:
            yield (
                f"{_sets(origins[key], key, value)}; "
                f"allowed is one of {', '.join(names)}, or a name that a section [networks.NAME] describes."
            )


def _wrong_pins(panel: Panel, origins: Mapping[str, str]) -> Iterator[str]:
    """Every pin with two uses. The error names a setting that was set, rather than a default."""
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
        elif _field(key) is _FIELDS[_HEADERS]:
            yield f"# {_FIELDS[_HEADERS].description}"
            yield from (
                f"# headers.{header} is set, from {loaded.origin(f'{key}.{header}')}" for header in value
            )
        elif isinstance(value, dict):
            tables += [(f"{key}.{inner}", table) for inner, table in value.items()]
        elif field := _field(key):
            yield f"# {field.description}"
            written = tomli_w.dumps({name: value}).rstrip("\n")
            yield f"{written}  # {extra(field)['allowed']}; from {loaded.origin(key)}"
    for key, table in tables:
        yield f"\n[{key}]"
        yield from _lines(loaded, table, f"{key}.")
