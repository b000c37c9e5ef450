# SPDX-License-Identifier: Apache-2.0
"""The pyo objects that the box can use, and why each is trusted. A new one needs a line here, and its measurement.

Measured figures: ns of CPU a sample and object, in one run on one machine; compare them with each other only.
Never: SineLoop (crashes within minutes), FM and CrossFM (no number after 44 s), SuperSaw and Harmonizer (shriek),
Linseg, Expseg, TrigEnv (click), Noise, PinkNoise, Denorm (106, 106 and 101 ns), Compress (30 ns, and its lookahead is
better done on whole blocks), filters that follow an audio signal (22 to 25 ns instead of 7).
"""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SOUND = Path(__file__).parents[2] / "appliance/sound"

ALLOWED = {
    "Server": "stepped by hand; it opens no card",
    "PyoObject": "a name for types",
    "HarmTable": "a wave of few harmonics: nothing to alias",
    "DataTable": "noise drawn once; drawing each sample costs ten oscillators",
    "Osc": "reads a table, 7 ns; stays a number for every positive frequency and a phase of 0 to 1",
    "Phasor": "one ramp a block for all lines; its step is a power of two, so it never drifts",
    "Sig": "a copy times a number, 0.2 ns: a line drawn of the ramp, a side of a pan, or a sum of two; SigTo takes 1.3",
    "Mix": "two sides into one; it asks Python for each input in each block, so it never sums a pool",
    "ButLP": "7.6 ns at a frequency that is told once a block",
    "ButHP": "as ButLP",
    "ButBP": "as ButLP",
    "Delay": "4.6 ns; its time is never changed, a step there would click",
    "WGVerb": "the one reverb, 40 to 76 ns: eight delay lines that drift; STRev would take three times that",
    "Allpass": "3 ns; its time and feedback are never changed, and 0.5 cannot run away",
}


def used() -> dict[str, set[str]]:
    return {
        path.name: {
            name.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "pyo"
            for name in node.names
        }
        for path in SOUND.rglob("*.py")
    }


def test_only_trusted_generators_are_used() -> None:
    assert set().union(*used().values()) == set(ALLOWED)


def test_pyo_is_never_imported_whole() -> None:
    for path in SOUND.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert "pyo" not in [name.name for name in node.names]
