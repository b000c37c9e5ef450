# SPDX-License-Identifier: Apache-2.0
"""What goes over to another release and back: the very script, in a folder, with a systemctl that says what we like."""

import os
import subprocess
from pathlib import Path

import pytest

from appliance.values import BoxState

SCRIPT = Path(__file__).parent.parent.parent / "deploy" / "systemd" / "stellar-wind-release"

pytestmark = pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="needs Linux")


class Box:
    """A folder with releases, and a player that has been active since the start of this machine, or is not at all."""

    def __init__(self, folder: Path, *releases: str) -> None:
        self.root, self.asked = folder / "stellar-wind", folder / "asked"
        self.settings = folder / "stellar-wind.toml"
        for release in releases:
            python = self.root / "releases" / release / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.symlink_to("/bin/true")
        self._programs = folder / "programs"
        self._programs.mkdir()
        (self._programs / "sleep").symlink_to("/bin/true")  # time is what /proc/uptime says
        self.player("active")

    def player(self, state: str, shown: BoxState = BoxState.LIVE) -> None:
        systemctl = self._programs / "systemctl"
        systemctl.write_text(
            f'#!/bin/sh\necho "$@" >>{self.asked}\n'
            f"echo ActiveState={state}; echo ActiveEnterTimestampMonotonic=0\n"
            f"echo 'StatusText=public: {shown.value}; on the card Headphones'\n"
        )
        systemctl.chmod(0o755)

    def run(self, *words: str, trial: int = 60, played: int = 1) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "STELLAR_WIND_ROOT": str(self.root),
            "STELLAR_WIND_SETTINGS": str(self.settings),
            "STELLAR_WIND_TRIAL": str(trial),
            "STELLAR_WIND_PLAYED": str(played),
        }
        return subprocess.run([str(SCRIPT), *words], env=environ, capture_output=True, text=True, check=False)

    def links(self) -> dict[str, str]:
        return {link.name: str(link.readlink()) for link in self.root.iterdir() if link.is_symlink()}

    def releases(self) -> list[str]:
        return sorted(release.name for release in (self.root / "releases").iterdir())


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = Box(tmp_path, "1", "2", "3")
    assert box.run("use", "1").returncode == 0
    return box


def test_the_first_one_has_no_way_back(box: Box) -> None:
    assert box.links() == {"current": "releases/1"}
    assert box.run("judge").returncode == 0
    assert box.links() == {"current": "releases/1"}


def test_the_same_again_changes_and_says_nothing(box: Box) -> None:
    assert box.run("use", "1").stdout == ""
    assert box.links() == {"current": "releases/1"}


def test_one_that_plays_stays_and_the_one_before_it_too(box: Box) -> None:
    assert "release 2" in box.run("use", "2").stdout
    assert box.links() == {"current": "releases/2", "fallback": "releases/1"}
    assert box.run("judge").returncode == 0
    assert box.links() == {"current": "releases/2", "previous": "releases/1"}
    assert box.releases() == ["1", "2"]  # not the third
    box.run("use", "1")  # by hand
    assert box.run("judge").returncode == 0
    assert box.links() == {"current": "releases/1", "previous": "releases/2"}


@pytest.mark.parametrize("state", ["activating", "failed", "inactive"])
def test_one_that_does_not_play_is_left(box: Box, state: str) -> None:
    box.run("use", "2")
    box.player(state)
    judged = box.run("judge", trial=0)
    assert judged.returncode == 1
    assert "release 2" in judged.stderr
    assert box.links() == {"current": "releases/1"}
    assert box.asked.read_text().splitlines()[-2:] == [
        "restart --no-block stellar-wind.service",
        "try-restart --no-block stellar-wind-page stellar-wind-mqtt stellar-wind-pieces",
    ]
    assert box.releases() == ["1", "2", "3"]


def test_one_that_plays_only_in_safe_mode_is_left(box: Box) -> None:
    box.run("use", "2")
    box.player("active", BoxState.TROUBLE)
    assert box.run("judge", trial=1).returncode == 1
    assert box.links() == {"current": "releases/1"}


def test_one_that_has_not_played_for_long_enough_is_left(box: Box) -> None:
    box.run("use", "2")
    assert box.run("judge", trial=1, played=10**9).returncode == 1
    assert box.links() == {"current": "releases/1"}


def test_the_way_back_is_to_one_that_was_good(box: Box) -> None:
    """The second is still on trial when the third comes."""
    box.run("use", "2")
    box.run("use", "3")
    assert box.links() == {"current": "releases/3", "fallback": "releases/1"}


def test_an_upgrade_that_was_cut_off_before_the_trial_is_reported(box: Box) -> None:
    """It is by what this says that the role knows that there is something to judge."""
    box.run("use", "2")
    assert box.run("use", "2").stdout.rstrip().endswith("on trial.")
    assert box.run("judge").returncode == 0
    assert box.run("use", "2").stdout == ""


def test_the_way_back_has_its_settings(box: Box) -> None:
    """The new ones may name what the old release does not know, and would end it for good."""
    box.settings.write_text("# 1\n")
    box.run("use", "2")
    box.settings.write_text("# 2\n")
    box.run("use", "3")  # still on trial: the way back is to 1
    box.settings.write_text("# 3\n")
    assert box.run("judge", trial=0).returncode == 1
    assert box.settings.read_text() == "# 1\n"
    box.run("use", "3")
    box.settings.write_text("# 3\n")
    assert box.run("judge").returncode == 0
    assert box.settings.read_text() == "# 3\n"


def test_settings_that_cannot_be_restored_do_not_keep_the_old_release_from_coming_back(box: Box) -> None:
    box.settings.write_text("# 1\n")
    box.run("use", "2")
    box.settings.with_suffix(".toml.new").mkdir()
    judged = box.run("judge", trial=0)
    assert judged.returncode == 1
    assert "fallback.toml" in judged.stderr
    assert box.links() == {"current": "releases/1"}
    assert "restart --no-block stellar-wind.service" in box.asked.read_text()


def test_a_box_without_settings_gets_none_of_long_ago(box: Box) -> None:
    box.settings.write_text("# 1\n")
    box.run("use", "2")
    box.run("judge")
    box.settings.unlink()
    box.run("use", "1")
    assert box.run("judge", trial=0).returncode == 1
    assert not box.settings.exists()


def test_what_is_not_there_is_not_used(box: Box) -> None:
    refused = box.run("use", "4")
    assert refused.returncode == 2
    assert "release 4" in refused.stderr
    assert box.links() == {"current": "releases/1"}
    assert box.run("help").returncode == 2
