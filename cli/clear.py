"""`./microgrid clear`: what the orders of a file would come to, as JSON or as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from cli.tables import table_console
from contracts.book_file import answer, read_book
from contracts.clearing import clear_book


def clear(path: Path, mechanism: str, as_table: bool, json_file: str | None) -> None:
    """Clear the book of a file and show what came out. Raises BookError."""
    book, terms = read_book(path)
    found = answer(clear_book(book, mechanism, terms), terms)
    text = json.dumps(found, indent=2)
    if json_file not in (None, "-"):
        Path(str(json_file)).write_text(text + "\n", encoding="utf-8")
    if as_table:
        _show(found, mechanism)
    elif json_file in (None, "-"):
        print(text)


def _show(found: dict[str, Any], mechanism: str) -> None:
    console = table_console()
    table = Table("bid", "offer", "kWh", "price per kWh", title=f"{mechanism}: {len(found['trades'])} trades")
    for column in table.columns[2:]:
        column.justify = "right"
    for bid, offer, quantity, price in _rows(found):
        table.add_row(bid, offer, f"{quantity:,.3f}", f"{price:.4f}")
    console.print(table)
    console.print(_summary(found), highlight=False, soft_wrap=True)


def _rows(found: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    """Trades between neighbours, then with the utility."""
    rows = [(one["bid"], one["offer"], one["qty"], one["price"]) for one in found["trades"]]
    for side, name in (("sells", "bid"), ("buys", "offer")):
        part = found.get("utility", {}).get(side, {"trades": ()})
        for one in part["trades"]:
            pair = (one[name], "utility") if name == "bid" else ("utility", one[name])
            rows.append((*pair, one["qty"], part["price"]))
    return rows


def _summary(found: dict[str, Any]) -> str:
    interval = found["price_interval"]
    agree = "" if interval is None else f" (marginal orders agree from {interval[0]:.4f} to {interval[1]:.4f})"
    price = "no one price" if found["price"] is None else f"price {found['price']:.4f} per kWh"
    own = sum(one["qty"] for one in found.get("own_use", ()))
    return f"{found['volume']:,.3f} kWh between neighbours, {price}{agree}, welfare {found['welfare']:,.4f}" + (
        f"; {own:,.3f} kWh stay with actors that both offer and bid" if own else ""
    )
