# SPDX-License-Identifier: Apache-2.0
"""Every setting: its unit, its range, its default and the reason for it.

Immutable once read, by the main thread of the player and of the listener at start, and by the player again on SIGHUP.
Where the values come from is in sources.py.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

# Without it, pydantic opens the metadata of every installed package to look for plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from appliance.ledger.networks import KNOWN, RPC, Network
from appliance.ledger.staleness import SILENT_AFTER
from appliance.music.scales import ROOTS, STEPS
from appliance.music.scenes import SCENES
from appliance.panel.pins import ANY_HAT, HATS, NO_HAT, NOWHERE, PINS, Knobs, Wiring, wiring
from appliance.values import FASTEST, SLOWEST

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
    """A field. `allowed` says in words which values are valid, for errors and for the comments of `as_toml`."""
    extra: dict[str, Any] = {"allowed": allowed, "choices": list(choices)}
    return Field(default, ge=low, le=high, description=why, json_schema_extra=extra)


def _number(default: float, low: int, high: int, unit: str, why: str) -> Any:
    kind = "a whole number" if isinstance(default, int) else "a number"
    return _setting(default, f"{kind} from {low} to {high} {unit}".rstrip(), why, low=low, high=high)


def _choice(default: str | int, choices: Iterable[str | int], why: str, unit: str = "") -> Any:
    return _setting(default, f"one of {', '.join(map(str, choices))} {unit}".rstrip(), why, choices=choices)


def extra(field: FieldInfo) -> dict[str, Any]:
    """What `_setting` has put beside pydantic's own: `allowed` and `choices`."""
    return cast(dict[str, Any], field.json_schema_extra or {})


def _no_switch(value: object) -> object:
    """Python counts true as 1, but `volume = true` in a file is a mistake."""
    if isinstance(value, bool):
        raise ValueError
    return value


def _as_list(value: object) -> object:
    """A list in the environment or on the command line is written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Real = Annotated[float, BeforeValidator(_no_switch)]
Whole = Annotated[int, BeforeValidator(_no_switch)]
# RFC 1123, with the underscore that private names use; urlsplit itself checks an IPv6 address.
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, a token
OUR_HEADERS = (  # by them the listener asks for what it can read
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host"),
    *("last-event-id", "proxy-authorization", "transfer-encoding", "upgrade"),
)
PIPE = "pipe:"  # before the path of a named pipe, in sound.device
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}  # registered with IANA
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
Words = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _Section(BaseModel):
    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True, validate_default=True
    )

    @field_validator("*")
    @classmethod
    def _is_a_choice(cls, value: Any, info: ValidationInfo) -> Any:
        choices = extra(cls.model_fields[str(info.field_name)]).get("choices")
        if choices and value not in choices:
            raise ValueError
        return value


# --- the settings -------------------------------------------------------------------------------------------


class Sound(_Section):
    """The sound card and the synthesis."""

    device: str = _setting(
        "auto",
        "auto, pipe:/PATH for a named pipe, or the name of an ALSA device, as `aplay -L` lists them",
        "The sound card; `auto` takes the best: sound board, USB, headphones, HDMI with a monitor that has speakers.",
    )
    latency: Real = _number(
        128.0, 40, 500, "ms", "Sound that is buffered; more bridges longer pauses and delays the knobs."
    )
    max_volume: Real = _number(
        1.0,
        0,
        1,
        "of full volume",
        "Maximum volume, at the end of the knob's travel; 0.75 is 12 dB below full.",
    )
    polyphony: Whole = _number(16, 6, 32, "notes", "Melody notes at once; 16 is what a Zero 2 W can compute.")
    block_size: Whole = _choice(
        512, (256, 512, 1024), "Samples computed at a time; more is cheaper, but coarser in time.", "frames"
    )

    @field_validator("device")
    @classmethod
    def _has_a_path(cls, value: str) -> str:
        if value.startswith(PIPE) and not value.startswith(f"{PIPE}/"):
            raise ValueError
        return value

    @property
    def pipe(self) -> Path | None:
        """The named pipe that `device` is; None if it is a sound card."""
        return Path(self.device.removeprefix(PIPE)) if self.device.startswith(PIPE) else None


class Night(_Section):
    """Night hours, by the computer's clock and time zone, and how quiet and dark the box is then."""

    start: str = _setting(
        "", "a time such as 22:30, or nothing for no night", "When the box becomes quieter."
    )
    end: str = _setting("07:00", "a time such as 07:00", "When it returns to its daytime level.")
    volume: Real = _number(
        0.75, 0, 1, "of the knob's travel", "0.75 is 8 dB quieter, and 12 dB at the end of the knob."
    )
    light: Real = _number(0.25, 0, 1, "of the light", "How bright the lamps are; 0 is dark.")

    @field_validator("start", "end")
    @classmethod
    def _is_a_time(cls, value: str, info: ValidationInfo) -> str:
        if not _TIME.fullmatch(value) and (value or info.field_name == "end"):
            raise ValueError
        return value


class Music(_Section):
    """What is played."""

    root: str = _choice("C", ROOTS, "The root of the scale.")
    scale: str = _choice(
        "wind", STEPS, "The notes that are played; `wind` is minor pentatonic with a minor sixth."
    )
    invert: bool = _setting(False, "true or false", "Larger amounts are higher notes; true reverses that.")
    hours: bool = _setting(
        True, "true or false", "Whether the hour of the day is heard: by night lower, darker and sparser."
    )


class Listener(_Section):
    """How the network is listened to."""

    mode: str = _choice(
        "ledgers",
        ("ledgers", "operations"),
        "Read each ledger's operations in pages, with little traffic, or stream every operation.",
    )
    pages: Whole = _number(3, 1, 5, "pages of 200 operations", "Read per ledger; more would not be audible.")
    idle_timeout: Real = _number(
        SILENT_AFTER, 10, 300, "s", "Silence after which a stream is given up; 55 s can be healthy."
    )
    socket: str = _setting(
        "",
        "the path of a Unix socket, or nothing",
        "A listener that runs as its own unit; without one the box starts a listener itself.",
    )


class CustomNetwork(_Section):
    """A private network, or other endpoints for a known one."""

    endpoints: Words = _setting(
        ...,
        f"at least one http:// or https:// address, with {RPC} before it for a Stellar RPC server",
        "Horizon or Stellar RPC servers, tried in this order.",
    )
    passphrase: str = _setting(
        "",
        "the network's passphrase, or nothing for a known network's own",
        "A server that states another passphrase belongs to another network and is not used.",
    )
    headers: dict[str, str] = _setting(
        {},
        'names and values, as in { Authorization = "Bearer KEY" }',
        "Sent to the network's own servers, which can want a key, and not to the public ones. Never shown.",
    )

    @field_validator("endpoints")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        if not addresses:
            raise ValueError
        for address in addresses:
            _check_address(address.removeprefix(RPC))
        return addresses  # as they were written: a server can know "/horizon/" and redirect "/horizon"

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in OUR_HEADERS:
                raise ValueError(f"{name!r:.80} is not a header that can be added")
            if (
                not value.isascii() or not value.isprintable()
            ):  # the value is secret: the error does not show it
                raise ValueError(f"the value of {name} has characters that a header cannot have")
        return headers


def _check_address(address: str) -> None:
    """Raises ValueError with the reason for an address that no server can have."""
    if "@" in address:
        raise ValueError("a user name in an address would be shown, set headers instead")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{address!r:.80} has no valid host and port") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError
    if parts.query or parts.fragment:
        raise ValueError(
            f"{parts.hostname!r:.80} has a query, which is not sent; if it is a key, set headers instead"
        )
    if port == 0 or not (_HOST.fullmatch(host) or ":" in host):
        raise ValueError(f"{address!r:.80} has no valid host and port")


class Keep(_Section):
    """What the box writes when it is asked to keep the last half hour."""

    format: str = _choice(
        "mid",
        ("score", "mid", "flac"),
        "Written beside the score: nothing more, MIDI, or sound, which takes a small board several minutes.",
    )


class Recording(_Section):
    """What plays without a network."""

    path: str = _setting(
        "", "the path of a tape, or nothing for the one that ships", "Plays without a network."
    )


def _listening(text: str) -> str:
    """An address to listen on. Raises ValueError."""
    if text:
        host, port = listening_address(text)
        if ":" not in text:
            raise ValueError
        if host:
            ip_address(host)
        if not 0 < port < 1 << 16:
            raise ValueError
    return text


def listening_address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8017", "[::1]:8017" or ":8017". Raises ValueError."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") if host.startswith("[") else host, int(port)


class Page(_Section):
    """The box in a browser: `stellar-wind page`, a process of its own."""

    listen: Annotated[str, AfterValidator(_listening)] = _setting(
        "",
        "an address and a port such as 192.168.0.7:8017, a port alone such as :8017 for all addresses, or nothing",
        "Where the page is served; a box serves it only if this is set. `stellar-wind page` takes the loopback.",
    )
    names: Words = _setting(
        (),
        "host names such as stellar-wind.local, with commas between them in the environment",
        "Host names of the box, instead of the computer's own; its addresses always work, other names are refused.",
    )
    steer: bool = _setting(
        False,
        "true or false",
        "Whether everyone who can open the page may also turn the knobs, press the buttons and keep.",
    )

    @field_validator("names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(name) for name in names):
            raise ValueError
        return names


def _mqtt_server(text: str) -> str:
    """The address of a broker. Raises ValueError."""
    if text:
        if "@" in text:
            raise ValueError("a user name in an address would be shown, set mqtt.user instead")
        mqtt_address(text)
    return text


def mqtt_address(text: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS is used, of "mqtt://192.168.0.2" or "mqtts://a.example:8883". Raises ValueError."""
    parts = urlsplit(text)
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in MQTT_PORTS or parts.path.strip("/") or parts.query or parts.fragment or port == 0:
        raise ValueError
    if not (_HOST.fullmatch(host) or ":" in host):
        raise ValueError
    return host, port or MQTT_PORTS[parts.scheme], parts.scheme == "mqtts"


def _topic(text: str) -> str:
    """The beginning of topics. Raises ValueError for what no topic can be, or would be the broker's own."""
    if len(text) > 100 or not text.isprintable() or set(text) & set("+#$") or "" in text.split("/"):
        raise ValueError
    return text


class Mqtt(_Section):
    """Home Assistant, and whatever else speaks MQTT: `stellar-wind mqtt`, a process of its own."""

    server: Annotated[str, AfterValidator(_mqtt_server)] = _setting(
        "",
        "an address such as mqtt://192.168.0.2, mqtts:// for one with TLS, or nothing",
        "The broker. The box uses one only if this is set.",
    )
    user: str = _setting("", "a user name of the broker, or nothing", "The box logs in under this name.")
    password_file: str = _setting(
        "", "the path of a file, or nothing", "Its first line is the password; it is read at each connection."
    )
    prefix: Annotated[str, AfterValidator(_topic)] = _setting(
        "stellar-wind", "a topic without wildcards", "The topics of the box begin with it."
    )
    discovery: Annotated[str, AfterValidator(lambda text: text and _topic(text))] = _setting(
        "homeassistant",
        "the topic of Home Assistant's discovery, or nothing",
        "Home Assistant finds the box by what is published below it.",
    )


def _pin(part: str) -> Any:
    return _number(PINS[part], NOWHERE, 27, f"(Broadcom); {NOWHERE} for none", f"The pin of {part}.")


class Pins(_Section):
    """The pins of the panel, for a box that is not wired as hardware/ says."""

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

    pin_factory: str = _choice(
        "auto",
        ("auto", "rpigpio", "lgpio", "mock", "none"),
        "What drives the pins; `auto` is rpigpio, or lgpio for encoders; `mock` needs no hardware.",
    )
    knobs: Knobs = _choice(
        "potentiometers",
        ("potentiometers", "encoders", "none"),
        "Potentiometers on an MCP3008 have a position; encoders turn endlessly.",
    )
    hat: str = _choice(
        ANY_HAT,
        (ANY_HAT, NO_HAT, *HATS),
        "The sound board on the header, whose pins the panel must not use; `any` avoids the pins of the common ones.",
    )
    lamps: str = _choice("calm", ("calm", "full", "off"), "Brightness; calm is half the light.")
    power_off: str = _setting(
        "systemctl poweroff",
        "a command, or nothing",
        "Switches the power off when MUTE is held; the box's user must be allowed to run it.",
    )
    pins: Pins = Pins()

    @field_validator("power_off")
    @classmethod
    def _is_a_command(cls, value: str) -> str:
        shlex.split(value)  # raises ValueError where a quote does not end
        return value

    @property
    def wiring(self) -> Wiring:
        """Every pin and channel of the panel."""
        return wiring(self.knobs, self.pins.model_dump())


_NODE = re.compile(r"([a-z0-9.-]{1,253}|\[[0-9a-f:]+\]):([1-9]\d{0,4})", re.IGNORECASE)


class Pieces(_Section):
    """Sharing, finding and selling pieces; the extra `pieces` and the service stellar-wind-pieces are needed too."""

    reach: str = _choice(
        "off",
        ("off", "lan", "internet"),
        "`lan` shares with boxes at home; with `internet`, peers and nodes of the DHT see the box's address.",
    )
    network: str = _setting("public", "the name of a network", "The network on which pieces are paid for.")
    port: Whole = _number(
        0, 0, 65_535, "(0 draws one and keeps it)", "The port on which other boxes reach this one."
    )
    upload: Whole = _number(256, 8, 100_000, "kB a second", "The most that is sent to other boxes.")
    shelf: Whole = _number(200, 10, 100_000, "MB", "The most that pieces take on the disk.")
    bootstrap: Words = _setting(
        ("dht.libtorrent.org:25401",),
        "HOST:PORT, or several",
        "Nodes of the DHT that are asked first with `internet`; not used with `lan`.",
    )

    @field_validator("bootstrap")
    @classmethod
    def _are_nodes(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        for node in nodes:
            match = _NODE.fullmatch(node)
            if not match or int(match[2]) > 65_535:
                raise ValueError(f"{node!r:.80} is no HOST:PORT")
        return nodes


class Settings(BaseSettings, _Section):
    """All settings."""

    network: str = _setting("public", "the name of a network", "The network to play at start.")
    scene: str = _choice("wind", SCENES, "Notes, bed and wind. Can change while the box plays (SIGHUP).")
    volume: Real = _number(0.7, 0, 1, "of full volume", "Volume at first; 0.7 leaves room to turn it up.")
    tempo: Real = _number(
        60.0, round(SLOWEST), round(FASTEST), "beats a minute", "Notes begin on beats; 60 is a calm pulse."
    )
    seed: Whole = _number(1, 0, 2**31 - 1, "", "Random seed: the same seed and tape give the same piece.")
    state_dir: str = _setting(
        "",
        "the path of a folder, or nothing for systemd's, or else ~/.local/state/stellar-wind",
        "Folder for state.json, kept scores and, if it is set, the control socket.",
    )
    sound: Sound = Sound()
    night: Night = Night()
    music: Music = Music()
    listener: Listener = Listener()
    recording: Recording = Recording()
    keep: Keep = Keep()
    panel: Panel = Panel()
    page: Page = Page()
    mqtt: Mqtt = Mqtt()
    pieces: Pieces = Pieces()
    networks: dict[str, CustomNetwork] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the initialiser: sources.py merges the sources itself, so that an error can name the source."""
        return (init_settings,)


def safe_mode(settings: Settings) -> Settings:
    """The defaults, but with the owner's wiring, listener socket, maximum volume and night hours."""
    sound = Sound(max_volume=settings.sound.max_volume)
    listener = Listener(socket=settings.listener.socket)
    update = {"panel": settings.panel, "listener": listener, "sound": sound, "night": settings.night}
    return Settings().model_copy(update=update)


def networks(settings: Settings) -> dict[str, Network]:
    """Every network that can be played, by name: the known ones first, then the owner's."""
    every = dict(KNOWN)
    for name, custom in settings.networks.items():
        passphrase = custom.passphrase or every[name].passphrase
        every[name] = Network(name, passphrase, custom.endpoints, custom.headers)
    return every
