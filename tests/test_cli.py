# SPDX-License-Identifier: Apache-2.0
"""The verbs, as typed."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import mido
import pytest
import soundfile

from appliance import cli
from appliance.cli import EX_CONFIG, main
from appliance.ledger.tape import Header, Line, TapeWriter, open_tape
from appliance.panel.pins import on_a_pi
from appliance.settings import load
from appliance.values import Amount, Kind, Ledger, Link, LinkState

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "appliance"]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "small.tape"
    with TapeWriter(path, Header("testnet")) as writer:
        for index in range(20):
            amounts = tuple(
                Amount(10 ** (1 + (index * 7 + n) % 12), Kind.PAYMENT, True, index) for n in range(9)
            )
            writer.write(Line(5.0 * index, Ledger(index, 0, 9, 3, 0, amounts)))
    return path


def render(tape: Path, name: str, *words: str) -> Path:
    path = tape.with_name(name)
    assert main(["render", str(tape), "-o", str(path), *words]) == 0
    return path


# Somebody's Ctrl-C in the moment in which the verbs begin to be imported, and an import that would swallow it.
IMPATIENT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell takes from what it starts in the background
class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "appliance.cli":
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                pass
sys.meta_path.insert(0, Impatient())
from appliance.__main__ import main
sys.argv[1:] = ["config"]
sys.exit(main())
"""


def test_a_ctrl_c_before_there_is_anything_to_end_is_no_fault_of_the_boxs() -> None:
    done = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_render_is_the_same_every_time(tape: Path) -> None:
    # Each in a process of its own, as two people would.
    hashes = set()
    for name in ("one.wav", "two.wav"):
        words = ["render", str(tape), "-o", str(tape.with_name(name)), "--seconds", "8"]
        subprocess.run([*COMMAND, *words], check=True, capture_output=True)
        hashes.add(hashlib.sha256(tape.with_name(name).read_bytes()).hexdigest())
    assert len(hashes) == 1
    assert soundfile.info(tape.with_name("one.wav")).duration == pytest.approx(8, abs=0.02)


@pytest.mark.parametrize(
    "words",
    [
        ("--seed", "2"),
        ("--tempo", "90"),
        ("--scene", "night"),
        ("--hour", "3"),
        ("--set", "music.root=D"),
    ],
)
def test_seed_tempo_scene_and_settings_change_the_score(tape: Path, words: tuple[str, ...]) -> None:
    plain = render(tape, "plain.jsonl", "--seconds", "30").read_text()
    assert render(tape, "again.jsonl", "--seconds", "30").read_text() == plain
    assert render(tape, "other.jsonl", "--seconds", "30", *words).read_text() != plain


def test_sound_and_score_are_one_performance(tape: Path) -> None:
    lines = render(tape, "x.jsonl", "--seconds", "20").read_text().splitlines()
    score = [line for line in map(json.loads, lines) if "pitch" in line]
    midi = mido.MidiFile(render(tape, "x.mid", "--seconds", "20"))
    begun = [message for track in midi.tracks for message in track if message.type == "note_on"]
    assert len(begun) == len(score) > 20
    assert sorted(message.note for message in begun) == sorted(note["pitch"] for note in score)


def test_a_flac_is_a_flac(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = render(tape, "x.flac", "--seconds", "1")
    assert soundfile.info(path).format == "FLAC"
    assert capsys.readouterr().out.startswith(f"{path}: 1 s ")


def test_without_a_tape_the_bundled_recording_is_rendered(tmp_path: Path) -> None:
    assert main(["render", "-o", str(tmp_path / "x.jsonl"), "--seconds", "20"]) == 0
    assert "stroops" in (tmp_path / "x.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("render", "-o", "x.ogg"), 1, ("x.ogg", ".flac")),
        (("render", "-o", "x"), 1, ("x", ".flac")),
        (("render", "nowhere.tape", "-o", "x.wav"), 1, ("nowhere.tape", "No such file")),
        (("render", "/etc/passwd", "-o", "x.wav"), 1, ("/etc/passwd", "neither")),
        (("render", "-o", "/nowhere/x.wav"), 1, ("/nowhere/x.wav", "No such file")),
        (("record", "-o", "/nowhere/x.tape"), 1, ("/nowhere/x.tape",)),
        (("record", "--ledgers", "l.json", "-o", "x.tape"), 1, ("--ledgers", "--from")),
        (("record", "--from", "o.json", "--seconds", "6", "-o", "x.tape"), 1, ("--seconds",)),
        (("config", "--tempo", "500"), EX_CONFIG, ("tempo", "30 to 180")),
        (("config", "--set", "sound.lateness=3"), EX_CONFIG, ("sound.lateness",)),
        (("run", "--config", "nowhere.toml"), EX_CONFIG, ("nowhere.toml",)),
        (("status", "--set", "state_dir=/nowhere"), 1, ("state_dir",)),
        (("keep", "--set", "state_dir=/nowhere", "-o", "x.ogg"), 1, ("x.ogg",)),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_name(
    words: tuple[str, ...], code: int, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    said = capsys.readouterr().err
    assert said.startswith("stellar-wind: ")
    assert all(name in said for name in named)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("keep", "--tempo", "72"),
        ("render", "-o", "x.wav", "--volume", "0.5"),
        ("render", "-o", "x.wav", "--network", "testnet"),
        ("record", "-o", "x.tape", "--scene", "night"),
        ("listen", "--tempo", "72"),
        ("status", "--verbose"),
        ("set", "light", "1"),
        ("press", "volume"),
        ("doctor", "--volume", "1"),
        ("dance",),
    ],
)
def test_a_verb_has_only_the_options_that_it_obeys(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert any(word in said for word in words)


@pytest.mark.parametrize(
    "option", [("--tempo", "90"), ("--scene", "night"), ("--seed", "2"), ("--hour", "0")]
)
def test_a_score_cannot_be_changed_by_options(
    tape: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    score = render(tape, "x.score.gz", "--seconds", "5")
    assert main(["render", str(score), "-o", str(tape.with_name("y.mid")), *option]) == 1
    assert option[0] in capsys.readouterr().err


def test_a_score_is_rendered_whole_or_in_part(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = render(tape, "x.score.gz", "--seconds", "12")
    assert "12 s of music" in capsys.readouterr().out
    render(score, "y.jsonl")
    assert "12 s of music" in capsys.readouterr().out
    assert (
        render(score, "y.jsonl").read_text().splitlines()[1:]
        == render(tape, "z.jsonl", "--seconds", "12").read_text().splitlines()[1:]
    )
    render(score, "y.jsonl", "--seconds", "3", "--plot", str(tape.with_name("y.png")))
    assert "3 s of music" in capsys.readouterr().out
    assert tape.with_name("y.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [("help",), ("help", "render")])
def test_help_helps(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert words[-1] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "value"), [("0.6", 0.6), ("72", 72), ("on", True), ("off", False), ("night", "night")]
)
def test_a_word_becomes_the_value_that_it_means(text: str, value: object, tmp_path: Path) -> None:
    """`set` against a box that takes anything, and remembers it."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "control.sock"))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b'{"ok":true}\n')

        thread = threading.Thread(target=answer)
        thread.start()
        assert main(["set", "volume", text, "--set", f"state_dir={tmp_path}"]) == 0
        thread.join()
    assert json.loads(asked[0]) == {"do": "set", "control": "volume", "value": value}


@pytest.mark.parametrize(
    ("option", "number"),
    [
        *(("--seconds", number) for number in ("-1", "0", "nan", "inf", "soon")),
        *(("--hour", number) for number in ("-1", "24.5", "nan", "noon")),
    ],
)
def test_a_length_is_positive_and_an_hour_of_a_day(
    option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["render", "-o", "x.wav", option, number])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert option in said
    assert repr(number) in said


@pytest.mark.parametrize("pair", ["foo", ""])
def test_a_setting_has_a_value(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["config", "--set", pair])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "--set: KEY=VALUE" in said
    assert repr(pair) in said


def test_the_version_is_told_without_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"stellar-wind {version('stellar-wind-box')}\n"


def test_no_verb_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "VERB" in capsys.readouterr().err


def test_the_settings_in_force_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--tempo", "72", "--set", "sound.device=hw:1"]) == 0
    printed = capsys.readouterr().out
    assert "tempo = 72.0" in printed
    assert 'device = "hw:1"' in printed


def operations(path: Path) -> Path:
    record = {
        "type_i": 1,
        "type": "payment",
        "amount": "2.5000000",
        "asset_type": "native",
        "transaction_successful": True,
        "created_at": "2026-01-01T00:00:00Z",
        "transaction_hash": "ab" * 32,
        "from": "G" + "A" * 55,
    }
    with path.open("w") as file:
        for index in range(6):
            file.write(json.dumps(record | {"id": str(((7 + index // 2) << 32) + 1 + index)}) + "\n")
        file.write("not json\n")
    return path


def test_operations_become_a_tape_of_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = operations(tmp_path / "operations.jsonl"), tmp_path / "x.tape"
    assert main(["record", "--from", str(source), "-o", str(output), "--network", "testnet"]) == 0
    counts = capsys.readouterr().out
    assert all(count in counts for count in ("3 ledgers", "6 operations", "6 amounts", "1 bad"))
    tape = open_tape(output)
    assert tape.header.network == "testnet"
    entries = [line.entry for line in tape if isinstance(line.entry, Ledger)]
    assert [entry.amounts[0].stroops for entry in entries] == [25_000_000] * 3
    assert "GA" not in output.read_text()
    assert "abab" not in output.read_text()


def test_a_network_that_is_away_is_no_recording(tmp_path: Path) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        'network = "mine"\n[networks.mine]\nendpoints = ["http://127.0.0.1:9"]\npassphrase = "first"\n'
    )
    output = tmp_path / "x.tape"
    words = ["record", "--config", str(config), "-o", str(output), "--seconds", "0.5"]
    ended = subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(output) in ended.stderr
    assert "mine" in ended.stderr
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize("words", [("run",), ("render", "-o", "x.wav")])
def test_a_tape_without_a_ledger_is_not_played(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "x.tape"
    with TapeWriter(path, Header("testnet")) as writer:
        writer.write(Line(0.0, Link(LinkState.OFFLINE, "testnet")))
    # A process of its own, for `run` changes what signals and the log do.
    environ = os.environ | {"STATE_DIRECTORY": str(tmp_path), "STELLAR_WIND_SOUND__DEVICE": "none"}
    command = [*COMMAND, words[0], str(path), *words[1:]]
    ended = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"stellar-wind: {path} ")
    assert ended.stderr.count("\n") == 1
    assert not Path("x.wav").exists()


# --- under systemd ------------------------------------------------------------------------------------------


def test_a_listener_of_another_unit_is_called_and_not_started(tmp_path: Path) -> None:
    unused_socket = tmp_path / "listener"
    words = ["run", "--set", f"listener.socket={unused_socket}", "--set", "sound.device=none"]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as box:
        assert box.stderr
        try:
            assert any(str(unused_socket).encode() in line for line in box.stderr)
        finally:
            box.terminate()
            assert box.wait(timeout=60) == 0


@pytest.mark.parametrize("its_own", [True, False])
def test_the_listener_tells_its_own_watchdog_and_no_other(tmp_path: Path, its_own: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_PID": "1"}
        become = "export WATCHDOG_PID=$$; " if its_own else ""
        words = ["listen", "--set", "networks.public.endpoints=http://127.0.0.1:9"]
        command = ["sh", "-c", f'{become}exec "$@"', "sh", *COMMAND, *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as listener:
            assert listener.stdout
            assert listener.stdout.readline()  # the header
            if its_own:
                systemd.settimeout(60)
                assert systemd.recv(100) == b"WATCHDOG=1"
            listener.communicate(timeout=60)
        systemd.setblocking(False)
        if not its_own:
            with pytest.raises(BlockingIOError):
                systemd.recv(100)


@pytest.mark.skipif(on_a_pi(), reason="this is a Raspberry Pi")
@pytest.mark.parametrize(("factory", "wrong"), [("none", 0), ("auto", 0), ("lgpio", 1)])
def test_the_wiring_is_checked_only_where_there_is_a_panel(
    factory: str, wrong: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(cli.check_panel(load({"panel.pin_factory": factory}, {}).settings)) == wrong
    assert ("no panel to check" in capsys.readouterr().out) is bool(wrong)
