# SPDX-License-Identifier: Apache-2.0
"""Settings files as people and editors write them, and addresses that no server can have."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from appliance.settings import SettingsError, as_toml, load, networks


def refused(file: Path, content: bytes) -> str:
    """The one line of the error for a file."""
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load({}, {}, file)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "box.toml"


def test_an_empty_variable_is_unset() -> None:
    assert load({}, {"STELLAR_WIND_TEMPO": "", "STELLAR_WIND_NONSENSE": ""}).settings.tempo == 60.0


def test_a_byte_order_mark_is_no_part_of_the_text(file: Path) -> None:
    file.write_bytes("tempo = 72\n".encode("utf-8-sig"))
    assert load({}, {}, file).settings.tempo == 72.0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("tempo = 72\n".encode("utf-16"), "UTF-16"),
        ("tempo = 72\n".encode("utf-16-le"), "UTF-16"),
        ('tempo = 72\n# grün\nscene = "wind"\n'.encode("latin-1"), "line 2"),
    ],
)
def test_another_encoding_is_named_with_its_cure(content: bytes, named: str, file: Path) -> None:
    line = refused(file, content)
    assert named in line
    assert "save it as UTF-8" in line
    assert str(file) in line


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("[night]\nstart = 22:30\n", 'start = "22:30"'),
        ("scene = night # calm\n", 'scene = "night"'),
        ("night.start = 22:30:00\n", "needs quotes"),
        ("night.start = 2026-01-01\n", "2026-01-01"),
        ('sound = "hw:1"\n', "sound.device"),
        ("[networks.Mine]\nendpoints = ['https://h']\n", "networks.mine.endpoints"),
        ("lateness = 3\n", "config"),
        ("volum = 0.5\n", "volume"),
        ("latency = 90\n", "sound.latency"),
    ],
)
def test_a_mistake_gets_the_hint_that_helps(content: str, hint: str, file: Path) -> None:
    assert hint in refused(file, content.encode())


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000, "0x" + "f" * 5000])
def test_a_value_that_no_parser_takes_is_named(value: str, file: Path) -> None:
    assert "thousands" in refused(file, f"volume = {value}\n".encode())


@pytest.mark.parametrize("content", ["tempo = \n", "[night\n", 'scene = "night\n', "= 3\n", "a = [1,\n"])
def test_toml_that_is_none_says_where(content: str, file: Path) -> None:
    line = refused(file, content.encode())
    assert str(file) in line
    assert "needs quotes" not in line


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://h:99999", "port"),
        ("https://h:abc", "port"),
        ("https://h:0", "port"),
        ("https://horizon..example.org", "host"),
        ("https://-h", "host"),
        ("https://h h", "host"),
        ("https://[::1", "host"),
        ("https://h?auth=KEY", "query"),
        ("rpc+https://h#x", "query"),
        ("ftp://h", "http://"),
        ("https://", "http://"),
    ],
)
def test_an_address_that_no_server_can_have_is_refused_with_the_reason(
    address: str, reason: str, file: Path
) -> None:
    content = f'[networks.mine]\nendpoints = ["{address}"]\npassphrase = "p"\n'
    line = refused(file, content.encode())
    assert address.removeprefix("rpc+").partition("?")[0] in line
    assert reason in line
    assert "KEY" not in line  # a query can be one


@pytest.mark.parametrize(
    "address", ["https://me:SECRET@h", "https://SECRET@h:8000/", "https://h/?key=SECRET"]
)
def test_a_secret_in_an_address_is_refused_and_not_shown(address: str, file: Path) -> None:
    line = refused(file, f'[networks.mine]\nendpoints = ["{address}"]\npassphrase = "p"\n'.encode())
    assert "headers" in line
    assert "SECRET" not in line


KEYS = """
[networks.mine]
endpoints = ["https://h", "https://horizon.stellar.org/"]
passphrase = "p"
headers = { Authorization = "Bearer SECRET", X-Api-Key = "SECRET" }
"""


def test_headers_are_for_the_owners_servers_and_never_shown(file: Path) -> None:
    file.write_text(KEYS)
    loaded = load({"networks.mine.headers.X-More": "SECRET"}, {}, file)
    mine = networks(loaded.settings)["mine"]
    expected = {"Authorization": "Bearer SECRET", "X-Api-Key": "SECRET", "X-More": "SECRET"}
    assert mine.headers_for("https://h") == expected
    assert mine.headers_for("https://horizon.stellar.org/") == {}
    assert "SECRET" not in repr(mine)
    text = as_toml(loaded)
    assert "SECRET" not in text
    assert all(name in text for name in expected)
    file.write_text(text)
    assert networks(load({}, {}, file).settings)["mine"].endpoints == mine.endpoints


@pytest.mark.parametrize(
    "headers",
    [
        'headers = "SECRET"',
        'headers = ["SECRET"]',
        'header = { X-Api-Key = "SECRET" }',
        'headers = { "X Api" = "SECRET" }',
        'headers = { Host = "SECRET" }',
        'headers = { X-Api-Key = "SECRET\\r\\nHost: x" }',
        'headers = { X-Api-Key = "SECRET\u00e4" }',
        "headers = { X-Api-Key = 7 }",
    ],
)
def test_headers_that_cannot_be_are_refused_without_their_values(headers: str, file: Path) -> None:
    line = refused(
        file, f'[networks.mine]\nendpoints = ["https://h"]\npassphrase = "p"\n{headers}\n'.encode()
    )
    assert "networks.mine.header" in line
    assert "SECRET" not in line


def test_a_text_for_all_headers_is_refused_beside_one_header(file: Path) -> None:
    file.write_text(KEYS)
    with pytest.raises(SettingsError, match=r"sets networks\.mine\.headers;"):
        load({}, {"STELLAR_WIND_NETWORKS__MINE__HEADERS": "SECRET"}, file)


def test_the_name_of_a_header_can_have_a_dot(file: Path) -> None:
    file.write_text(KEYS.replace("X-Api-Key", '"X.Api.Key"'))
    mine = networks(load({}, {}, file).settings)["mine"]
    assert mine.headers_for("https://h") == {"Authorization": "Bearer SECRET", "X.Api.Key": "SECRET"}


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "https://[::1]:80/horizon/", "rpc+https://my_host.lan.", "http://h"]
)
def test_an_address_that_a_server_can_have_is_taken(address: str, file: Path) -> None:
    file.write_text(f'[networks.mine]\nendpoints = ["{address}"]\npassphrase = "p"\n')
    assert load({}, {}, file).settings.networks["mine"].endpoints == (address,)


@pytest.mark.parametrize("name", ["two\nlines.toml", "m\udcfcde.toml"])
def test_a_file_with_an_odd_name_is_named_on_one_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("tempo = 72\n")
    loaded = load({}, {}, file)
    printed = as_toml(loaded)
    assert tomllib.loads(printed)["tempo"] == 72.0
    assert ascii(name)[1:-1] in printed
