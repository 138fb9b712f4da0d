"""`./microgrid clear`: the answer for a file, and one clear line for each mistake in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from contracts.order_book import BookError

BID = {"id": "b1", "actor": "anna", "price": 0.25, "qty": 1.2}
OFFER = {"id": "o1", "actor": "carl", "price": 0.1, "qty": 2.5}
TARIFFS = {"retail_price": 0.3, "feed_in_price": 0.08}


def run(folder: Path, content: object, *arguments: str) -> str:
    path = folder / "book.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    done = CliRunner().invoke(app, ["clear", str(path), *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.output


def answer(folder: Path, content: object, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(folder, content, *arguments))
    return found


def book(**changes: Any) -> dict[str, Any]:
    return {"bids": [BID], "offers": [OFFER]} | changes


def test_the_answer_is_in_currency_and_kwh(tmp_path: Path) -> None:
    assert answer(tmp_path, book(grid_fee_per_kwh=0.02)) == {
        "volume": 1.2,
        "price": 0.1,
        "price_interval": [0.1, 0.1],
        "trades": [{"bid": "b1", "offer": "o1", "qty": 1.2, "price": 0.1}],
        "welfare": 0.156,
    }


def test_pairs_with_different_prices_have_no_one_price(tmp_path: Path) -> None:
    other = BID | {"id": "b2", "price": 0.2}
    found = answer(tmp_path, book(bids=[BID, other]), "--mechanism", "pay_as_bid")
    assert [trade["price"] for trade in found["trades"]] == [0.25, 0.2]
    assert (found["price"], found["price_interval"]) == (None, [0.1, 0.1])


@pytest.mark.parametrize(
    "content", [book(bids=[]), book(offers=[]), book(bids=[], offers=[]), book(bids=[BID | {"price": 0}])]
)
def test_without_trade_prices_are_null(tmp_path: Path, content: dict[str, Any]) -> None:
    expected: dict[str, Any] = {"volume": 0, "price": None, "price_interval": None, "trades": [], "welfare": 0}
    assert answer(tmp_path, content) == expected


def test_the_utility_stands_behind_everything(tmp_path: Path) -> None:
    own = [
        {"id": "o2", "actor": "anna", "price": 0.2, "qty": 0.2},
        {"id": "o3", "actor": "dora", "price": 0.29, "qty": 1},
    ]
    found = answer(tmp_path, book(offers=[OFFER | {"qty": 0.7}, *own]) | TARIFFS, "--mechanism", "mid_market_rate")
    assert found["trades"] == [{"bid": "b1", "offer": "o1", "qty": 0.7, "price": 0.19}]
    assert found["own_use"] == [{"bid": "b1", "offer": "o2", "qty": 0.2}]
    assert found["utility"] == {
        "sells": {"volume": 0.3, "price": 0.3, "trades": [{"bid": "b1", "qty": 0.3}]},
        "buys": {"volume": 1.0, "price": 0.08, "trades": [{"offer": "o3", "qty": 1.0}]},
    }


def test_a_table_for_people_and_a_file_for_programs(tmp_path: Path) -> None:
    text = run(tmp_path, book() | TARIFFS, "--table", "--json", str(tmp_path / "out.json"))
    assert "uniform: 1 trades" in text
    assert "1.200 kWh between neighbours, price 0.1000 per kWh" in text
    assert "utility" in text
    assert json.loads((tmp_path / "out.json").read_text())["volume"] == 1.2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "book.json: is not JSON"),
        ("[]", r"book.json: must be an object such as"),
        ({"bids": []}, "book.json: offers is missing; add it"),
        (book(bid=[]), "book.json: unknown key 'bid'; there are grid_fee_per_kwh, retail_price"),
        (book(bids={}), "bids must be a list"),
        (book(bids=[7]), r"bids\[0\] must be an object with id, actor, price, qty"),
        (book(bids=[{"actor": "anna", "price": 1, "qty": 1}]), r"bids\[0\]: id is missing"),
        (book(bids=[BID | {"id": 7}]), r"bids\[0\]: id = 7 must be text in quotes"),
        (book(bids=[{key: BID[key] for key in ("id", "actor", "price")}]), "bid b1: qty is missing"),
        (book(bids=[BID | {"actor": None}]), "bid b1: actor = None must be text"),
        (book(bids=[BID | {"qty": 0}]), "bid b1: qty = 0 must be at least 0.000001 kWh; or leave the bid out"),
        (book(offers=[OFFER | {"qty": 4e-7}]), "offer o1: qty = 4E-7 must be at least 0.000001 kWh"),
        (book(offers=[OFFER | {"qty": -1}]), "offer o1: qty = -1 must lie between 0 and 1000000000 kWh"),
        (
            book(offers=[OFFER | {"price": -0.1}]),
            r"offer o1: price = -0\.1 must lie between 0 and 1000000000 currency/kWh",
        ),
        (book(offers=[OFFER | {"price": float("nan")}]), "offer o1: price = NaN must lie between"),
        (book(offers=[OFFER | {"qty": float("inf")}]), "offer o1: qty = Infinity must lie between"),
        (book(offers=[OFFER | {"qty": "2"}]), "offer o1: qty = '2' is not a number"),
        (book(offers=[OFFER | {"qty": True}]), "offer o1: qty = True is not a number"),
        (book(offers=[OFFER, OFFER]), "order o1 is there twice"),
        (book(offers=[OFFER | {"id": "b1"}]), "order b1 is there twice"),
        (book(grid_fee_per_kwh="much"), "the file: grid_fee_per_kwh = 'much' is not a number"),
        (book(retail_price=0.3), "the file: feed_in_price is missing; give both tariffs, or none"),
        (book(retail_price=0.08, feed_in_price=0.3), r"retail_price = 0\.08 must be above 0 and not below"),
        (book(bids=[BID | {"price": 0.31}]) | TARIFFS, r"bid b1: price = 0\.31 lies outside the utility's tariffs"),
        (book(offers=[OFFER | {"price": 0.07}]) | TARIFFS, r"offer o1: price = 0\.07 lies outside"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(BookError, match=words):
        run(tmp_path, content)


def test_mechanisms_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="no mechanism 'best'; there are: uniform, pay_as_bid, mid_price"):
        run(tmp_path, book(), "--mechanism", "best")
    with pytest.raises(BookError, match="needs the utility's tariffs: give retail_price and feed_in_price"):
        run(tmp_path, book(), "--mechanism", "supply_demand_ratio")
    with pytest.raises(BookError, match="cannot be read"):
        CliRunner().invoke(app, ["clear", str(tmp_path / "none.json")], catch_exceptions=False)
