# SPDX-License-Identifier: Apache-2.0
"""`make install` where the environment, the Python or the folder are not what they were. No package is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SETUP = ROOT / "deploy" / "setup.sh"

pytestmark = pytest.mark.process


def setup(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder, as the Makefile does."""
    return subprocess.run(
        ["sh", SETUP, *words],
        cwd=folder,
        env=os.environ | {"PYTHON": sys.executable} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder, whose name has a space, with an environment that was made in it."""
    folder = tmp_path / "the box"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    version = "{} {}".format(*sys.version_info)
    made_for = f"{version} {os.uname().machine} {sys.maxsize}\n{folder.resolve()}\n"
    (folder / ".venv" / ".made-for").write_text(made_for)
    return folder


def renewed(folder: Path) -> bool:
    """Whether the Makefile makes the environment again."""
    checked = setup(folder, "--check", ".venv")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout in ("", "renew\n")
    return bool(checked.stdout)


def test_an_environment_in_its_place_is_kept_and_there_need_be_none(checkout: Path, tmp_path: Path) -> None:
    assert not renewed(checkout)
    assert not renewed(tmp_path)
    # Through a link it is the same folder.
    (tmp_path / "link").symlink_to(checkout)
    assert not renewed(tmp_path / "link")


def test_a_moved_or_copied_checkout_has_none(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    assert renewed(tmp_path / "copy")
    assert renewed(checkout.rename(tmp_path / "moved"))


@pytest.mark.parametrize("field", range(4))
def test_it_belongs_to_a_python_and_a_processor(checkout: Path, field: int) -> None:
    made_for = checkout / ".venv" / ".made-for"
    fields = made_for.read_text().partition("\n")[0].split()
    made_for.write_text(made_for.read_text().replace(fields[field], "7", 1))
    assert renewed(checkout)


@pytest.mark.parametrize("gone", ["bin/python", ".made-for"])
def test_what_was_interrupted_or_whose_python_is_gone_is_made_again(checkout: Path, gone: str) -> None:
    (checkout / ".venv" / gone).unlink()
    assert renewed(checkout)


def test_what_is_not_supported_is_one_sentence_before_anything_is_made(tmp_path: Path) -> None:
    narrow, colon = tmp_path / "narrow", tmp_path / "a:b"
    narrow.mkdir()
    colon.mkdir()
    (narrow / "sitecustomize.py").write_text("import sys\nsys.maxsize = 2**31 - 1\n")
    for folder, named, environ in (
        (narrow, "32 bits", {"PYTHONPATH": str(narrow)}),
        (colon, str(colon), {}),
        (tmp_path, "python-nowhere", {"PYTHON": "python-nowhere"}),
    ):
        done = setup(folder, ".venv", **environ)
        assert done.returncode == 1
        assert named in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (folder / ".venv").exists()


@pytest.mark.parametrize(
    "file", ["Makefile", "hardware/Makefile", "deploy/image/image.sh", "deploy/release/release.sh"]
)
def test_no_script_needs_its_executable_bit(file: str) -> None:
    """An archive can lose it."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith(("#", "$(VENV)"))]
    scripts = [line for line in lines if re.search(r"(here|deploy|hardware)/[\w/]+\.sh", line)]
    assert scripts
    for line in scripts:
        assert re.search(r'\bsh "?(\$here|deploy|hardware)/[\w/]+\.sh', line), line
