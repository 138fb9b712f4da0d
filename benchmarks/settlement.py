"""Settlement: gas per trade beside a naive market, and trades per second from signed orders to the receipt."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks._chain import start_chain
from benchmarks._gas import Gas, measure_gas
from benchmarks._processes import Processes, cpu_seconds
from benchmarks._street import FIRST_SLOT, RING_SLOTS, Street, Tick
from benchmarks._table import Row, show_figures
from cli.tables import table_console
from contracts.clearing import clear
from contracts.order_book import BookEntry
from contracts.orders import Side, SignedOrder, order_hash

MEMBERS = 400
SLOTS = 5
"""Slots of the throughput run, each with MEMBERS / 2 trades."""
TARGETS = {"1": 65_000, "10": 37_500, "50": 35_000, "200": 34_500}


@dataclass(frozen=True)
class Speed:
    """The way from signed orders to the receipt."""

    trades_per_s: float
    """Clearing, packing, sending, waiting for the receipt, reading its events [1/wall s]"""
    node_cpu_ms: float
    """CPU of gateway and node for each trade [ms]"""


def main(json_file: str | None) -> None:
    """Measure everything, with progress, and print the table."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=table_console()) as progress:
        task = progress.add_task("starting a chain")
        gas, speed = _measured(lambda text: progress.update(task, description=text))
    show_figures(f"settlement, {MEMBERS} members", _rows(gas, speed), json_file, _figures(gas, speed))


def _measured(tick: Tick) -> tuple[Gas, Speed]:
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder, Processes(Path(folder)) as processes:
        url, pid = start_chain(processes, Path(folder))
        street = Street(url, MEMBERS, False, tick)
        audited = Street(url, 2 * 20, True, tick)
        gas = measure_gas(url, street, audited, tick)
        tick(f"{SLOTS * MEMBERS // 2} trades from signed orders to receipts")
        return gas, _speed(street, pid)


def _speed(street: Street, pid: int) -> Speed:
    """Settle SLOTS slots of signed orders; signing, metering and closing are not counted."""
    trades, wall_s, node_s = 0, 0.0, 0.0
    half = MEMBERS // 2
    for turn in range(SLOTS):
        slot = FIRST_SLOT + (40 + turn) * RING_SLOTS
        street.ledger.advance_to(slot + 1)
        street.ledger.submit_readings(street.meter(range(half), range(half, MEMBERS), slot))
        book = _book(street, slot)
        begin, cpu = time.perf_counter(), cpu_seconds(pid)
        trades += _settle(street, slot, book)
        wall_s += time.perf_counter() - begin
        node_s += cpu_seconds(pid) - cpu
        street.close(slot, range(MEMBERS))
    return Speed(trades / wall_s, node_s / trades * 1000)


def _book(street: Street, slot: int) -> dict[str, SignedOrder]:
    half = MEMBERS // 2
    orders = [street.order(index, Side.SELL if index < half else Side.BUY, slot) for index in range(MEMBERS)]
    return {order_hash(signed.order, street.ledger.domain): signed for signed in orders}


def _settle(street: Street, slot: int, book: dict[str, SignedOrder]) -> int:
    """What the operator does with a book; the number of trades that were confirmed."""
    clearing = clear(slot, [BookEntry(order_hash=key, order=signed.order) for key, signed in book.items()])
    sells = list(dict.fromkeys(fill.sell for fill in clearing.fills))
    buys = list(dict.fromkeys(fill.buy for fill in clearing.fills))
    sell_at, buy_at = _places(sells), _places(buys)
    fills = [(sell_at[fill.sell], buy_at[fill.buy], fill.energy_wh) for fill in clearing.fills]
    sold, bought = [book[key] for key in sells], [book[key] for key in buys]
    return len(street.ledger.settle(slot, clearing.price or 0, sold, bought, fills))


def _places(keys: Sequence[str]) -> dict[str, int]:
    return {key: index for index, key in enumerate(keys)}


def _figures(gas: Gas, speed: Speed) -> dict[str, Any]:
    return {
        "gas_per_trade": {size: round(value) for size, value in gas.per_trade.items()},
        "gas_per_trade_unmetered": round(gas.per_trade_unmetered),
        "gas_per_reading": round(gas.per_reading),
        "gas_per_pair_aggregated": round(gas.per_pair),
        "gas_per_additional_order": round(gas.per_additional_order),
        "gas_per_member_closed": round(gas.per_member_closed),
        "gas_per_audit_entry": round(gas.audit_entry),
        "naive_gas_per_trade": round(gas.naive_per_trade),
        "trades_per_s": round(speed.trades_per_s, 1),
        "node_cpu_ms_per_trade": round(speed.node_cpu_ms, 3),
    }


def _rows(gas: Gas, speed: Speed) -> list[Row]:
    naive = gas.naive_per_trade
    rows = [_row(f"a trade, {n} in one transaction", one, naive, TARGETS[n]) for n, one in gas.per_trade.items()]
    rows += [
        _row("a pair of an aggregated book (20 members, 100 pairs)", gas.per_pair, naive, 14_000),
        _row("one more order of an aggregated book", gas.per_additional_order, naive, 20_000),
        _row("a trade, 200, before its readings: collateral is held", gas.per_trade_unmetered, naive, None),
        _row("a meter reading in a batch", gas.per_reading, naive, 14_000),
        _row("netting a member with the utility", gas.per_member_closed, naive, None),
        _row("an entry of the audit array", gas.audit_entry, naive, None),
        _row("a trade of a naive market", naive, naive, None),
    ]
    way = {"what": "from signed orders to receipts", "unit": "trades/s", "value": round(speed.trades_per_s)}
    node = {"what": "gateway and node, a trade", "unit": "CPU ms", "value": round(speed.node_cpu_ms, 2)}
    return [*rows, way | {"of naive": "", "target": 1000}, node | {"of naive": "", "target": ""}]


def _row(what: str, gas: float, naive: float, target: int | None) -> Row:
    ratio = f"{gas / naive:.2f}"
    return {"what": what, "unit": "gas", "value": round(gas), "of naive": ratio, "target": target or ""}
