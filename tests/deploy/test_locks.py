# SPDX-License-Identifier: Apache-2.0
"""The locks: that they are of this very program, whole, and name no place to take things from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
LOCKS = ROOT / "deploy" / "locks"
MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", re.M
)


def locked(architecture: str) -> dict[str, str]:
    text = (LOCKS / f"{architecture}.txt").read_text()
    assert ENTRY.sub("", text) == ""  # nothing without a version and a hash; no address
    return {entry["name"]: entry["version"] for entry in ENTRY.finditer(text)}


def required(architecture: str, python: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    where = {"platform_machine": MACHINES[architecture], "sys_platform": "linux", "python_version": python}
    texts = project["dependencies"] + project["optional-dependencies"]["pi"]
    requirements = [Requirement(text) for text in texts]
    return [r for r in requirements if not r.marker or r.marker.evaluate(where)]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("architecture", MACHINES)
def test_a_lock_has_what_the_project_asks_for(architecture: str, python: str) -> None:
    versions = locked(architecture)
    wrong = [
        str(requirement)
        for requirement in required(architecture, python)
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]
    assert wrong == [], "make locks"


def test_both_machines_play_with_the_same() -> None:
    assert locked("amd64").items() - locked("arm64").items() == {("pyo", locked("amd64")["pyo"])}


def test_every_licence_is_listed() -> None:
    table = (LOCKS / "licences.md").read_text()
    listed = dict(re.findall(r"^\| ([a-z0-9.-]+) \| (\d\S*) \| (?!not stated)", table, re.M))
    assert listed == locked("amd64"), "make sbom"
