"""Every page in a real Chromium: no error, no request to another host, and a picture to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import Visitor, chromium, dashboard
from tests.dashboard.hub_server import HubServer

PAGES = {
    "": ("Grid overview", "Who trades with whom"),
    "buildings": ("Buildings", "Last 200 minutes"),
    "forecasts": ("Forecasts", "Next slot"),
    "alerts": ("Alerts", "Look at this"),
    "trading": ("Trading", "Clearing price per slot"),
    "wallet": ("Wallet", "How to buy from a neighbour"),
    "rounds": ("Federated rounds", "Loss per round"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(full_hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(full_hub.url, tmp_path_factory.mktemp("dashboard") / "log") as url:
        yield url


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_page_renders_and_calls_nobody(browser: Browser, pages: str, pictures: Path, look: str) -> None:
    visitor = Visitor(browser, dark=look == "dark")
    for path, (title, part) in PAGES.items():
        visitor.page.goto(f"{pages}/{path}")
        expect(visitor.page.get_by_role("heading", name=title, exact=True).first).to_be_visible()
        expect(visitor.page.get_by_text(part, exact=True).first).to_be_visible()
        visitor.page.wait_for_timeout(1500)
        assert not visitor.page.locator("[data-testid=stException]").count(), path
        visitor.picture(pictures / f"{path or 'overview'}_{look}.png")
    assert not visitor.faults
    visitor.context.close()


def test_the_overview_fits_a_phone(browser: Browser, pages: str, pictures: Path) -> None:
    visitor = Visitor(browser, dark=True, mobile=True)
    visitor.page.goto(pages)
    expect(visitor.page.get_by_text("Who trades with whom", exact=True)).to_be_visible()
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth"
    assert visitor.page.evaluate(wide) <= 0
    visitor.picture(pictures / "overview_mobile.png")
    assert not visitor.faults
    visitor.context.close()


def test_numbers_move_without_reloading(browser: Browser, pages: str, full_hub: HubServer) -> None:
    """A new reading shows up in the picture, and the picture is patched, not replaced."""
    visitor = Visitor(browser)
    visitor.page.goto(pages)
    svg = visitor.page.locator(".live-svg svg").first
    expect(svg).to_be_visible()
    svg.evaluate("element => { element.seen = true }")
    last = full_hub.http.get("/api/buildings/B3/history?limit=1").json()[0]
    flow = {"load_kw": 1.0, "pv_kw": 778.7, "battery_kw": 0.0, "grid_kw": -777.7, "net_flow_kw": 777.7}
    full_hub.post("/update", last | flow | {"seq": last["seq"] + 1})
    expect(svg).to_contain_text("+777.7 kW")
    assert svg.evaluate("element => element.seen")
    assert not visitor.faults
    visitor.context.close()


def test_pages_say_that_the_hub_is_away_and_come_back(browser: Browser, tmp_path: Path) -> None:
    hub = HubServer(tmp_path / "hub")
    with dashboard(hub.url, tmp_path / "log") as url:
        visitor = Visitor(browser)
        for path in PAGES:
            visitor.page.goto(f"{url}/{path}")
            expect(visitor.page.get_by_text("The hub does not answer")).to_have_count(1)
            expect(visitor.page.get_by_text(hub.url).first).to_be_visible()
        hub.start()
        expect(visitor.page.get_by_text("No round of training yet")).to_be_visible()
        hub.stop()
        expect(visitor.page.get_by_text("The hub does not answer")).to_have_count(1)
        assert not visitor.faults
        visitor.context.close()
