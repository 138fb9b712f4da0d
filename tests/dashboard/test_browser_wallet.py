"""A person buys energy from a neighbour: real browser, real key, real node, real hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from contracts.units import cost_rounded_up
from tests.dashboard.browser import Visitor, chromium, dashboard
from tests.dashboard.injected_wallet import InjectedWallet
from tests.dashboard.street import PRICE, Street

GUEST = 1001


@dataclass
class Shopper:
    """A visitor with a wallet in their browser."""

    url: str
    street: Street
    wallet: InjectedWallet
    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page


@pytest.fixture
def shopper(chain: str, tmp_path: Path) -> Iterator[Shopper]:
    street = Street(tmp_path / "hub", chain)
    wallet = InjectedWallet(chain)
    with dashboard(street.hub.url, tmp_path / "log") as url, chromium() as browser:
        visitor = Visitor(browser)
        wallet.inject(visitor.page)
        yield Shopper(url, street, wallet, visitor)
    wallet.close()
    street.stop()


def join(shopper: Shopper) -> None:
    """Connect, bring the wallet to the market's chain, become a member, get test money."""
    page = shopper.page
    page.goto(f"{shopper.url}/wallet")
    expect(page.get_by_role("link", name="Federated rounds")).to_be_visible()  # the first visit to a new server
    page.get_by_role("button", name="Connect Test wallet").click()
    expect(page.get_by_text("Your wallet is on chain 1;")).to_be_visible()
    page.get_by_role("button", name="Switch to the market's chain").click()
    page.get_by_label("Your name in the list of trades").fill("Ada")
    page.get_by_role("button", name="Join as guest").click()
    expect(page.get_by_text(f"You are member {GUEST}")).to_be_visible()
    shopper.street.register_guest()
    page.get_by_role("button", name="Get test money").click()
    expect(page.get_by_text("50.00 EUR of test money are in your escrow")).to_be_visible()
    assert shopper.street.ledger.balance(GUEST).escrow == 50_000_000


def open_dialog(page: Page, energy_wh: int) -> None:
    page.get_by_role("button", name="Buy", exact=True).first.click()
    amount = page.get_by_role("dialog").get_by_label("Energy [Wh]")
    amount.fill(str(energy_wh))
    amount.press("Enter")
    cost = cost_rounded_up(energy_wh, PRICE) / 1e6
    expect(page.get_by_role("dialog").get_by_text(f"{cost:.4f} EUR")).to_be_visible()


def confirm(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Buy", exact=True).click()


def test_a_purchase_moves_energy_and_money_and_is_logged(shopper: Shopper, tmp_path: Path) -> None:
    join(shopper)
    page, street = shopper.page, shopper.street
    page.get_by_role("link", name="Trading").click()
    expect(page.get_by_text("1800 Wh")).to_be_visible()
    open_dialog(page, 400)
    shopper.visitor.page.screenshot(path=tmp_path / "dialog.png")
    confirm(page)
    expect(page.get_by_text("You bought 400 Wh for 0.0600 EUR; the trade is logged")).to_be_visible()
    expect(page.get_by_text("1400 Wh")).to_be_visible()
    shopper.visitor.picture(tmp_path / "bought.png")
    tx_hash = shopper.wallet.sent[-1]
    expect(page.get_by_test_id("stAlertContentSuccess")).to_contain_text(tx_hash)
    (logged,) = street.hub.http.get("/api/trades").json()
    (on_chain,) = street.ledger.transfers_in(tx_hash)
    assert {key: logged[key] for key in type(on_chain).model_fields} == on_chain.model_dump()
    assert (logged["buyer"], logged["buyer_name"], logged["energy_wh"], logged["cost"]) == (GUEST, "Ada", 400, 60_000)
    assert street.ledger.balance(GUEST).escrow == 50_000_000 - 60_000
    assert not shopper.visitor.faults


def test_refusals_have_words(shopper: Shopper) -> None:
    """Rejected by the person; taken by somebody faster: nothing is paid."""
    join(shopper)
    page, street = shopper.page, shopper.street
    page.get_by_role("link", name="Trading").click()
    shopper.wallet.rejects = True
    open_dialog(page, 500)
    confirm(page)
    expect(page.get_by_text("you rejected the request in your wallet; nothing was sent")).to_be_visible()
    shopper.wallet.rejects = False
    open_dialog(page, 600)
    street.buy_all_but(100)
    confirm(page)
    expect(page.get_by_text("somebody was faster: less is left of this offer than you asked for")).to_be_visible()
    assert street.ledger.balance(GUEST).escrow == 50_000_000
    assert len(shopper.wallet.sent) == 3
    assert street.hub.http.get("/api/trades").json() == []
    assert not shopper.visitor.faults


def test_a_purchase_is_logged_after_the_page_was_closed_too_early(shopper: Shopper) -> None:
    """The hub is away when the receipt comes; opening the page later finishes the purchase."""
    join(shopper)
    page, street = shopper.page, shopper.street
    page.get_by_role("link", name="Trading").click()
    open_dialog(page, 250)
    confirm(page)
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('microgrid.purchase.'))")
    page.goto("about:blank")
    page.goto(f"{shopper.url}/trading")
    expect(page.get_by_text("You bought 250 Wh")).to_be_visible()
    assert [trade["energy_wh"] for trade in street.hub.http.get("/api/trades").json()] == [250]
    page.wait_for_function("!Object.keys(localStorage).some((key) => key.startsWith('microgrid.purchase.'))")
    assert shopper.wallet.asked.count("eth_sendTransaction") == 4
