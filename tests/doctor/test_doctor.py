# SPDX-License-Identifier: Apache-2.0
"""The whole examination, and the verb as typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.doctor.examine import CHECKS, examine
from appliance.doctor.finding import Finding, Verdict
from appliance.doctor.parts import PARTS
from appliance.saved.state import SavedControls, State, encode
from appliance.settings import SettingsError, load
from tests.support.patient import patient
from tests.support.statuses import STATUS

MINE = '[networks.mine]\nendpoints = ["http://127.0.0.1:9"]\npassphrase = "first"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of a box whose server is not there."""
    path = tmp_path / "box.toml"
    path.write_text(f'network = "mine"\n{MINE}')
    return path


def of(check: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


def test_it_reports_where_the_settings_come_from(tmp_path: Path, config: Path) -> None:
    loaded = load({"tempo": "72"}, {}, config)
    findings = examine(patient(tmp_path), loaded)
    (settings,) = of("settings", findings)
    in_file, on_line, *_ = settings.says.split(", ")
    assert in_file.startswith("3 ")
    assert str(config) in in_file
    assert on_line.startswith("1 ")
    (server,) = of("server mine", findings)
    assert (server.verdict, server.says.split()[0]) == (Verdict.WRONG, "127.0.0.1")


@pytest.mark.parametrize(
    ("given", "plays", "saved", "expected"),
    [
        ({}, None, None, "mine"),
        ({}, None, ("mine", "other"), "other"),  # a button was pressed
        ({}, None, ("public", "other"), "mine"),  # the settings have changed since
        ({}, None, ("mine", "gone"), "mine"),
        ({}, "other", ("mine", "mine"), "other"),  # which is saved some seconds later
        ({}, "gone", None, "mine"),
        ({"network": "mine"}, "other", ("mine", "other"), "mine"),
    ],
)
def test_the_servers_are_those_of_the_network_that_was_chosen(
    tmp_path: Path,
    config: Path,
    given: dict[str, str],
    plays: str | None,
    saved: tuple[str, str] | None,
    expected: str,
) -> None:
    config.write_text(f'network = "mine"\n{MINE}{MINE.replace("mine", "other")}')
    before, now = (SavedControls(0.7, 60.0, name, "wind") for name in saved or ("mine", "mine"))
    machine = patient(
        tmp_path / "root",
        {"/state/stellar-wind/state.json": encode(State(before, now)).decode() if saved else "{"},
        environ={"XDG_STATE_HOME": "/state"},
        status=replace(STATUS, network=plays) if plays else None,
    )
    checks = {finding.check for finding in examine(machine, load(given, {}, config), part="network")}
    assert {check for check in checks if check.startswith("server")} == {f"server {expected}"}


def test_wrong_settings_are_findings(tmp_path: Path, config: Path) -> None:
    refused = SettingsError("One is wrong.\nAnother is.")
    found = of("settings", examine(patient(tmp_path), load({}, {}, config), refused))
    assert [(one.verdict, one.says) for one in found] == [
        (Verdict.WRONG, "One is wrong."),
        (Verdict.WRONG, "Another is."),
    ]


def test_the_verb_prints_the_findings_and_exits_with_1_if_one_is_wrong(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert any(line.split()[:4] == ["wrong", "server", "mine", "127.0.0.1"] for line in said.splitlines())
    assert said.rstrip().endswith("wrong.")


def test_the_verb_as_json_with_wrong_settings_asks_no_server(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f'network = "mine"\ntempo = 9\n{MINE}')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert all(part in found[0]["says"] for part in (str(config), "tempo = 9"))
    assert {one["check"] for one in found} >= {"settings", "clock", "versions"}
    assert not any(one["check"].startswith("server") for one in found)


def test_a_part_by_itself(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "settings", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["", "Nothing is wrong."]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_typed(config: Path, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", part, "--config", str(config), "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["findings"]


def test_every_check_belongs_to_a_part() -> None:
    assert set(CHECKS) <= set(PARTS)
