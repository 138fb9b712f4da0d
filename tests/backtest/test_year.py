"""A community through recorded slots: the bill against the utility's tariffs, batteries against their limits."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.backtest.year import Arm, Community, Result, Site, Year
from building_clients.bidding import newsvendor, truthful
from simulation.battery import BatteryLimits

DAYS, HOURS = 12, 24
BATTERY = BatteryLimits(capacity_kwh=6.0, charge_kw=3.0, discharge_kw=3.0, round_trip_efficiency=0.9)
RETAIL, FEED_IN = 0.30, 0.08


def flows(seed: int, solar_kw: float) -> np.ndarray:
    """Sun at noon, load in the evening, and noise."""
    rng = np.random.default_rng(seed)
    hour = np.arange(DAYS * HOURS) % HOURS
    sun = np.maximum(0, np.sin((hour - 6) / 12 * np.pi)) * solar_kw * rng.uniform(0.3, 1, DAYS).repeat(HOURS)
    load = 0.6 + 1.2 * np.exp(-((hour - 19) ** 2) / 6) + rng.exponential(0.2, len(hour))
    return np.round(sun - load, 3)


@pytest.fixture(scope="module")
def community() -> Community:
    """A roof with a battery, a roof without, a battery without a roof, and a home with nothing."""
    sites = [
        Site("roof and battery", flows(1, 5.0), BATTERY),
        Site("roof", flows(2, 5.0), None),
        Site("battery", flows(3, 0.0), BATTERY),
        Site("nothing", flows(4, 0.0), None),
    ]
    return Community(sites, 1.0, np.full(DAYS * HOURS, FEED_IN), np.full(DAYS * HOURS, RETAIL))


def known(community: Community) -> np.ndarray:
    """Perfect forecasts; shape (sites, slots, horizon, 3)"""
    net = np.stack([np.concatenate([site.net_flow_kw, site.net_flow_kw[-HOURS:]]) for site in community.sites])
    ahead = np.arange(DAYS * HOURS)[:, None] + np.arange(HOURS)
    return np.repeat(net[:, ahead, None], 3, axis=3)


def at_tariffs(grid_kwh: np.ndarray) -> np.ndarray:
    return np.where(grid_kwh > 0, grid_kwh * RETAIL, grid_kwh * FEED_IN)


@pytest.fixture(scope="module")
def alone(community: Community) -> Result:
    return Year(community, Arm(known(community), None, plans=False)).run()


@pytest.fixture(scope="module")
def trading(community: Community) -> Result:
    return Year(community, Arm(known(community), newsvendor)).run()


def test_alone_everybody_pays_the_utility(community: Community, alone: Result) -> None:
    assert alone.money == pytest.approx(at_tariffs(alone.grid_kwh), abs=0.001 * RETAIL)  # whole watt-hours are metered
    assert (alone.traded_kwh == 0).all()
    assert np.isnan(alone.price).all()


def test_a_greedy_battery_keeps_the_own_surplus(community: Community, alone: Result) -> None:
    """Hour by hour by hand, one way 0.9 ** 0.5."""
    for member, site in enumerate(community.sites):
        stored, efficiency = 0.0, 0.9**0.5
        for slot, net in enumerate(site.net_flow_kw):
            power = 0.0
            if site.battery is not None and net > 0:
                power = min(net, 3.0, (6.0 - stored) / efficiency)
                stored += power * efficiency
            elif site.battery is not None:
                power = -min(-net, 3.0, stored * efficiency)
                stored += power / efficiency
            assert alone.battery_kwh[slot, member] == pytest.approx(power, abs=1e-9)
            assert alone.grid_kwh[slot, member] == pytest.approx(power - net, abs=1e-9)


def test_what_is_bought_is_sold_and_prices_beat_the_utility(trading: Result) -> None:
    assert trading.traded_kwh.sum(axis=1) == pytest.approx(0)
    assert np.abs(trading.traded_kwh).sum() > 50
    known_prices = trading.price[~np.isnan(trading.price)]
    assert ((known_prices >= FEED_IN) & (known_prices <= RETAIL)).all()


def test_the_bill_is_trade_at_the_price_and_the_rest_at_tariffs(trading: Result) -> None:
    rest = trading.grid_kwh - trading.traded_kwh
    expected = trading.traded_kwh * np.nan_to_num(trading.price)[:, None] + at_tariffs(rest)
    assert trading.money == pytest.approx(expected, abs=0.001 * RETAIL + 2e-6)


def test_trade_with_knowledge_makes_nobody_worse_off(alone: Result, trading: Result) -> None:
    saved = alone.money.sum(axis=0) - trading.money.sum(axis=0)
    assert (saved > 0).all()


def test_batteries_stay_within_their_limits(community: Community, trading: Result) -> None:
    for member, site in enumerate(community.sites):
        moved = trading.battery_kwh[:, member]
        if site.battery is None:
            assert (moved == 0).all()
            continue
        assert (np.abs(moved) <= 3.0 + 1e-9).all()
        stored = np.cumsum(np.where(moved > 0, moved * 0.9**0.5, moved / 0.9**0.5))
        assert stored.min() >= -1e-6
        assert stored.max() <= 6.0 + 1e-6


def test_wrong_forecasts_cost_and_the_strategy_limits_what(community: Community, trading: Result) -> None:
    """Forecasts of the day before: dearer than knowledge, and cheaper than the same with orders at any price."""
    late = np.roll(known(community), HOURS, axis=1)
    late[..., 0] -= 1.0
    late[..., 2] += 1.0
    careful = Year(community, Arm(late, newsvendor)).run().money.sum()
    careless = Year(community, Arm(late, truthful)).run().money.sum()
    assert trading.money.sum() < careful < careless


def test_the_grid_fee_is_paid_by_buyers(community: Community, trading: Result) -> None:
    with_fee = Community(community.sites, 1.0, community.feed_in, community.retail, grid_fee=0.03)
    found = Year(with_fee, Arm(known(with_fee), newsvendor)).run()
    rest = found.grid_kwh - found.traded_kwh
    paid = found.traded_kwh * np.nan_to_num(found.price)[:, None] + np.maximum(found.traded_kwh, 0) * 0.03
    assert found.money == pytest.approx(paid + at_tariffs(rest), abs=0.001 * RETAIL + 2e-6)
    assert np.maximum(found.traded_kwh, 0).sum() < np.maximum(trading.traded_kwh, 0).sum()
