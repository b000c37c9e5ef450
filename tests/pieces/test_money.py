# SPDX-License-Identifier: Apache-2.0
"""Selling: real signed envelopes of stellar-sdk, a Horizon of ours, and boxes that know each other by the swarm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk.sep.stellar_uri import PayStellarUri, TransactionStellarUri

from appliance.control import Refused
from appliance.ledger.networks import Network
from appliance.pieces import feed, keys
from appliance.pieces.horizon import Horizon, NoHorizon
from appliance.pieces.keys import Untrusted
from appliance.pieces.piece import pack
from appliance.pieces.rehearsal import Rehearsal
from appliance.pieces.wallet import Wallet, data_link
from tests.support.artists import Artist, draft
from tests.support.paying_horizon import PASSPHRASE, PayingHorizon
from tests.support.piece_boxes import PieceBox
from tests.support.spaces import Spaces, require

pytestmark = pytest.mark.process


@pytest.fixture
def server() -> Iterator[PayingHorizon]:
    with PayingHorizon().running() as server:
        yield server


def horizon(server: PayingHorizon, *others: str, name: str = PASSPHRASE) -> Horizon:
    return Horizon(Network("mine", name, (*others, server.url)))


def test_the_rehearsal_goes_through_every_flow(server: PayingHorizon) -> None:
    lines: list[str] = []
    Rehearsal(horizon(server), lines.append, poll=0.01).run()
    assert len(lines) >= 15
    assert not any("Not so" in line for line in lines)


# --- Horizon ------------------------------------------------------------------------------------------------


def test_a_server_that_is_down_or_of_another_network_is_not_used(server: PayingHorizon) -> None:
    assert horizon(server, "http://127.0.0.1:9").last("G" * 56) == 0
    with pytest.raises(NoHorizon):
        horizon(server, name="Another Network").last("G" * 56)
    with pytest.raises(NoHorizon):
        Horizon(Network("mine", PASSPHRASE, ("rpc+http://127.0.0.1:9",))).last("G" * 56)


def test_an_error_says_what_to_change() -> None:
    for servers in (("http://127.0.0.1:9",), ("rpc+http://127.0.0.1:9",)):
        with pytest.raises(NoHorizon, match=r"networks\.mine\.endpoints"):
            Horizon(Network("mine", PASSPHRASE, servers)).last("G" * 56)


def test_all_payments_come_in_order(server: PayingHorizon) -> None:
    found = horizon(server)
    ada, ben = Wallet(found), Wallet(found)
    for wallet in (ada, ben):
        wallet.fund()
    for _ in range(60):  # more than a page
        ben.pay(ada.account, "1", bytes(32))
    tokens = [int(record["paging_token"]) for record in found.payments(ada.account, 0)]
    assert len(tokens) == 60
    assert tokens == sorted(tokens)
    assert found.last(ada.account) == tokens[-1]
    assert list(found.payments(ada.account, tokens[-1])) == []
    with pytest.raises(NoHorizon, match="status 400"):
        ben.pay(ada.account, "99999", bytes(32))


def test_an_account_names_its_feed(server: PayingHorizon) -> None:
    found = horizon(server)
    ada = Wallet(found)
    with pytest.raises(Untrusted):
        found.pointer(ada.account)
    ada.fund()
    with pytest.raises(Untrusted):
        found.pointer(ada.account)
    ada.set_data(feed.POINTER, bytes(range(64)))
    assert found.pointer(ada.account) == (bytes(range(32)), bytes(range(32, 64)).hex())
    ada.set_data(feed.POINTER, b"something else")
    with pytest.raises(Untrusted):
        found.pointer(ada.account)


def test_the_link_to_name_a_feed_is_what_the_sdk_reads() -> None:
    artist = Artist()
    link = data_link(artist.account, feed.POINTER, bytes(64), PASSPHRASE)
    found = TransactionStellarUri.from_uri(link, PASSPHRASE)
    (operation,) = found.transaction_envelope.transaction.operations  # type: ignore[union-attr]
    assert (operation.data_name, operation.data_value) == (feed.POINTER, bytes(64))  # type: ignore[union-attr]


# --- one box that sells -------------------------------------------------------------------------------------


class Shop:
    """An artist's box, and a buyer's wallet."""

    def __init__(self, box: PieceBox, server: PayingHorizon) -> None:
        self.box, self.server, self.artist = box, server, Artist()
        self.wallet = Wallet(horizon(server))
        server.ledger.fund(self.artist.account)
        self.wallet.fund()
        box.is_artist(self.artist)
        self.piece = box.publish(draft(), amount="5")

    def order(self) -> bytes:
        """A memo, as a buyer's box makes it."""
        return keys.order_public(keys.new_order(0))

    def pay(self, amount: str, memo: bytes, **more: str) -> str:
        return self.wallet.pay(self.artist.account, amount, memo, **more)  # type: ignore[arg-type]

    def sold(self) -> int:
        count: int = self.box.ask("sales")["sold"][0]["count"]
        return count

    def back(self) -> list[tuple[str, str]]:
        return [(each["amount"], each["why"]) for each in self.box.ask("sales")["back"]]


@pytest.fixture
def shop(server: PayingHorizon, tmp_path: Path) -> Iterator[Shop]:
    with PieceBox(tmp_path / "a", endpoints=[server.url], listen="127.0.0.1") as box:
        yield Shop(box, server)


def test_what_each_payment_pays_for(shop: Shop) -> None:
    balance = shop.server.ledger.accounts[shop.artist.account].balances
    before = balance["native"]
    one, two = shop.order(), shop.order()
    shop.pay("5", one)
    shop.box.until(lambda: shop.sold() == 1)
    assert balance["native"] - before == 5 * 10**7  # all of it
    shop.pay("4.5", two)
    partly = shop.box.until(lambda: shop.box.ask("sales")["partly"])
    assert [(each["memo"], each["paid"]) for each in partly] == [(two.hex(), "4.5")]
    shop.pay("0.5", two)
    shop.box.until(lambda: shop.sold() == 2)
    twice = shop.pay("5", one)
    shop.box.until(lambda: shop.back() == [("5", "paid twice")])
    (back,) = shop.box.ask("sales")["back"]
    link = PayStellarUri.from_uri(back["link"])
    assert (link.destination, link.amount, link.memo_type) == (shop.wallet.account, "5", "MEMO_RETURN")
    assert back["transaction"] == twice
    shop.pay("5", bytes.fromhex("fff0" + "11" * 30))
    shop.box.until(lambda: shop.back()[-1] == ("5", "for no piece of this feed"))
    shop.server.ledger.accounts[shop.wallet.account].balances[f"EUR:{shop.artist.account}"] = 10**9
    shop.pay("5", shop.order(), asset=f"EUR:{shop.artist.account}")
    shop.box.until(lambda: shop.back()[-1] == ("5", "in another asset"))
    assert shop.sold() == 2
    assert shop.box.ask("sales")["due"] == 0


def test_a_box_that_was_off_delivers_when_it_is_back(shop: Shop) -> None:
    shop.box.leave()
    shop.pay("5", shop.order())
    shop.box.start()
    shop.box.until(lambda: shop.sold() == 1 and shop.box.ask("sales")["due"] == 0)


def test_a_key_that_was_lost_holds_up_no_other_sale(shop: Shop) -> None:
    shop.box.leave()
    (shop.box.folder / "pieces/contents.json").unlink()
    shop.box.start()
    shop.pay("5", shop.order())
    shop.box.until(lambda: "contents.json" in shop.box.log.read_text())
    other = shop.box.publish(draft("Another"), amount="5")
    assert shop.box.ask("fetch", named=other)["paths"]
    with pytest.raises(Refused):
        shop.box.ask("fetch", named=shop.piece)  # its artist's own box has no key either
    shop.pay("5", keys.order_public(keys.new_order(1)))
    shop.box.until(lambda: shop.box.ask("sales")["sold"][1]["count"] == 1)
    assert shop.box.ask("sales")["due"] == 1


def test_what_horizon_repeats_is_delivered_once(shop: Shop) -> None:
    shop.server.repeats = True
    shop.pay("5", shop.order())
    shop.box.until(lambda: shop.sold() == 1)
    asked = shop.server.asked
    shop.box.until(lambda: shop.server.asked > asked + 3)
    shop.box.leave()
    shop.box.start()
    asked = shop.server.asked
    shop.box.until(lambda: shop.server.asked > asked + 3)
    assert shop.sold() == 1
    assert shop.back() == []


def test_a_price_can_be_changed(shop: Shop) -> None:
    shop.box.ask("price", named=shop.piece[:8], amount="2")
    assert shop.box.pieces()[shop.piece]["amount"] == "2"
    shop.pay("2", shop.order())
    shop.box.until(lambda: shop.sold() == 1)
    with pytest.raises(Refused):
        shop.box.ask("price", named=shop.piece, amount="nothing")


def test_another_feed_does_not_begin_with_the_sales_of_the_one_before(shop: Shop) -> None:
    """The sales of a new feed are numbered from the beginning, so an old payment would buy a new piece."""
    files = shop.box.folder / "pieces"
    shop.box.leave()
    for name in ("own.feed", "feed.key"):
        (files / name).unlink()
    shop.box.start()
    with pytest.raises(Refused, match=r"contents\.json and till\.json"):
        shop.box.is_artist(shop.artist)
    shop.box.leave()
    for name in ("contents.json", "till.json"):
        (files / name).unlink()
    shop.box.start()
    assert shop.box.is_artist(shop.artist)


def test_nothing_is_sold_where_no_horizon_answers(tmp_path: Path) -> None:
    """Else payments made before the first look would be lost, or all of the account's past be read."""
    with PieceBox(tmp_path / "a", listen="127.0.0.1") as box:
        box.is_artist(Artist())
        with pytest.raises(Refused):
            box.publish(draft(), amount="5")
        assert box.pieces() == {}


def test_a_mistyped_name_is_refused_before_the_network_is_asked(tmp_path: Path) -> None:
    account, key = Artist().account, Artist().key.hex()
    wrong = (account[:-1] + ("A" if account[-1] != "A" else "B"), account[:-1], account[1:])
    with PieceBox(tmp_path / "a", listen="127.0.0.1") as box:
        for who in (*wrong, key[:-1], key[:-1] + "x", key + "0", "Ada", ""):
            with pytest.raises(Refused, match="mistyped"):
                box.ask("follow", who=who)
        with pytest.raises(Refused, match=r"networks\.mine\.endpoints") as caught:
            box.ask("follow", who=account)
        assert "mistyped" not in str(caught.value)
        assert box.ask("status")["searching"] == []


def test_no_secret_of_an_account_is_taken(tmp_path: Path) -> None:
    with PieceBox(tmp_path / "a", listen="127.0.0.1") as box:
        from stellar_sdk import Keypair

        secret = Keypair.random().secret
        with pytest.raises(Refused) as caught:
            box.ask("artist", account=secret)
        assert secret not in str(caught.value)
        box.leave()
        assert secret not in box.log.read_text()
        assert not any(
            secret in file.read_text("latin-1") for file in box.folder.rglob("*") if file.is_file()
        )


# --- a sale from box to box ---------------------------------------------------------------------------------


def test_a_piece_is_bought_and_opens_with_its_artist_gone(tmp_path: Path) -> None:
    """A sells, B buys, C follows too: only B opens it, also after A left and B was off."""
    require()
    with Spaces() as spaces:
        at = spaces.lan("abc")
        url = f"http://{at['hub']}:8000"
        words = [sys.executable, "-m", "tests.support.paying_horizon", "--host", at["hub"]]
        server = subprocess.Popen([*spaces.inside("hub"), *words])
        boxes = {name: PieceBox(tmp_path / name, spaces.inside(name), endpoints=[url]) for name in "abc"}
        a, b, c = boxes.values()
        try:
            artist, made = Artist(), draft()
            key = a.is_artist(artist)
            torrent = a.until(lambda: a.ask("publish", draft=pack(made).decode(), amount="5"))
            piece = torrent["piece"]
            for box in (b, c):
                box.ask("follow", who=key)
                assert box.knows(piece)
            with pytest.raises(Refused):
                b.ask("fetch", named=piece)
            link = PayStellarUri.from_uri(b.ask("buy", named=piece)["link"])
            assert PayStellarUri.from_uri(b.ask("buy", named=piece)["link"]) == link  # the same order
            script = PAY.format(url=url, account=artist.account, amount=link.amount, memo=link.memo)
            subprocess.run([*spaces.inside("hub"), sys.executable, "-c", script], check=True, timeout=120)
            paths = b.until(lambda: b.ask("fetch", named=piece))["paths"]
            assert Path(paths[0]).read_bytes() == made.tracks[0].content
            with pytest.raises(Refused):
                c.ask("fetch", named=piece)
            a.leave()
            b.leave()
            b.start()
            assert Path(b.ask("fetch", named=piece)["paths"][0]).read_bytes() == made.tracks[0].content
            with pytest.raises(Refused):
                c.ask("fetch", named=piece)
            content = made.tracks[0].content
            for box in (a, c):  # without payment only sealed bytes exist
                files = [file for file in box.folder.rglob("*") if file.is_file()]
                assert not any(content in file.read_bytes() for file in files)
        finally:
            for box in boxes.values():
                box.leave()
            server.terminate()
            server.wait()


PAY = """
from base64 import b64decode
from appliance.ledger.networks import Network
from appliance.pieces.horizon import Horizon
from appliance.pieces.wallet import Wallet
horizon = Horizon(Network("mine", "Test Ledger", ("{url}",)))
horizon.get("/friendbot?addr={account}")
wallet = Wallet(horizon)
wallet.fund()
wallet.pay("{account}", "{amount}", b64decode("{memo}"))
"""
