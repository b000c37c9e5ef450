# SPDX-License-Identifier: Apache-2.0
"""A Debian system in a folder, to run the role in: as it lies there (chroot), or booted (systemd-nspawn).

It is removed after the test, and this machine stays unchanged: mounts are made in a mount namespace, and Ansible
reaches the system through `sshd -i` on a pipe, which needs no network and no port.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ANSIBLE = ROOT / "deploy" / "ansible"
NEEDED = ("mmdebstrap", "ssh", "systemd-nspawn", "nsenter", "unshare")

RECAP = re.compile(r"ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


def missing() -> str:
    """Why no machine can be made here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [program for program in NEEDED if not shutil.which(program)]
    return f"needs {', '.join(absent)}" if absent else ""


def show(what: str) -> None:
    """Print a line in the output of `make`, where only the error output of a test's worker process appears."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201


def sh(command: str, *, check: bool = True, timeout: float = 600) -> str:
    """Run a command line, and return what it said."""
    said = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=timeout
    )
    assert not check or said.returncode == 0, f"{command}: {said.stdout}{said.stderr}"
    return said.stdout.strip()


class Recap(str):
    """What Ansible said at the end of a run."""

    def __new__(cls, said: str) -> Recap:
        """From all that it said."""
        recap = RECAP.search(said)
        assert recap, said
        self = super().__new__(cls, recap.group())
        # Who was not reached has failed, too.
        self.changed, self.failed = int(recap[2]), int(recap[3]) + int(recap[4])
        self.said = said
        return self

    changed: int
    failed: int
    said: str


# A system as it is now, and soon gone.
STRANGER = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


def ansible(
    folder: Path, host: Mapping[str, object], before: str, book: str, *words: str, **variables: object
) -> Recap:
    """Run a playbook on a host; `before` is run first, in a mount namespace of its own if there is any."""
    inventory = folder / "inventory.json"
    # One connection for all tasks.
    kept = {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=15"}
    inventory.write_text(json.dumps({"all": {"hosts": {"box": kept | dict(host)}}}))
    command = ["ansible-playbook", "-i", str(inventory), book, *words]
    for name, value in variables.items():
        command += ["-e", json.dumps({name: value}, default=str)]
    line = before + "exec " + shlex.join(command)
    environ = os.environ | {
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{ROOT}/build/tools/bin:{os.environ['PATH']}",
    }
    said = subprocess.run(
        [*(["/usr/bin/unshare", "-m"] if before else []), "/bin/sh", "-c", line],
        cwd=ANSIBLE, env=environ, capture_output=True, text=True, check=False, timeout=3600,
    )  # fmt: skip
    recap = Recap(said.stdout + said.stderr)
    show(f"{book} {' '.join(words)}: {recap}")
    return recap


class Machine:
    """A system in `folder`, unpacked from the tar `system`."""

    def __init__(self, folder: Path, system: Path, environment: dict[str, str] | None = None) -> None:
        self.folder, self.leader = folder / "root", 0
        self._environment = environment or {}
        self._key = folder / "key"
        self._booted: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True)
        sh(f"tar -C {self.folder} -xf {system}")
        sh(f"ssh-keygen -q -t ed25519 -N '' -f {self._key}")
        home = self.folder / "root" / ".ssh"
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "authorized_keys").write_text(self._key.with_suffix(".pub").read_text())

    def play(self, book: str, *words: str, **variables: object) -> Recap:
        """Run a playbook on it. `words` are ansible-playbook's, `variables` the role's."""
        if self.leader:
            door = f"nsenter -t {self.leader} -a mkdir -p /run/sshd; nsenter -t {self.leader} -a /usr/sbin/sshd -i"
            before = ""
        else:
            sends = "".join(f" -oSetEnv={name}={value}" for name, value in self._environment.items())
            door = f"chroot {self.folder} /usr/sbin/sshd -i{sends}"
            before = (
                f"mount -t proc proc {self.folder}/proc && mount --rbind /dev {self.folder}/dev && "
                f"mount -t tmpfs tmpfs {self.folder}/run && mkdir -p {self.folder}/run/sshd && "
            )
        script = self.folder.parent / "door"
        script.write_text(f"#!/bin/sh\n{door}\n")
        script.chmod(0o755)
        host = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_control_path_dir": str(self.folder.parent / f"ssh{self.leader}"),
            "ansible_ssh_common_args": f"{STRANGER} -o ProxyCommand={script}",
        }
        return ansible(self.folder.parent, host, before, book, *words, **variables)

    def boot(self) -> None:
        """Start it, with a systemd of its own and without a network."""
        # A cgroup tree of version 2 of its own, and a /run of its own, whatever this machine has.
        line = (
            "umount -R /sys/fs/cgroup 2>/dev/null; "
            "mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs tmpfs /run && "
            f"exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=read-only "
            f"-D {self.folder} -b"
        )
        with (self.folder.parent / "console").open("ab") as console:
            self._booted = subprocess.Popen(
                ["/usr/bin/unshare", "-m", "sh", "-c", line],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.until(self._is_up, 120)

    def _is_up(self) -> bool:
        assert self._booted
        children = sh(f"pgrep -P {self._booted.pid}", check=False).split()
        if not children:
            return False
        self.leader = int(children[0])
        return self.ask("systemctl is-system-running", check=False) in ("running", "degraded", "starting")

    def ask(self, command: str, *, check: bool = True) -> str:
        """Run a command line in it, once booted, and return what it said."""
        return sh(f"nsenter -t {self.leader} -a /bin/sh -c {shlex.quote(command)}", check=check)

    def show(self, unit: str, setting: str) -> str:
        """One property of a unit, as systemctl shows it."""
        return self.ask(f"systemctl show --value -p {setting} {unit}")

    def until(self, true: Callable[[], object], seconds: float = 120) -> None:
        """Wait until something is so, for `seconds` at most on whatever this machine has left."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.console()
            time.sleep(0.2)

    def console(self) -> str:
        """The last that its console and the journal said."""
        said = (self.folder.parent / "console").read_text(errors="replace")[-2000:]
        return said + self.ask("journalctl --no-pager -n 60", check=False) if self.leader else said

    def halt(self) -> None:
        """Cut its power."""
        if self._booted:
            if self.leader:
                sh(f"kill -KILL {self.leader}", check=False)
            self._booted.kill()
            self._booted.wait()
            self._booted, self.leader = None, 0

    def remove(self) -> None:
        """Cut its power, and take it off the disk."""
        self.halt()
        shutil.rmtree(self.folder)
