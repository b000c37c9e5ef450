# SPDX-License-Identifier: Apache-2.0
"""`make screenshot-page`: the page as the documents show it, drawn by Chromium from a box that plays.

    python -m benchmarks.screenshot_page FOLDER [--url URL]

Without a URL, a box plays the bundled tape on no card for three minutes first.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import image

from appliance.ledger.tape import bundled
from tests.support.browser import CHROMIUM, browser

MUSIC = 180.0  # s, which fill the score
SHOTS = (("page", 1440, 900, False), ("page-phone", 390, 844, False), ("page-calm", 1440, 900, True))


@contextmanager
def playing() -> Iterator[str]:
    """A box with its page, and the address of that."""
    with tempfile.TemporaryDirectory() as folder:
        settings = (f"state_dir={folder}", "sound.device=null", "panel.pin_factory=none", "page.steer=true")
        words = [word for setting in settings for word in ("--set", setting)]
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "appliance", "run", "--page", str(bundled().path), *words],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr  # noqa: S101 - asked for
            yield next(found[0] for line in process.stderr if (found := re.search(r"http://\S+/", line)))
        finally:
            process.terminate()
            process.wait()


async def draw(url: str, folder: Path) -> None:
    """Draw each picture: with three stars that move, or, without motion, with the legend."""
    for name, width, height, calm in SHOTS:
        async with browser() as tab:
            await tab.open(url, width, height, calm=calm)
            await tab.until("typeof plays !== 'undefined' && plays && status && stellar.stars.length > 2")
            if calm:
                await tab.click("#legend summary")
            else:
                flying = "stars.filter(star => now() - star.began > 0.3 && now() - star.began < 1.1)"
                await tab.until(f"{flying}.length > 2")
            await tab.picture(folder / f"{name}.png")
        pixels = image.imread(folder / f"{name}.png")
        image.imsave(folder / f"{name}.webp", pixels, pil_kwargs={"quality": 88, "method": 6})
        (folder / f"{name}.png").unlink()


def main() -> int:
    """Draw them."""
    parser = argparse.ArgumentParser(description="Pictures of the page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="of a page that is served already")
    asked = parser.parse_args()
    if not CHROMIUM:
        print("There is no Chromium to draw with: apt-get install chromium.")
        return 1
    if asked.url:
        asyncio.run(draw(asked.url, asked.folder))
    else:
        with playing() as url:
            time.sleep(MUSIC)
            asyncio.run(draw(url, asked.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
