# SPDX-License-Identifier: Apache-2.0
"""The documents: their links lead somewhere, their commands exist, and the examples of CONTRIBUTING.md work."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from appliance.cli import main

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    ROOT / "deploy/README.md",
    *ROOT.glob("hardware/*.md"),
]
FOR_OWNERS = [ROOT / "README.md", ROOT / "docs/manual.md", ROOT / "CONTRIBUTING.md"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """The names by which GitHub links to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(path: Path) -> Iterator[tuple[str, str, str]]:
    """Each code block: its language, its text, and the document before it."""
    text = path.read_text(encoding="utf-8")
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield block[1], block[2], text[: block.start()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", FOR_OWNERS, ids=name)
def test_every_command_has_the_options_that_are_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for language, text, _ in blocks(path) if not language for line in text.splitlines()]
    commands = re.findall(r"\.venv/bin/stellar-wind ([^|\n]*)", "\n".join(lines))
    assert commands
    for verb, *words in map(str.split, commands):
        with pytest.raises(SystemExit) as ended:
            main(["help", verb])
        assert ended.value.code == 0, verb
        shown = capsys.readouterr().out
        assert [word for word in words if word.startswith("-") and word not in shown] == [], verb


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_each_file_that_contributors_are_shown_states_its_licence() -> None:
    shown = [
        text
        for language, text, before in blocks(ROOT / "CONTRIBUTING.md")
        if language == "toml" or (language == "python" and not shown_file(before).exists())
    ]
    assert shown
    assert [text for text in shown if "SPDX-License-Identifier: " not in text.partition("\n")[0]] == []


def shown_file(before: str) -> Path:
    """The file that a block of Python shows: the last one that is named before it."""
    name: str = re.findall(r"`((?:appliance|tests)/[\w/]+\.py)`", before)[-1]
    return ROOT / name


def test_what_contributors_are_shown_of_a_file_is_in_it() -> None:
    excerpts = [
        (shown_file(before), part)
        for language, text, before in blocks(ROOT / "CONTRIBUTING.md")
        if language == "python" and shown_file(before).exists()
        for part in map(str.strip, text.split("...\n"))
    ]
    assert excerpts
    assert [part for path, part in excerpts if part not in path.read_text(encoding="utf-8")] == []


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the package with every example of CONTRIBUTING.md applied."""
    shutil.copytree(ROOT / "appliance", tmp_path / "appliance", ignore=shutil.ignore_patterns("__pycache__"))
    for language, text, before in blocks(ROOT / "CONTRIBUTING.md"):
        if language == "python":
            if shown_file(before).exists():
                continue  # an excerpt
            path = tmp_path / shown_file(before).relative_to(ROOT)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif language == "toml":
            (tmp_path / re.findall(r"`(\w+\.toml)`", before)[-1]).write_text(text, encoding="utf-8")
        elif language == "diff":
            for file in re.split(r"^--- a/", text, flags=re.MULTILINE)[1:]:
                apply(tmp_path / file.partition("\n")[0], file)
    return tmp_path


def apply(path: Path, diff: str) -> None:
    for hunk in re.split(r"^@@\n", diff, flags=re.MULTILINE)[1:]:
        lines = hunk.splitlines()
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{path.name} has changed: CONTRIBUTING.md shows\n{before}"
        path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.slow
def test_the_examples_for_contributors_work(example: Path) -> None:
    program = [sys.executable, "-m", "appliance"]

    def render(*words: str) -> None:
        done = subprocess.run(
            [*program, "render", *words], cwd=example, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr

    # The source.
    with (
        subprocess.Popen(
            [*program, "listen", "--config", "demo.toml"], cwd=example, stdin=PIPE, stdout=PIPE, text=True
        ) as listener,
        (example / "demo.tape").open("w", encoding="utf-8") as tape,
    ):
        assert listener.stdin
        assert listener.stdout
        for line in listener.stdout:
            tape.write(line)
            if '"ledger"' in line:
                listener.stdin.close()  # which ends it
    render("demo.tape", "-o", "demo.mid", "--seconds", "5")

    # Voice and output.
    render("--scene", "rain", "-o", "rain.raw", "--seconds", "2")
    assert (example / "rain.raw").stat().st_size == pytest.approx(2 * 48_000 * 8, rel=0.01)
    render("--scene", "rain", "-o", "rain.jsonl", "--seconds", "60")
    assert '"voice":"reed"' in (example / "rain.jsonl").read_text(encoding="utf-8")
