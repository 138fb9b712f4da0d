"""Every page against a real hub: with data, without, and with no hub at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import hub_data
from dashboard.serve import APP, streamlit_command
from tests.contracts.chain_process import ROOT
from tests.dashboard.hub_server import BUILDINGS, HubServer


def open_page(name: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=20)
    app.run()  # registers the pages: without it, switch_page would run the page without the gate in app.py
    if name != "overview":
        app.switch_page(f"views/{name}.py").run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """Everything that the page says."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning, *app.success, *app.error]
    return "\n".join([*(str(part.value) for part in parts), *(f"{one.label}: {one.value}" for one in app.metric)])


@pytest.fixture
def full(full_hub: HubServer, reads_from: pytest.MonkeyPatch) -> HubServer:
    reads_from.setenv(hub_data.HUB_URL_VARIABLE, full_hub.url)
    return full_hub


@pytest.fixture
def new(new_hub: HubServer, reads_from: pytest.MonkeyPatch) -> HubServer:
    reads_from.setenv(hub_data.HUB_URL_VARIABLE, new_hub.url)
    return new_hub


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            "overview",
            ["Traded today: 32.4 kWh", "Saved today: 7.13 EUR", "5 of 5 reporting", "Outlook"],
        ),
        ("buildings", ["Deficit next slot", "federated model, version 3", "Member **1**", "Battery", "Simulated."]),
        ("forecasts", ["Oak flats", "Next slot"]),
        ("alerts", ["B5 was left out of round 3 of 3: its weights were not finite"]),
        ("trading", ["Energy for sale", "1800 Wh", "0.150 EUR/kWh", "Connect a wallet"]),
        ("wallet", ["How to buy", "No purchases yet", "Chain **31337**"]),
        ("rounds", ["Participants: 4 of 5", "Last loss: 0.2620", "Office block, because its weights were not finite"]),
    ],
)
def test_a_page_shows_the_community(full: HubServer, page: str, said: list[str]) -> None:
    text = words(open_page(page)).replace("\\", "")
    for piece in said:
        assert piece in text, text
    assert "Simulated time Wed 17 Jun 2026" in text


@pytest.mark.parametrize(
    ("page", "next_step"),
    [
        ("overview", "./microgrid up"),
        ("buildings", "./microgrid building --id B1"),
        ("forecasts", "./microgrid up"),
        ("alerts", "has not reported yet"),
        ("trading", "./microgrid operator"),
        ("wallet", "./microgrid operator"),
        ("rounds", "./microgrid train"),
    ],
)
def test_an_empty_page_says_what_to_do_next(new: HubServer, page: str, next_step: str) -> None:
    assert next_step in words(open_page(page)).replace("\\", "")


def test_without_a_hub_there_is_one_box_with_address_and_command(nowhere: str) -> None:
    """The gate stands in front of all pages; the browser test opens the others too."""
    app = open_page("overview")
    text = words(app)
    assert [one.value for one in app.subheader] == ["The hub does not answer"]
    assert nowhere in text
    assert "./microgrid hub" in text


def test_the_page_comes_back_when_the_hub_does(reads_from: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = HubServer(tmp_path)
    reads_from.setenv(hub_data.HUB_URL_VARIABLE, hub.url)
    app = open_page("overview")
    assert app.subheader
    hub.start()
    app.run()
    assert [one.value for one in app.title] == ["Grid overview"]
    hub.stop()


def test_a_hub_that_refuses_says_why(full: HubServer) -> None:
    with pytest.raises(hub_data.HubRefusedError, match="not an address"):
        hub_data.join_as_guest("0x12", "Mallory")


def test_names_from_outside_are_words(reads_from: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A building called like Markdown or HTML is shown as it is called."""
    from dashboard.layout import plain
    from dashboard.network_picture import network_svg

    hub = HubServer(tmp_path).start()
    reads_from.setenv(hub_data.HUB_URL_VARIABLE, hub.url)
    states = [state.model_copy(update={"name": "<script>alert(1)</script>"}) for state in hub_data.buildings()]
    hub.stop()
    assert "<script" not in network_svg(states, [], [])
    assert plain("[x](http://evil)") == r"\[x\]\(http\://evil\)"


def test_the_network_picture_fits_any_number_of_buildings(full: HubServer) -> None:
    from dashboard.network_picture import network_svg

    state = hub_data.buildings()[0]
    for count in (0, 1, 2, 30):
        states = [state.model_copy(update={"id": f"B{number}"}) for number in range(count)]
        assert network_svg(states, [], []).count(f"{state.name}</text>") == count
    assert len(BUILDINGS) == 5


def test_the_server_never_imports_tensorflow() -> None:
    code = "import sys; import dashboard.wallet.purchase, dashboard.charts; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_the_server_contacts_nobody() -> None:
    command = streamlit_command("127.0.0.1", 8501)
    assert "--browser.gatherUsageStats=false" in command
    assert "--server.headless=true" in command
    assert "--server.address=127.0.0.1" in command
    assert not [argument for argument in command if "http" in argument]
