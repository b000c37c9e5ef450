# SPDX-License-Identifier: Apache-2.0
"""A box that lies: seeds what no box would make, and says heads that are not true. JSON lines in and out.

python -m tests.support.stranger FOLDER PORT
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from appliance.pieces import feed, piece
from appliance.pieces.piece import Draft, Track
from appliance.pieces.swarm import Swarm, hashed
from tests.support.artists import AT, Artist

START = b'{"score":1,"network":"public","scene":"wind","scale":"wind","root":"C","tempo":60,"seconds":9}\n'


class Stranger:
    """One liar, with a feed of its own."""

    def __init__(self, folder: Path, swarm: Swarm) -> None:
        self._folder, self._swarm = folder, swarm
        self._artist = Artist("Eve")
        self._shared = 0

    def _share(self, name: str, files: dict[str, bytes | int] | int | bytes) -> str:
        """Seed a file, or a folder, of any content or size."""
        self._shared += 1
        place = self._folder / str(self._shared) / name
        place.parent.mkdir(parents=True)
        contents: dict[Path, bytes | int] = {}
        if isinstance(files, dict):
            place.mkdir()
            contents |= {place / inner: content for inner, content in files.items()}
        else:
            contents[place] = files
        for path, content in contents.items():
            with path.open("wb") as file:
                if isinstance(content, int):
                    file.truncate(content)
                else:
                    file.write(content)
        return self._swarm.share(place, hashed(place))

    async def begin(self) -> dict[str, Any]:
        """Publish pieces of every wrong kind; their ids by what is wrong."""
        bomb = gzip.compress(START + b"\n" * (60 << 20))
        signed = piece.described(Draft("Bomb", "", (Track("", 9.0, bomb),)), self._artist.secret, "Eve", AT)
        wrong: dict[str, dict[str, bytes | int]] = {
            "a score of 3 MB": {"piece.json": 900, "track-01.score.gz": 3 << 20},
            "a program": {"piece.json": 900, "run.sh": 10},
            "300 files": {"piece.json": 900, **{f"track-{number}.score.gz": 1 for number in range(300)}},
            "it has no signature": {"piece.json": 900, "track-01.score.gz": 100},
            "a bomb": {**signed},
        }
        ids = {}
        for what, files in wrong.items():
            made = (
                piece.id_of(signed["piece.json"]) if what == "a bomb" else sha256(what.encode()).hexdigest()
            )
            self._artist.says(piece=made, torrent=self._share("piece", files), bytes=900, title=what)
            ids[what] = made
        other = self._share("elsewhere", {"piece.json": 900})
        ids["another folder"] = sha256(b"another folder").hexdigest()
        self._artist.says(piece=ids["another folder"], torrent=other, bytes=900, title="another folder")
        await self._say(self._artist.feed)
        return {"feed": self._artist.key.hex(), "ids": ids}

    async def _say(self, which: feed.Feed) -> int:
        return await self._put(feed.head(which, self._share("feed", which.text)))

    async def _put(self, head: bytes) -> int:
        for _ in range(300):  # a node that was just met takes nothing yet
            if taken := await self._swarm.put(self._artist.secret, self._artist.key, head, 10.0):
                return taken
            await asyncio.sleep(0.05)
        return 0

    async def older(self) -> dict[str, Any]:
        """Say an older state of the feed."""
        first = self._artist.feed.text.splitlines(keepends=True)[:2]
        return {"taken": await self._say(feed.read(self._artist.key, b"".join(first)))}

    async def another_past(self) -> dict[str, Any]:
        """Say another feed of the same key, with more lines."""
        other = feed.read(self._artist.key, self._artist.feed.text.splitlines(keepends=True)[0])
        for number in range(len(self._artist.feed.marks) + 3):
            other = other.written(self._artist.secret, {"at": AT, "words": f"another past {number}"})
        return {"taken": await self._say(other)}

    async def endless(self) -> dict[str, Any]:
        """Say that the feed has 50 MB."""
        body = {"lines": 999, "torrent": self._share("feed", 50 << 20)}
        return {"taken": await self._put(json.dumps(body).encode())}

    async def as_another(self, key: str) -> dict[str, Any]:
        """Say a head for somebody else's key."""
        head = json.dumps({"lines": 99, "torrent": "ab" * 32}).encode()
        return {"taken": await self._swarm.put(self._artist.secret, bytes.fromhex(key), head, 10.0)}

    async def spoil(self, torrent: str) -> dict[str, Any]:
        """Fetch a piece, change a bit of it, and go on to seed it."""
        path = await self._swarm.fetch(torrent, piece.check_names, 60.0) / "piece" / "track-01.score.gz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        with path.open("r+b") as file:  # the same file, which libtorrent has open
            file.write(content)
        return {}


async def main() -> None:
    """Serve commands until standard input ends."""
    folder = Path(sys.argv[1])
    swarm = Swarm(folder / "swarm", int(sys.argv[2]), private=True)
    async with swarm.running():
        stranger = Stranger(folder, swarm)
        print(json.dumps({}), flush=True)  # noqa: T201 - its answers
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, *arguments = json.loads(line)
            print(json.dumps(await getattr(stranger, name)(*arguments)), flush=True)  # noqa: T201 - its answers


if __name__ == "__main__":
    asyncio.run(main())
