"""An order book in a JSON file, and what it comes to: the what-if of `./microgrid clear`.

    {"grid_fee_per_kwh": 0.02, "retail_price": 0.30, "feed_in_price": 0.08,
     "bids": [{"id": "b1", "actor": "anna", "price": 0.25, "qty": 1.2}], "offers": []}

Prices are per kWh, quantities in kWh; fee and tariffs may be left out. Here, and nowhere else, they become whole
numbers (1e-9 per kWh and 1e-6 kWh, half to even) and numbers for people again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from contracts.balances import Tariff
from contracts.clearing import Outcome
from contracts.matching import Terms
from contracts.order_book import Book, BookError

PRICE_DIGITS, QUANTITY_DIGITS = 9, 6
PRICE, QUANTITY = 10**PRICE_DIGITS, 10**QUANTITY_DIGITS
"""Units of the book in one currency/kWh, and in one kWh [1]"""
MOST = 1_000_000_000
"""Prices and quantities beyond this are taken for a wrong unit [currency/kWh, kWh]"""
LONGEST = 100
"""Characters of an id or an actor [1]"""
ENTRY_KEYS = ("id", "actor", "price", "qty")
KEYS = ("grid_fee_per_kwh", "retail_price", "feed_in_price", "bids", "offers")


class _Entry(NamedTuple):
    id: str
    actor: str
    is_sell: bool
    price: int
    quantity: int


def read_book(path: Path) -> tuple[Book, Terms]:
    """The book and its terms. Raises BookError that names the entry and the fix."""
    content = _content(path)
    terms = _terms(content)
    entries = [*_entries(content, "bids", "bid"), *_entries(content, "offers", "offer")]
    for entry in entries:
        _check_between_tariffs(entry, terms.tariff)
    ids, actors, is_sell, prices, quantities = zip(*entries, strict=True) if entries else ((),) * 5
    return Book.of(ids, actors, is_sell, prices, quantities), terms


def answer(outcome: Outcome, terms: Terms) -> dict[str, Any]:
    """What people and programs see of it, in currency and kWh."""
    price, interval = outcome.match.price, outcome.match.interval
    trades = [
        {"bid": bid, "offer": offer, "qty": quantity / QUANTITY, "price": own / PRICE}
        for bid, offer, quantity, own in outcome.trades()
    ]
    found: dict[str, Any] = {
        "volume": outcome.volume / QUANTITY,
        "price": None if price is None else price / PRICE,
        "price_interval": None if interval is None else [interval[0] / PRICE, interval[1] / PRICE],
        "trades": trades,
        "welfare": outcome.welfare / (PRICE * QUANTITY),
    }
    if outcome.own_use:
        ids = outcome.book.ids.tolist()
        own_use = [(ids[buy], ids[sell], quantity / QUANTITY) for sell, buy, quantity in outcome.own_use]
        found["own_use"] = [{"bid": bid, "offer": offer, "qty": quantity} for bid, offer, quantity in own_use]
    if terms.tariff is not None:
        found["utility"] = _utility(outcome, terms.tariff)
    return found


def _utility(outcome: Outcome, tariff: Tariff) -> dict[str, Any]:
    """What bids take from the utility and offers give to it."""
    rows = zip(outcome.book.ids.tolist(), outcome.book.is_sell.tolist(), outcome.left.tolist(), strict=True)
    rest = [(one, is_sell, left / QUANTITY) for one, is_sell, left in rows if left]
    bids = [{"bid": one, "qty": quantity} for one, is_sell, quantity in rest if not is_sell]
    offers = [{"offer": one, "qty": quantity} for one, is_sell, quantity in rest if is_sell]
    is_sell = outcome.book.is_sell
    sold, bought = int(outcome.left[~is_sell].sum()), int(outcome.left[is_sell].sum())
    return {
        "sells": {"volume": sold / QUANTITY, "price": tariff.retail_price / PRICE, "trades": bids},
        "buys": {"volume": bought / QUANTITY, "price": tariff.feed_in_price / PRICE, "trades": offers},
    }


# ---- reading


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_constant=Decimal)
    except OSError as error:
        raise BookError(f"{path}: cannot be read ({error.strerror}); name a JSON file with bids and offers") from error
    except (ValueError, RecursionError) as error:
        raise BookError(f"{path}: is not JSON ({error}); see docs/commands.md for the form") from error
    if not isinstance(content, dict):
        raise BookError(f'{path}: must be an object such as {{"bids": [], "offers": []}}')
    _check_keys(content, KEYS, ("bids", "offers"), str(path))
    return content


def _terms(content: Mapping[str, Any]) -> Terms:
    prices = {key: content[key] for key in KEYS[:3] if content.get(key) is not None}
    known = {key: _whole("the file", key, value, PRICE_DIGITS) for key, value in prices.items()}
    fee = known.get("grid_fee_per_kwh", 0)
    if ("retail_price" in known) != ("feed_in_price" in known):
        lacking = "feed_in_price" if "retail_price" in known else "retail_price"
        raise BookError(f"the file: {lacking} is missing; give both tariffs, or none")
    if "retail_price" not in known:
        return Terms(fee)
    retail, feed_in = known["retail_price"], known["feed_in_price"]
    if not 0 < retail >= feed_in:
        raise BookError(
            f"the file: retail_price = {prices['retail_price']} must be above 0 and not below feed_in_price = "
            f"{prices['feed_in_price']}; exchange the two, or correct one"
        )
    return Terms(fee, Tariff(retail_price=retail, feed_in_price=feed_in))


def _entries(content: Mapping[str, Any], key: str, what: str) -> list[_Entry]:
    found = content[key]
    if not isinstance(found, list):
        raise BookError(f"{key} must be a list; write [] when there is none")
    return [_entry(one, what, f"{key}[{place}]") for place, one in enumerate(found)]


def _entry(found: object, what: str, where: str) -> _Entry:
    if not isinstance(found, dict):
        raise BookError(f"{where} must be an object with {', '.join(ENTRY_KEYS)}")
    if "id" in found:
        where = f"{what} {_text(where, 'id', found['id'])}"
    _check_keys(found, ENTRY_KEYS, ENTRY_KEYS, where)
    quantity = _whole(where, "qty", found["qty"], QUANTITY_DIGITS)
    if quantity == 0:
        raise BookError(f"{where}: qty = {found['qty']} must be at least 0.000001 kWh; or leave the {what} out")
    price = _whole(where, "price", found["price"], PRICE_DIGITS)
    return _Entry(found["id"], _text(where, "actor", found["actor"]), what == "offer", price, quantity)


def _check_keys(found: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...], where: str) -> None:
    for key in needed:
        if key not in found:
            raise BookError(f"{where}: {key} is missing; add it")
    for key in found:
        if key not in known:
            raise BookError(f"{where}: unknown key {key!r}; there are {', '.join(known)}")


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value) <= LONGEST:
        raise BookError(f"{where}: {key} = {value!r} must be text in quotes, of 1 to {LONGEST} printable characters")
    return value


def _whole(where: str, key: str, value: object, digits: int) -> int:
    """A number in units of 10^-digits, half to even."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BookError(f"{where}: {key} = {value!r} is not a number; write it in digits, without quotes")
    number = Decimal(value)
    if not number.is_finite() or not 0 <= number <= MOST:
        unit = "kWh" if key == "qty" else "currency/kWh"
        raise BookError(f"{where}: {key} = {value} must lie between 0 and {MOST} {unit}; correct it")
    return int(number.scaleb(digits).to_integral_value(ROUND_HALF_EVEN))


def _check_between_tariffs(entry: _Entry, tariff: Tariff | None) -> None:
    if tariff is None or tariff.feed_in_price <= entry.price <= tariff.retail_price:
        return
    what, low, high = "offer" if entry.is_sell else "bid", tariff.feed_in_price / PRICE, tariff.retail_price / PRICE
    raise BookError(
        f"{what} {entry.id}: price = {entry.price / PRICE} lies outside the utility's tariffs, {low} to {high}: "
        "nobody needs to accept worse than the utility; correct the price, or leave the tariffs out"
    )
