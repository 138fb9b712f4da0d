"""The routes, one file per noun."""

from __future__ import annotations

from dashboard.hub.api import (
    buildings,
    forecasts,
    market,
    members,
    meters,
    orders,
    readings,
    rounds,
    site,
    slots,
    trades,
)

ROUTERS = tuple(
    part.router
    for part in (site, readings, forecasts, buildings, members, market, orders, meters, slots, trades, rounds)
)
