"""The peer: ASSUME's pay-as-clear role on a book of ours, run by a Python that has it.

    python benchmarks/_assume.py BOOK.json REPEATS      prints {"cpu_s": ..., "version": ..., "volume": ..., ...}

BOOK.json is a list of [id, is it an offer, price, energy]. Imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

START, LENGTH = datetime(2026, 6, 17), timedelta(minutes=15)


def _orders(book: list[tuple[str, bool, int, int]]) -> list[dict[str, Any]]:
    """Orders in ASSUME's form: offers have a positive volume, bids a negative one."""
    when = {"start_time": START, "end_time": START + LENGTH, "only_hours": None}
    return [
        {"bid_id": one, "agent_addr": one, "node": None, "price": price, "volume": wh if is_sell else -wh, **when}
        for one, is_sell, price, wh in book
    ]


def main() -> None:
    """Build role and orders, then time nothing but the clearing."""
    from assume.common.market_objects import MarketConfig, MarketProduct
    from assume.markets.clearing_algorithms.simple import PayAsClearRole
    from dateutil.rrule import HOURLY, rrule

    hours = rrule(HOURLY, dtstart=START, until=START + timedelta(days=1), cache=True)
    role = PayAsClearRole(MarketConfig(opening_hours=hours, market_products=[MarketProduct(LENGTH, 1, LENGTH)]))
    book, repeats = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), int(sys.argv[2])
    times = []
    for _ in range(repeats):
        orders = _orders(book)
        begin = time.process_time()
        accepted, _, meta, _ = role.clear(orders, [(START, START + LENGTH, None)])
        times.append(time.process_time() - begin)
    found = {"cpu_s": min(times), "accepted": len(accepted), "volume": meta[0]["supply_volume"]}
    print(json.dumps(found | {"price": meta[0]["price"], "version": version("assume-framework")}))


if __name__ == "__main__":
    main()
