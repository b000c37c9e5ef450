# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from appliance.doctor.finding import note, ok, wrong
from appliance.doctor.report import as_json, screen

FINDINGS = [
    ok("clock", "It is noon."),
    note("memory", "There is little left.", "See who takes it."),
    wrong("sound card", "There is none.", "Plug one in, " + "and then another one, " * 3 + "please."),
]


def test_the_screen_is_a_line_a_finding_and_a_sum() -> None:
    assert screen(FINDINGS, 60) == (
        "ok    clock             It is noon.\n"
        "note  memory            There is little left. See who takes\n"
        "                        it.\n"
        "wrong sound card        There is none. Plug one in, and then\n"
        "                        another one, and then another one,\n"
        "                        and then another one, please.\n"
        "\n"
        "1 thing is wrong."
    )
    assert screen(FINDINGS[:2], 80).endswith("\n\nNothing is wrong.")
    assert screen(FINDINGS[2:] * 2, 80).endswith("\n\n2 things are wrong.")


def test_json_says_the_same() -> None:
    said = json.loads(as_json(FINDINGS))
    assert said["doctor"] == 1
    assert said["wrong"] == 1
    assert said["findings"][1] == {
        "check": "memory",
        "verdict": "note",
        "says": "There is little left.",
        "advice": "See who takes it.",
    }
