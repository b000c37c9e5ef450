# SPDX-License-Identifier: Apache-2.0
"""The swarm: finds, fetches and seeds small signed things. The only module that imports libtorrent.

What comes from it is bytes whose hash was asked for (BitTorrent v2, SHA-256), or values that the holder of a key signed
(BEP 44). Who may sign what, and which is the newest, feed.py judges. The main thread's loop; libtorrent has three
threads of its own, which write a byte to a pipe when they have something to say.

    folder/INFO HASH/NAME    each torrent has a folder of its own, so none can write over another's files

Boxes on a network without the internet find each other by a small file that each of them seeds: local service discovery
(multicast) finds its peers, their handshake exchanges DHT ports, and they form a DHT without a bootstrap node.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import libtorrent as lt

from appliance.pieces.keys import Untrusted, expanded
from appliance.values import BoxError

log = logging.getLogger(__name__)

SALT = b"stellar-wind pieces 1"
HELLO = ("hello", "stellar-wind-box", b"Stellar Wind boxes meet here.\n")
BLOCK = 16 * 1024  # bytes of a torrent's pieces, the smallest: the same files have the same hash on every box
AGAIN = 3.0  # s between two announcements while something is looked for
METADATA = 64 * 1024  # bytes; a piece has 18 files at most
BLOCKED = 1  # libtorrent's flag of an address range

_SETTINGS: dict[str, Any] = {
    "user_agent": "stellar-wind",
    "peer_fingerprint": "-SW0001-",
    "enable_upnp": False,  # no port of a router is opened but by its owner
    "enable_natpmp": False,
    # Each outgoing TCP connection would bind a port of its own, and the unit allows one; uTP uses the one that listens.
    "enable_outgoing_tcp": False,
    "enable_lsd": True,
    "enable_dht": True,
    "webtorrent_stun_server": "",  # the default is a server on the internet
    "max_web_seed_connections": 0,
    "ssrf_mitigation": True,
    "max_metadata_size": METADATA,  # the default is 31 MB
    "active_seeds": 400,
    "active_downloads": 4,
    "active_limit": 500,
    "active_dht_limit": 400,
    "active_lsd_limit": 400,
    "connections_limit": 40,
    "max_peerlist_size": 200,
    "unchoke_slots_limit": 8,
    "download_rate_limit": 1 << 20,
    "dht_upload_rate_limit": 8000,
    "aio_threads": 1,
    "hashing_threads": 1,
    "file_pool_size": 16,
    "max_queued_disk_bytes": 1 << 20,
    "send_buffer_watermark": 64 * 1024,
    "alert_queue_size": 1000,
    "allow_multiple_connections_per_ip": True,  # two boxes behind one router
    # In a DHT of two boxes each asks the other everything; the default of 5 packets a second bans it for 300 s.
    "dht_block_ratelimit": 50,
    "dht_max_dht_items": 200,
    "dht_max_torrents": 200,
    "dht_max_peers": 100,
    "dht_announce_interval": 60,  # s; a box behind NAT is found by those that it asks
    "local_service_announce_interval": 60,
    "min_reconnect_time": 10,
    "peer_connect_timeout": 8,
}

# RFC 1918, 3927, 4193, 4291 and loopback: what a network at home has.
_PRIVATE = (
    ("10.0.0.0", "10.255.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("::1", "::1"),
)


class NotFound(BoxError, LookupError):
    """No box that can be reached has it."""


# Judges paths and sizes before a byte is asked for; raises Untrusted.
Check = Callable[[dict[str, int]], None]


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file, or a folder of files, as it was when it was hashed."""

    torrent: str  # the info hash
    params: lt.add_torrent_params


class Swarm:
    """One session on `port`.

    `private` keeps it to addresses of a network at home; `bootstrap` are nodes of the DHT, as HOST:PORT; `upload` is in
    bytes a second; `listen` is the address of one interface.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        bootstrap: Iterable[str] = (),
        *,
        private: bool,
        upload: int = 256 << 10,
        listen: str = "",
    ) -> None:
        self._folder, self._port, self._private = folder, port, private
        self._settings = _SETTINGS | {
            "listen_interfaces": f"{listen}:{port}" if listen else f"0.0.0.0:{port},[::]:{port}",
            "dht_bootstrap_nodes": ",".join(bootstrap),
            "upload_rate_limit": upload,
            # These limit the nodes of one network in the DHT, against an attacker who has many. A LAN is one network:
            # there, a box that has left would keep the place of a new one.
            "dht_restrict_routing_ips": not private,
            "dht_restrict_search_ips": not private,
        }
        self._handles: dict[str, lt.torrent_handle] = {}
        self._fetching: dict[str, asyncio.Task[Path]] = {}
        self._listeners: list[Callable[[lt.alert], None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be in the swarm while in the `with`."""
        kinds = lt.alert.category_t
        params = lt.session_params()
        mask = kinds.error_notification | kinds.status_notification
        mask |= kinds.dht_notification | kinds.storage_notification
        params.settings = cast(Any, self._settings | {"alert_mask": mask})
        self._session = lt.session(params)
        self._session.set_peer_class_filter(_limited())
        if self._private:
            self._session.set_ip_filter(_only_private())
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._heard, reading)
        self._session.set_alert_fd(writing)
        try:
            self._say_hello()
            yield
        finally:
            while self._fetching:  # they still use the session when they are cancelled
                for task in self._fetching.values():
                    task.cancel()
                await asyncio.wait(self._fetching.values())
            loop.remove_reader(reading)
            self._session.pause()
            self._handles.clear()
            del self._session  # waits for its threads, which write to the pipe until then
            os.close(reading)
            os.close(writing)

    def _say_hello(self) -> None:
        place, name, text = HELLO
        folder = self._folder / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
        self.share(folder / name, hashed(folder / name))

    def _heard(self, reading: int) -> None:
        """Pass on what libtorrent says. An alert is valid only until the next ones are taken."""
        os.read(reading, 4096)
        for alert in self._session.pop_alerts():
            if isinstance(alert, lt.listen_failed_alert):
                log.warning("Cannot listen on port %d: %s.", self._port, alert.message())
            for listener in tuple(self._listeners):
                listener(alert)

    @contextmanager
    def _heard_by(self, listener: Callable[[lt.alert], None]) -> Iterator[None]:
        """Pass alerts on to `listener` while in the `with`."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    # --- what others can have of us -------------------------------------------------------------------------

    def share(self, path: Path, of: Hashed) -> str:
        """Seed the file or folder at `path`, which can have moved since it was hashed, and return its info hash."""
        params, flags = of.params, lt.torrent_flags
        params.save_path = str(path.parent)
        params.flags = (params.flags | flags.seed_mode) & ~flags.auto_managed & ~flags.paused
        self._handles[of.torrent] = self._session.add_torrent(params)
        self._handles[of.torrent].force_dht_announce()  # else it takes its turn, seconds after the one before
        return of.torrent

    def unshare(self, torrent: str) -> None:
        """Seed it no longer. Its files stay."""
        if handle := self._handles.pop(torrent, None):
            self._session.remove_torrent(handle)

    def holds(self, torrent: str) -> bool:
        """Whether all of it is here."""
        return torrent in self._handles and torrent not in self._fetching

    def seeding(self) -> list[dict[str, Any]]:
        """How each torrent is; speeds are in bytes a second."""
        statuses = [(name, handle.status()) for name, handle in self._handles.items()]
        return [
            {
                "torrent": name,
                "progress": round(status.progress, 3),
                "peers": status.num_peers,
                "up": status.upload_rate,
                "down": status.download_rate,
            }
            for name, status in statuses
        ]

    # --- what we can have of others -------------------------------------------------------------------------

    async def fetch(self, torrent: str, check: Check, patience: float) -> Path:
        """Fetch what has this info hash, go on to seed it, and return its folder. Raises NotFound and Untrusted."""
        if torrent not in self._fetching:
            task = asyncio.create_task(self._fetch(torrent, check, patience))
            self._fetching[torrent] = task
            task.add_done_callback(lambda _: self._fetching.pop(torrent))
        return await asyncio.shield(self._fetching[torrent])

    async def _fetch(self, torrent: str, check: Check, patience: float) -> Path:
        folder = self._folder / torrent
        if torrent in self._handles:
            return folder
        params = lt.parse_magnet_uri(f"magnet:?xt=urn:btmh:1220{torrent}")
        params.save_path = str(folder)
        flags = lt.torrent_flags
        # In upload mode its description comes, and no byte of its content.
        params.flags = (params.flags | flags.upload_mode) & ~flags.auto_managed & ~flags.paused
        handle = self._handles[torrent] = self._session.add_torrent(params)
        try:
            await self._until(lambda: handle.status().has_metadata, patience, handle)
            info = handle.torrent_file()
            if info is None or info.piece_length() != BLOCK:
                raise Untrusted("The torrent was not made by a box.")
            check(_sizes(info))
            handle.unset_flags(flags.upload_mode)
            await self._until(lambda: handle.status().is_seeding, patience, handle)
            await self._flushed(handle, patience)
        except BaseException as error:
            if self._handles.pop(torrent, None):
                self._session.remove_torrent(handle)
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, RuntimeError):  # of libtorrent: the handle is not valid any more
                raise NotFound("It was dropped while it was fetched.") from error
            raise
        return folder

    async def _until(self, done: Callable[[], bool], seconds: float, handle: lt.torrent_handle) -> None:
        """Wait for `done`, which is asked after each alert, until nothing has come for `seconds`."""
        news = asyncio.Event()
        ends, had = time.monotonic() + seconds, 0

        def listener(_: lt.alert) -> None:
            news.set()

        with self._heard_by(listener):
            while not done():
                if (has := handle.status().total_wanted_done) > had:
                    ends, had = time.monotonic() + seconds, has
                if time.monotonic() > ends:
                    raise NotFound(f"No box that can be reached has it, or not all of it ({seconds:.0f} s).")
                handle.force_dht_announce()
                again = time.monotonic() + AGAIN
                while not done() and time.monotonic() < min(again, ends):
                    news.clear()
                    await _soon(news, min(again, ends) - time.monotonic())

    async def _flushed(self, handle: lt.torrent_handle, seconds: float) -> None:
        """Wait until a complete torrent is on the disk."""
        flushed = asyncio.Event()

        def listener(alert: lt.alert) -> None:
            if isinstance(alert, lt.cache_flushed_alert) and alert.handle == handle:
                flushed.set()

        with self._heard_by(listener):
            handle.flush_cache()
            await _soon(flushed, seconds)

    # --- the newest of a key --------------------------------------------------------------------------------

    async def put(self, secret: bytes, public: bytes, value: bytes, seconds: float) -> int:
        """Say what is the newest of our key. Returns how many nodes have taken it."""
        taken, answered = 0, asyncio.Event()

        def listener(alert: lt.alert) -> None:
            nonlocal taken
            if isinstance(alert, lt.dht_put_alert) and bytes(alert.public_key) == public:
                taken = alert.num_success
                answered.set()

        with self._heard_by(listener):
            self._session.dht_put_mutable_item(expanded(secret), public, value, SALT)
            await _soon(answered, seconds)
        return taken

    async def get(self, public: bytes, seconds: float) -> list[bytes]:
        """What nodes say is the newest of a key: values that its holder signed, also old ones."""
        found: list[bytes] = []
        answered = asyncio.Event()

        def listener(alert: lt.alert) -> None:
            if isinstance(alert, lt.dht_mutable_item_alert) and bytes(alert.key) == public:
                if isinstance(alert.item, bytes) and alert.item:  # empty: no node knows one
                    found.append(alert.item)
                if alert.authoritative:
                    answered.set()

        with self._heard_by(listener):
            self._session.dht_get_mutable_item(public, SALT)
            await _soon(answered, seconds)
        return found


async def _soon(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()


def hashed(path: Path) -> Hashed:
    """Hash a file, or a folder of files, to share it. Raises OSError."""
    try:
        torrent = lt.create_torrent(lt.list_files(str(path)), BLOCK, lt.create_torrent.v2_only)
        torrent.set_creator("")
        torrent.set_creation_date(0)
        lt.set_piece_hashes(torrent, str(path.parent))
    except RuntimeError as error:  # libtorrent's own error codes
        raise OSError(0, f"{path} cannot be shared: {error}") from error
    params = lt.load_torrent_buffer(lt.bencode(torrent.generate()))
    assert params.ti  # noqa: S101 - it was made of files
    return Hashed(str(params.ti.info_hashes().v2), params)


def _sizes(info: lt.torrent_info) -> dict[str, int]:
    """The paths and sizes of a torrent's files. Raises Untrusted for links and programs."""
    files = info.layout()
    sizes: dict[str, int] = {}
    for index in range(files.num_files()):
        flags = files.file_flags(index)
        if flags & (lt.file_flags_t.flag_symlink | lt.file_flags_t.flag_executable):
            raise Untrusted("The torrent has links or programs, which no piece has.")
        if not flags & lt.file_flags_t.flag_pad_file:
            sizes[files.file_path(index)] = files.file_size(index)
    return sizes


def _limited() -> lt.ip_filter:
    """The classes of peers: all have the session's limits, from which libtorrent exempts local ones as delivered."""
    limited, local = 1 << lt.session.global_peer_class_id, 1 << lt.session.local_peer_class_id
    found = _everywhere(limited)
    for first, last in _PRIVATE:
        found.add_rule(first, last, limited | local)  # it still need not wait for its turn to be sent to
    return found


def _everywhere(flags: int) -> lt.ip_filter:
    found = lt.ip_filter()
    found.add_rule("0.0.0.0", "255.255.255.255", flags)  # noqa: S104 - a range, not an address to listen on
    found.add_rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", flags)
    return found


def _only_private() -> lt.ip_filter:
    found = _everywhere(BLOCKED)
    for first, last in _PRIVATE:
        found.add_rule(first, last, 0)
    return found
