# SPDX-License-Identifier: Apache-2.0
"""The card in an emulated computer (QEMU, without any help of the processor's), heard and touched from outside.

The guest boots the card's image as it is delivered. A test changes only what an owner could change, on the first
partition, and works on a copy. The guest has no network except the ports of this machine's loopback that are forwarded
to it: one to its ssh, and those that a test adds.

    virt       a board of QEMU's own: sound, eight pins that know edges. Most tests
    raspi3b    the Pi 3, with its description and all its pins, but without a sound that could be heard
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.deploy.heard import HEADER
from tests.deploy.machine import STRANGER, Recap, ansible, sh
from tests.support.sockets import free_port

IMAGE = os.environ.get("WIND_TEST_IMAGE", "")
NEEDED = ("qemu-system-aarch64", "fdtoverlay", "fdtput", "mcopy", "mdir", "ssh", "ssh-keygen")
SIZE = 4 << 30  # bytes of the card; a power of two, as raspi3b wants it
PLAYING = r"Started stellar-wind\.service"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\r")

USER_DATA = """#cloud-config
hostname: attic
enable_ssh: true
users:
- name: ada
  groups: users,adm,audio,plugdev,gpio,spi,sudo
  shell: /bin/bash
  lock_passwd: true
  ssh_authorized_keys:
    - {key}
  sudo: ALL=(ALL) NOPASSWD:ALL
"""


def missing() -> str:
    """Why no card is emulated here, or nothing."""
    if absent := [program for program in NEEDED if not shutil.which(program)]:
        return f"needs {', '.join(absent)}"
    return "" if IMAGE else "`make image-test` runs it: it takes half an hour"


class Guest:
    """A copy of the card `image` in `folder`, and the computer that it is in, off at first."""

    def __init__(self, folder: Path, image: Path, owner: Mapping[str, str] | None = None) -> None:
        """`owner` are the files that the owner writes to the first partition."""
        self.folder, self._boots, self.port = folder, 0, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pins: Pins | None = None
        self.card, self._key = folder / "card.img", folder / "key"
        sh(f"cp --sparse=always {image} {self.card} && truncate -s {SIZE} {self.card}")
        sh(f"ssh-keygen -q -t ed25519 -N '' -f {self._key}")
        listed = sh(f"mdir -b -i {self._fat} ::/")
        for name, pattern in (
            ("kernel", r"::/vmlinuz\S*"),
            ("initrd", r"::/initrd\S*"),
            ("board.dtb", r"::/bcm2837-rpi-3-b\.dtb"),
        ):
            found = re.search(pattern, listed)
            assert found, listed
            sh(f"mcopy -i {self._fat} {shlex.quote(found.group())} {folder / name}")
        for name, text in (owner or {}).items():
            self.write(name, text)

    @property
    def _fat(self) -> str:
        return f"{self.card}@@4M"

    @property
    def key(self) -> str:
        """The public half of the key that opens the door, once the owner has let it in."""
        return self._key.with_suffix(".pub").read_text().strip()

    def write(self, name: str, text: str) -> None:
        """Write a file to the first partition, while the computer is off. `{key}` becomes the key."""
        (self.folder / "file").write_text(text.replace("{key}", self.key))
        sh(f"mcopy -o -i {self._fat} {self.folder / 'file'} ::/{name}")

    def delete(self, name: str) -> None:
        """Take a file off the first partition, while the computer is off."""
        sh(f"mdel -i {self._fat} ::/{name}")

    def read(self, name: str) -> str:
        """A file of the first partition, while the computer is off; empty if there is none."""
        return sh(f"mtype -i {self._fat} ::/{name} 2>/dev/null || :")

    # --- power ----------------------------------------------------------------------------------------------

    def boot(self, *, lasting: bool = True, pi: bool = False, muted: bool = False, unit: str = "") -> None:
        """Switch it on. What it writes to the card is lost in the end unless `lasting`.

        `pi` makes QEMU's own board say that it is a Raspberry Pi, so that the box looks for its panel. `muted` mutes
        each start of the player: music takes an emulated processor whole, and everything else takes minutes longer.
        `unit` is the text of one more service, which it starts.
        """
        self._boots += 1
        arguments = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "512"]
        if pi:
            dumped = f"-net none -display none -machine dumpdtb={self.folder / 'pi.dtb'}"
            sh(f"qemu-system-aarch64 {shlex.join(arguments)} {dumped}")
            self._say_pi(self.folder / "pi.dtb")
            arguments += ["-dtb", str(self.folder / "pi.dtb")]
        arguments += ["-device", "virtio-net-pci,netdev=net,romfile="]
        arguments += ["-append", f"{_boots(muted=muted, unit=unit)} net.ifnames=0"]
        arguments += ["-audiodev", f"wav,id=wav,path={self.sound},out.frequency=48000"]
        arguments += ["-device", "intel-hda", "-device", "hda-output,audiodev=wav"]
        self._start(arguments, f"if=virtio,snapshot={'off' if lasting else 'on'}")

    def boot_pi3(self) -> None:
        """Switch it on as a Raspberry Pi 3, and lose in the end what it writes to the card."""
        self._boots += 1
        dtb = self.folder / "pi3.dtb"
        shutil.copy(self.folder / "board.dtb", dtb)
        for overlay in re.findall(
            r"^dtoverlay=(\S+)", self.read("config.txt"), re.M
        ):  # as the firmware would
            sh(f"mcopy -o -i {self._fat} ::/overlays/{overlay}.dtbo {self.folder / 'overlay'}")
            sh(f"fdtoverlay -i {dtb} -o {dtb} {self.folder / 'overlay'}")
        self._say_pi(dtb)
        # What is not emulated; of the watchdog, the time until it bites: who winds it up is reset at once.
        absent = "vc4,hci_uart,bcm2835_vchiq,snd_bcm2835,brcmfmac,bcm2835_wdt"
        # Nor is its own sound: snd_aloop takes its place, a card without a speaker that is paced by the kernel's clock.
        card = "modules-load=snd_aloop"
        line = f"{_boots()} earlycon=pl011,mmio32,0x3f201000 maxcpus=2 {card} modprobe.blacklist={absent}"
        arguments = ["-M", "raspi3b", "-dtb", str(dtb), "-serial", "null", "-append", line]
        self._start([*arguments, "-usb", "-device", "usb-net,netdev=net"], "if=sd,snapshot=on")

    @staticmethod
    def _say_pi(dtb: Path) -> None:
        sh(f"fdtput -t s {dtb} / model 'Raspberry Pi 3 Model B Rev 1.2'")
        sh(f"fdtput -c {dtb} /system 2>/dev/null || :; fdtput -t x {dtb} /system linux,revision a02082")

    def _start(self, arguments: list[str], drive: str) -> None:
        self.port = free_port()
        # A path to a socket may be 107 bytes long, and pytest's folders are deep.
        self._sockets = Path(tempfile.mkdtemp(prefix="qemu-"))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "qemu-system-aarch64", "-accel", "tcg,thread=multi", "-display", "none", "-monitor", "none",
                    "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
                    "-kernel", str(self.folder / "kernel"), "-initrd", str(self.folder / "initrd"),
                    "-drive", f"file={self.card},format=raw,{drive}",
                    "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
                    "-qmp", f"unix:{self._sockets}/qmp,server=on,wait=off",
                    "-qtest", f"unix:{self._sockets}/qtest,server=on,wait=off", "-qtest-log", "/dev/null",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.until(lambda: all((self._sockets / name).exists() for name in ("qmp", "qtest")), 60)

    def cut(self) -> None:
        """Cut its power."""
        if self._pins:
            self._pins.close()
            self._pins = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            shutil.rmtree(self._sockets)

    # --- what it says and plays -----------------------------------------------------------------------------

    @property
    def sound(self) -> Path:
        """What its sound card has played since it was switched on."""
        return self.folder / f"sound-{self._boots}.wav"

    @property
    def console(self) -> Path:
        """What its console has said since it was switched on."""
        return self.folder / f"console-{self._boots}"

    @property
    def log(self) -> Path:
        """What QEMU itself has said."""
        return self.folder / f"qemu-{self._boots}"

    def said(self) -> str:
        """What its console has said, without colours."""
        return _COLOURS.sub("", self.console.read_text(errors="replace")) if self.console.exists() else ""

    def until(self, true: Callable[[], object], seconds: float = 1800) -> None:
        """Wait until something is so, for `seconds` at most on whatever this machine has left."""
        end = time.monotonic() + seconds
        while not true():
            assert self._process
            assert self._process.poll() is None, self.log.read_text() + self.said()[-3000:]
            assert time.monotonic() < end, self.said()[-3000:]
            time.sleep(0.5)

    def plays(self) -> bool:
        """Whether its console has said that the player is there: two blocks of sound are out."""
        return bool(re.search(PLAYING, self.said()))

    def played(self) -> int:
        """Bytes that its sound card has played."""
        return max(self.sound.stat().st_size - HEADER, 0) if self.sound.exists() else 0

    # --- the door -------------------------------------------------------------------------------------------

    def ask(self, command: str, *, check: bool = True) -> str:
        """Run a command line in it as root, through ssh, and return what it said."""
        return sh(f"{self._ssh} sudo sh -c " + shlex.quote(shlex.quote(command)), check=check)

    @property
    def _ssh(self) -> str:
        # One connection for all commands: a new one takes a guest ten seconds.
        kept = f"-o ControlMaster=auto -o ControlPersist=600 -o ControlPath={self._sockets}/door"
        return f"ssh -i {self._key} {STRANGER} {kept} -o ConnectTimeout=120 -p {self.port} ada@127.0.0.1"

    def opens(self) -> bool:
        """Whether somebody can log in."""
        return self.ask("echo in", check=False).endswith("in")

    def forward(self, port: int) -> int:
        """Forward a TCP port of this machine's loopback to `port` of the guest, until its power is cut; returns it."""
        here = free_port()
        line = f"hostfwd_add net tcp:127.0.0.1:{here}-:{port}"
        refused = self.qmp("human-monitor-command", **{"command-line": line})
        assert not refused, refused
        return here

    def lend(self, here: int, port: int) -> None:
        """Let the guest reach the TCP port `here` of this machine's loopback as `port` of its own, through ssh."""
        sh(f"{self._ssh} -O forward -R 127.0.0.1:{port}:127.0.0.1:{here}")

    def play(self, book: str, *words: str, **variables: object) -> Recap:
        """Run a playbook on it."""
        host: dict[str, object] = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "ada",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_control_path_dir": f"{self._sockets}/ssh",
            "ansible_ssh_common_args": STRANGER,
            "ansible_timeout": 120,  # s; a guest of a busy machine needs 20 for its first answer
        }
        return ansible(self.folder, host, "", book, *words, **variables)

    # --- pins -----------------------------------------------------------------------------------------------

    def qmp(self, command: str, **arguments: object) -> object:
        """Ask QEMU about the guest."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(f"{self._sockets}/qmp")
            lines = link.makefile("rw")
            lines.readline()
            for asked in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(asked) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):
                    assert "error" not in answer, answer
        return answer["return"]

    def pins(self) -> Pins:
        """What its pins hang on, until its power is cut."""
        self._pins = Pins(f"{self._sockets}/qtest")
        return self._pins

    def gpio(self) -> str:
        """The path of the chip that has the eight pins of `virt`."""
        parts = self.qmp("qom-list", path="/machine/unattached")
        assert isinstance(parts, list)
        return next(f"/machine/unattached/{part['name']}" for part in parts if "pl061" in part["type"])


def _boots(*, muted: bool = False, unit: str = "") -> str:
    """The kernel's command line.

    What is emulated on a busy machine may find its devices late, and take minutes for what a Pi does in seconds. Only
    the player's own limits are changed, by a credential that systemd reads from the command line. `unit` is the text of
    one more service, passed in the same way. Page tables are not separated (kpti): with that, QEMU forgets all
    translated addresses twice for each system call.
    """
    limits = "[Service]\nTimeoutStartSec=15min\nWatchdogSec=2min\n"
    if muted:
        limits += "ExecStartPost=-/usr/local/bin/stellar-wind set mute on\n"
    words = [
        "root=LABEL=rootfs ro console=ttyAMA0,115200 panic=10 kpti=off systemd.default_device_timeout_sec=900"
    ]
    for name, text in (("unit-dropin.stellar-wind.service", limits), ("extra-unit.test.service", unit)):
        if text:
            encoded = base64.b64encode(text.encode()).decode()
            words.append(f"systemd.set_credential_binary=systemd.{name}:{encoded}")
    return " ".join([*words, *(["systemd.wants=test.service"] if unit else [])])


class Pins:
    """The other end of a guest's pins: QEMU's own socket for tests."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.settimeout(30)
        self._lines = self._socket.makefile("rw")
        self.edges: list[tuple[int, bool]] = []  # (pin, up), as they came

    def ask(self, command: str) -> str:
        """One command of QEMU's qtest, and its answer; edges that came meanwhile are kept."""
        self._lines.write(command + "\n")
        self._lines.flush()
        while (line := self._lines.readline().strip()).startswith("IRQ "):
            _, way, pin = line.split()
            self.edges.append((int(pin), way == "raise"))
        assert line.startswith("OK"), f"{command}: {line}"
        return line[2:].strip()

    def close(self) -> None:
        """Let go."""
        self._lines.close()
        self._socket.close()
