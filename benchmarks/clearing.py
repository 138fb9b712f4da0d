"""Clearing: orders per CPU-second from plain lists to the full list of trades, and ASSUME's pay-as-clear beside it.

And what a slot costs the agent of a building.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Hashable, Mapping
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

from benchmarks._agent_slot import agent_slot_ms
from benchmarks._table import Row, show_figures
from contracts.balances import Tariff
from contracts.clearing import MECHANISMS, clear_book
from contracts.matching import Terms
from contracts.order_book import Book

SIZES = (100, 1_000, 10_000, 100_000)
"""Orders in a book."""
OTHERS_SIZE = 10_000
"""Orders in the books of the other mechanisms."""
TURNS, REPEATED = 15, 20_000
"""How often all is measured, and the orders that are cleared at least in each measurement."""
TARGETS = {10_000: 300_000}
"""Least orders per CPU-second."""
AGENT_SLOTS, AGENT_TARGET_MS = 24, 150
"""Market slots in which agents are measured, and the most CPU time of one in a slot [1, ms]"""
PEER_SIZES = (100, 1_000, 10_000)
"""ASSUME's time grows with the square of the orders."""
PEER_TARGET = 50
PEER_PYTHON = "MICROGRID_ASSUME_PYTHON"
"""Environment variable: a Python that has assume-framework, when this one has not."""
PEER = Path(__file__).parent / "_assume.py"
FEED_IN, RETAIL = 80_000, 300_000
TERMS = Terms(grid_fee=0, tariff=Tariff(retail_price=RETAIL, feed_in_price=FEED_IN))


Key = TypeVar("Key", bound=Hashable)


class Orders(NamedTuple):
    """A made-up book, as columns in no particular order."""

    ids: list[str]
    actors: list[int]
    is_sell: list[bool]
    prices: list[int]
    energies: list[int]


def main(json_file: str | None) -> None:
    """Measure everything and print the table."""
    speeds = _speeds({size: (_orders(size), "uniform") for size in SIZES})
    peers = {size: _peer(_orders(size)) for size in PEER_SIZES if size in SIZES}
    rows = [_row(size, speeds, peers.get(size)) for size in SIZES]
    others = _speeds({name: (_orders(OTHERS_SIZE), name) for name in MECHANISMS if name != "uniform"})
    rows += [_plain(f"{name}, {OTHERS_SIZE:,} orders", "orders/CPU s", speed, "") for name, speed in others.items()]
    agent_ms = agent_slot_ms(AGENT_SLOTS)
    rows.append(_plain("a building's agent, a slot", "CPU ms", agent_ms, f"< {AGENT_TARGET_MS}"))
    figures: dict[str, Any] = {
        "orders_per_cpu_s": {str(size): round(speed) for size, speed in speeds.items()},
        "growth_over_n_log_n": round(_growth(speeds), 2),
        "agent_slot_ms": round(agent_ms, 1),
        "assume": _peer_figures(speeds, peers),
    }
    show_figures("clearing, uniform price", rows, json_file, figures)


def _orders(size: int) -> Orders:
    """Half offers, half bids, each of an actor of its own, between the tariffs; the same for the same size."""
    draw = random.Random(size)
    places = draw.sample(range(size), size)
    return Orders(
        [f"order-{place}" for place in places],
        places,
        [place % 2 == 0 for place in places],
        [draw.randrange(FEED_IN, RETAIL + 1) for _ in places],
        [draw.randrange(1, 2000) for _ in places],
    )


def _speeds(sides: Mapping[Key, tuple[Orders, str]]) -> dict[Key, float]:
    """Checking, clearing and the list of trades: orders per CPU-second, by the median of TURNS, all by turns."""
    times: dict[Key, list[float]] = {key: [] for key in sides}
    for _ in range(TURNS):
        for key, (orders, mechanism) in sides.items():
            times[key].append(_seconds(orders, mechanism))
    return {key: len(orders.ids) / median(times[key]) for key, (orders, _) in sides.items()}


def _seconds(orders: Orders, mechanism: str) -> float:
    """CPU time of one clearing; small books are cleared several times."""
    repeats = max(1, REPEATED // len(orders.ids))
    begin = time.process_time()
    for _ in range(repeats):
        clear_book(Book.of(*orders), mechanism, TERMS).trades()
    return (time.process_time() - begin) / repeats


def _growth(speeds: dict[int, float]) -> float:
    """The fastest growth of time from one size to the next, over that of n log n [1]"""
    costs = [1 / speed / log(size) for size, speed in speeds.items()]
    return max(after / before for before, after in pairwise(costs))


# ---- the peer


def _peer(orders: Orders) -> dict[str, Any] | None:
    """ASSUME's pay-as-clear role on the same book; None where it is not installed."""
    python = os.environ.get(PEER_PYTHON, sys.executable)
    if subprocess.run([python, "-c", "import assume"], capture_output=True, check=False).returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "book.json"
        rows = zip(orders.ids, orders.is_sell, orders.prices, orders.energies, strict=True)
        book.write_text(json.dumps(list(rows)), encoding="utf-8")
        done = subprocess.run([python, str(PEER), str(book), "3"], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"orders_per_cpu_s": len(orders.ids) / found["cpu_s"]}


def _peer_figures(speeds: dict[int, float], peers: dict[int, dict[str, Any] | None]) -> object:
    known = {size: peer for size, peer in peers.items() if peer is not None}
    if not known:
        return f"not installed; set {PEER_PYTHON} to a Python that has it"
    return {
        "version": next(iter(known.values()))["version"],
        "orders_per_cpu_s": {str(size): round(peer["orders_per_cpu_s"]) for size, peer in known.items()},
        "times": {str(size): round(speeds[size] / peer["orders_per_cpu_s"], 1) for size, peer in known.items()},
    }


# ---- rows


def _row(size: int, speeds: dict[int, float], peer: dict[str, Any] | None) -> Row:
    theirs: object = "" if size not in PEER_SIZES else "not installed"
    times: object = ""
    if peer is not None:
        theirs, times = round(peer["orders_per_cpu_s"]), round(speeds[size] / peer["orders_per_cpu_s"], 1)
    return {
        "what": f"{size:,} orders",
        "unit": "orders/CPU s",
        "value": round(speeds[size]),
        "ASSUME": theirs,
        "times": times,
        "target": f">= {TARGETS[size]:,}; {PEER_TARGET} times ASSUME" if size in TARGETS else "",
    }


def _plain(what: str, unit: str, value: float, target: str) -> Row:
    return {"what": what, "unit": unit, "value": round(value), "ASSUME": "", "times": "", "target": target}
