# SPDX-License-Identifier: Apache-2.0
"""Releases that differ from the one that `make` has made: to be rolled out, and to be found wanting."""

import shutil
import zipfile
from pathlib import Path

from tests.deploy.machine import ROOT, sh


def newer(folder: Path, kind: str, program: str = "") -> Path:
    """A folder with a release like the one of `kind`, of other content; `program` ends the box's own `box.py`."""
    (release,) = (ROOT / "build/releases").glob(f"stellar-wind-*-{kind}.tar")
    wheels = folder / "wheels"
    sh(f"tar -C {folder} -xf {release}")
    if program:
        (wheel,) = wheels.glob("stellar_wind_box-*.whl")
        changed = wheel.with_suffix(".new")
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                text = old.read(name)
                new.writestr(name, text + program.encode() if name == "appliance/box.py" else text)
        changed.replace(wheel)
        asked = wheels / "requirements.txt"
        lines = [line for line in asked.read_text().splitlines() if not line.startswith("stellar_wind_box")]
        digest = sh(f"sha256sum {wheel}").split()[0]
        version = wheel.name.split("-")[1]
        asked.write_text("\n".join([*lines, f"stellar_wind_box=={version} --hash=sha256:{digest}"]) + "\n")
    sh(f"tar -C {folder} --create --file {folder / release.name} --mtime=@1 wheels")
    shutil.rmtree(wheels)
    return folder
