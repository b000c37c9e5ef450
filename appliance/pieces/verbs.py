# SPDX-License-Identifier: Apache-2.0
"""`stellar-wind piece ...`: what people type. Each verb returns the text to print.

All but `make`, `rehearse` and `serve` ask the process of the pieces through its socket. Imported by the command line
only for the verb `piece`; what needs a library of its own is imported where it is used.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.control import SERVICE as BOX
from appliance.control import runtime_dir
from appliance.host.python import command
from appliance.pieces.client import SERVICE, PieceClient
from appliance.saved.files import state_dir
from appliance.saved.replacing import replacing
from appliance.values import BoxError

if TYPE_CHECKING:
    from appliance.settings import Loaded

ID = "the beginning of a piece's id, as `piece list` shows it"
HOW = """\
The pieces are off as delivered. `stellar-wind piece --set pieces.reach=lan serve` shares them until Ctrl-C; with
pieces.reach in the settings file, the service stellar-wind-pieces does.

"""
MISSING = (
    "The pieces need libtorrent, PyNaCl and segno: install them with `.venv/bin/pip install -e '.[pieces]'`."
)


class CannotShare(BoxError, OSError):
    """A file cannot be read, or a library is missing."""


Work = Callable[[argparse.Namespace, "Loaded"], str]


def add_verbs(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the verbs of pieces to the parser of `piece`, and return theirs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(name: str, work: Work, what: str, *positional: tuple[str, str]) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        added.set_defaults(work=work)
        for argument, means in positional:
            added.add_argument(argument, metavar=argument.upper(), help=means)
        return added

    make = add("make", _make, "make a draft of kept scores, to publish")
    make.add_argument(
        "scores", nargs="+", type=Path, metavar="SCORE", help="scores that `keep` wrote, in order"
    )
    make.add_argument("--title", required=True, help="of the piece")
    make.add_argument(
        "--track", action="append", default=[], metavar="TITLE", help="the title of a score, in order"
    )
    make.add_argument("--words", default="", help="what you say of it")
    make.add_argument("--cover", type=Path, metavar="FILE", help="a .png picture of up to 1 MB")
    make.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the draft; the name of the first score with .piece"
    )
    artist = add("artist", _artist, "begin a feed of your own, or show it")
    artist.add_argument(
        "--account", required=True, metavar="G...", help="your account; its secret is never asked for"
    )
    artist.add_argument("--name", default="", help="your name")
    artist.add_argument("--words", default="", help="what you say of yourself")
    artist.add_argument(
        "--certificate", default="", metavar="BASE64", help="your wallet's signature of the sentence"
    )
    publish = add(
        "publish", _publish, "publish a draft, free or for a price", ("draft", "a file that `make` wrote")
    )
    publish.add_argument("--price", default="", metavar="AMOUNT", help="what it costs, such as 5")
    publish.add_argument("--asset", default="native", help="native (lumens), or CODE:G...")
    add(
        "price",
        _price,
        "change the price of a piece",
        ("piece", ID),
        ("amount", "the new price, such as 2.5"),
    )
    add("follow", _follow, "follow an artist's feed", ("who", "an account, G..., or the key of a feed"))
    add("unfollow", _unfollow, "follow a feed no longer, and remove its pieces", ("who", "as for `follow`"))
    add("forget", _forget, "remove a piece and take it no more; withdraw one of your own", ("piece", ID))
    list_ = add("list", _list, "list feeds and pieces")
    list_.add_argument(
        "--sales", action="store_true", help="list what was sold, and what is to be given back"
    )
    list_.add_argument("--json", action="store_true", help="for a program to read")
    show = add("show", _show, "print what an artist says of a piece", ("piece", ID))
    show.add_argument("--json", action="store_true", help="for a program to read, with the cover")
    fetch = add("fetch", _fetch, "fetch a piece, and write its scores", ("piece", ID))
    fetch.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=".score.gz; `render` makes sound of it"
    )
    add("play", _play, "make the box play a piece", ("piece", ID))
    add("stop", _stop, "make the box play the network again")
    buy = add(
        "buy", _buy, "print the link and the QR code with which a wallet pays for a piece", ("piece", ID)
    )
    buy.add_argument("--no-qr", action="store_true", help="only the link")
    status = add("status", _status, "say what is shared, and with how many")
    status.add_argument("--json", action="store_true", help="for a program to read")
    rehearse = add("rehearse", _rehearse, "try the flows of money where lumens are free")
    rehearse.add_argument("--network", default="testnet", help="a network with a friendbot")
    add("serve", _serve, "run the process that shares; the service stellar-wind-pieces does")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = HOW + "".join(
        added.format_usage().replace("usage: ", "", 1) for added in verbs.choices.values()
    )
    return [*verbs.choices.values()]


# --- asking the process -------------------------------------------------------------------------------------


def _ask(loaded: Loaded, verb: str, **fields: str) -> dict[str, Any]:
    with PieceClient.connect([runtime_dir(loaded.settings.state_dir, os.environ), SERVICE]) as client:
        return client.ask(verb, **fields)


def _artist(arguments: argparse.Namespace, loaded: Loaded) -> str:
    names = ("account", "name", "words", "certificate")
    found = _ask(loaded, "artist", **{name: getattr(arguments, name) for name in names})
    if "sentence" in found:
        given = [word for name in names if (text := getattr(arguments, name)) for word in (f"--{name}", text)]
        return (
            "Sign this message with your account, in a wallet that signs messages (SEP-53), and give the signature to\n"
            f"`stellar-wind piece artist {shlex.join(given)} --certificate ...`:\n\n{found['sentence']}"
        )
    lines = [f"Your feed is {found['feed']}.", "Others follow it by this key."]
    if find_spec("stellar_sdk"):
        from base64 import b64decode

        from appliance.pieces.feed import POINTER
        from appliance.pieces.wallet import data_link
        from appliance.settings import networks

        passphrase = networks(loaded.settings)[loaded.settings.pieces.network].passphrase
        link = data_link(arguments.account, POINTER, b64decode(found["pointer"]), passphrase)
        lines.append(
            "To be followed by your account's address, open this link in its wallet (it reserves 0.5 XLM):"
        )
        lines.append(link)
    return "\n".join(lines)


def _publish(arguments: argparse.Namespace, loaded: Loaded) -> str:
    from appliance.pieces.piece import MAX_DRAFT
    from appliance.pieces.piece import loaded as json_of

    content = _content(Path(arguments.draft), MAX_DRAFT)
    if json_of(content) is None:
        raise CannotShare(f"{arguments.draft} is no draft: make one with `stellar-wind piece make`.")
    draft = content.decode("utf-8", "replace")
    price = {"amount": arguments.price, "asset": arguments.asset} if arguments.price else {}
    found = _ask(loaded, "publish", draft=draft, **price)
    magnet = f"magnet:?xt=urn:btmh:1220{found['torrent']}"
    return f"Published as {found['piece']}.\nAny BitTorrent client can have it: {magnet}"


def _price(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "price", named=arguments.piece, amount=arguments.amount)
    return f"{found['piece'][:12]} costs {found['amount']} now; the old price is taken for another day."


def _follow(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "follow", who=arguments.who)
    if not found["found"]:
        return f"Following {found['feed'][:12]}. No box that can be reached knows it yet; it is searched for."
    return f"Following {found['artist'] or found['feed'][:12]}."


def _unfollow(arguments: argparse.Namespace, loaded: Loaded) -> str:
    return f"Following {_ask(loaded, 'unfollow', who=arguments.who)['feed'][:12]} no longer."


def _forget(arguments: argparse.Namespace, loaded: Loaded) -> str:
    return f"Forgotten: {_ask(loaded, 'forget', named=arguments.piece)['piece'][:12]}."


def _fetch(arguments: argparse.Namespace, loaded: Loaded) -> str:
    from appliance.pieces.piece import MAX_SCORE

    found = _ask(loaded, "fetch", named=arguments.piece)
    paths = [Path(path) for path in found["paths"]]
    if not arguments.output:
        return f"{found['title']} is here, and is seeded."
    lines = []
    for number, path in enumerate(paths, 1):
        output = arguments.output
        if len(paths) > 1:
            stem, _, ending = output.name.partition(".")
            output = output.with_name(f"{stem}-{number:02}.{ending}")
        content = _content(path, MAX_SCORE)
        with replacing(output) as part:
            part.write_bytes(content)
        lines.append(f"{output}: `stellar-wind render {output} -o x.flac` makes sound of it")
    return "\n".join(lines)


def _play(arguments: argparse.Namespace, loaded: Loaded) -> str:
    return f"Playing {_ask(loaded, 'play', named=arguments.piece)['title']}."


def _stop(arguments: argparse.Namespace, loaded: Loaded) -> str:
    _ask(loaded, "stop")
    return "Playing the network again."


def _buy(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "buy", named=arguments.piece)
    lines = [
        f"{found['title']} costs {_amount(found)}. Pay with your wallet, once, with this link, memo and all.",
        f"It goes to {found['account']}. The box opens the piece when the artist's box has seen the payment.",
    ]
    if not arguments.no_qr:
        from appliance.pieces.qr import picture

        lines.append(picture(found["link"]))
    return "\n".join([*lines, found["link"]])


def _status(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "status")
    if arguments.json:
        return json.dumps(found, indent=2)
    lines = [f"Sharing ({found['reach']}), port {found['port']}, {_count(found['peers'], 'peer')}."]
    if found["announced"]:
        lines.append(f"{found['announced']} boxes or nodes know your newest feed.")
    for each in found["seeding"]:
        done = "" if each["progress"] == 1 else f", {each['progress']:.0%} here"
        speeds = f"{each['up'] / 1000:.0f} kB/s up, {each['down'] / 1000:.0f} kB/s down"
        lines.append(f"  {each['name']:32} {_count(each['peers'], 'peer')}, {speeds}{done}")
    lines += [f"Searching for the feed {key[:12]}." for key in found["searching"]]
    lines += [
        f"The piece {piece[:12]} is not paid for, or its key has not come yet." for piece in found["unpaid"]
    ]
    return "\n".join(lines)


def _list(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "sales" if arguments.sales else "list")
    if arguments.json:
        return json.dumps(found, indent=2)
    return "\n".join(_sales(found) if arguments.sales else _feeds(found))


def _feeds(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for each in found["feeds"]:
        own = "your feed" if each["own"] else each["feed"][:12]
        lines.append(f"{each['artist'] or 'Unnamed'} ({own}), {_count(each['count'], 'piece')}")
        for piece in each["pieces"]:
            price = _amount(piece) if "amount" in piece else "free"
            state = "bought" if piece["bought"] else "here" if piece["here"] else ""
            lines.append(f"  {piece['piece'][:12]}  {piece['title']:40} {price:16} {state}".rstrip())
    return lines or ["No feed is followed: `stellar-wind piece follow G...` follows one."]


def _sales(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{each['title']:40} {each['count']} sold, {each['earned']} earned" for each in found["sold"]]
    lines += [f"Partly paid: {each['paid']} for {each['piece'][:12]}" for each in found["partly"]]
    if found["due"]:
        lines.append(f"{found['due']} paid and not delivered yet.")
    for each in found["back"]:
        lines.append(f"To give back: {each['amount']} to {each['sender']}, {each['why']}:\n  {each['link']}")
    return lines or ["Nothing was sold yet."]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _amount(price: Mapping[str, str]) -> str:
    unit = "XLM" if price["asset"] == "native" else price["asset"].partition(":")[0]
    return f"{price['amount']} {unit}" + ("" if price["network"] == "public" else f" ({price['network']})")


def _show(arguments: argparse.Namespace, loaded: Loaded) -> str:
    found = _ask(loaded, "show", named=arguments.piece)
    if arguments.json:
        return json.dumps(found, indent=2)
    price = _amount(found) if "amount" in found else "free"
    lines = [f"{found['title']}, {found['artist']} ({price})", found["words"]]
    tracks = enumerate(found["tracks"], 1)
    return "\n".join(
        [*lines, *(f"{number:3}. {each['title']} {each['seconds']:.0f} s" for number, each in tracks)]
    )


# --- without the process ------------------------------------------------------------------------------------


def _make(arguments: argparse.Namespace, loaded: Loaded) -> str:
    _require("nacl")
    from appliance.pieces.piece import MAX_COVER, MAX_SCORE, check_tracks, draft_of, pack

    check_tracks(len(arguments.scores))
    if len(arguments.track) > len(arguments.scores):
        raise CannotShare(f"There are {len(arguments.track)} titles of tracks, and fewer scores.")
    titles = [*arguments.track, *("" for _ in arguments.scores)]
    scores = [
        (title, _content(path, MAX_SCORE)) for title, path in zip(titles, arguments.scores, strict=False)
    ]
    cover = _content(arguments.cover, MAX_COVER) if arguments.cover else b""
    made = draft_of(arguments.title, arguments.words, scores, cover, arguments.scores)
    output = arguments.output or Path(arguments.scores[0].name.partition(".")[0] + ".piece")
    with replacing(output, arguments.scores) as part:
        part.write_bytes(pack(made))
    seconds = sum(track.seconds for track in made.tracks)
    return f"{output}: {made.title}, {seconds:.0f} s; `stellar-wind piece publish {output}` publishes it"


def _content(path: Path, most: int) -> bytes:
    """The content of a file, or a byte more than it can have."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise CannotShare(f"Cannot read {path}: {error.strerror}. Check the path and the file.") from error


def _rehearse(arguments: argparse.Namespace, loaded: Loaded) -> str:
    _require("nacl")
    from appliance.pieces.horizon import Horizon
    from appliance.pieces.rehearsal import Rehearsal
    from appliance.settings import networks

    known = networks(loaded.settings)
    if arguments.network not in known or arguments.network == "public":
        raise CannotShare(
            f"The network {arguments.network!r:.80} is not one where lumens are free: use testnet."
        )
    lines: list[str] = []
    Rehearsal(Horizon(known[arguments.network]), lines.append).run()
    return "\n".join([*lines, "All is as it should be."])


def _serve(arguments: argparse.Namespace, loaded: Loaded) -> str:
    from appliance.settings import SettingsError, networks

    settings = loaded.settings.pieces
    if settings.reach == "off":
        raise SettingsError('Nothing is shared: pieces.reach is "off"; set it to "lan" or "internet".')
    _require("libtorrent", "nacl")
    from appliance.pieces.node import OPTIONS, Options

    folder = state_dir(loaded.settings.state_dir, os.environ)
    sockets = runtime_dir(loaded.settings.state_dir, os.environ)
    if not folder or not sockets:
        raise CannotShare("There is no folder for the pieces: name one with --set state_dir=...")
    known = networks(loaded.settings)[settings.network]
    options = Options(
        state=str(folder / "pieces"),
        runtime=str(sockets),
        boxes=[str(sockets), str(BOX)],
        network=known.name,
        passphrase=known.passphrase,
        endpoints=[*known.endpoints],
        headers={**known.headers},
        reach=settings.reach,
        port=settings.port,
        bootstrap=[*settings.bootstrap] if settings.reach == "internet" else [],
        upload=settings.upload,
        shelf=settings.shelf,
    )
    # Another program in the same process: the libraries of the settings would double its memory for good.
    words = command("appliance.pieces")
    os.execve(sys.executable, words, {**os.environ, OPTIONS: json.dumps(asdict(options))})  # noqa: S606 - ourselves


def _require(*libraries: str) -> None:
    if not all(find_spec(library) for library in libraries):
        raise CannotShare(MISSING)
