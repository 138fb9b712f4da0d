"""A building in the auctions of a real hub: when it bids, what it learns, and what its battery makes of a trade."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from building_clients.auctions import Auctions
from building_clients.bidding import Bid
from building_clients.forecast import Forecast
from building_clients.readings_store import ReadingsStore
from contracts import hub_client
from contracts.hub_client import HubClient, HubError
from contracts.ledger import Ledger
from contracts.orders import Side
from contracts.settings import MarketConfig
from simulation.building import BuildingSimulation
from simulation.reading import Reading
from simulation.settings import BuildingConfig, TradingConfig
from simulation.simulator import Flows
from tests.building_clients.agent_house import House
from tests.contracts.market_world import FEED_IN, RETAIL, MarketWorld
from tests.dashboard.hub_server import START, HandClock, HubServer

QUANTILES = (-3.0, -2.0, -1.5)
LATE = 13.95
"""Minutes into a slot in which the bid for the next one is due."""
STEP = 1 / 42
"""Half the distance of the quantiles that a bidder looks at."""
ALWAYS = (0, 2, 7, 13.9, LATE, 13.96, 14.2, 14.9)


class Still:
    """Neither load nor sun."""

    quality = "simulated"

    def minutes(self, start: datetime, count: int) -> Flows:
        return Flows(np.zeros(count), np.zeros(count))


class Stand:
    """Auctions of member 1 with a hub of its own; the test gives forecast and reading, and collects the bids."""

    def __init__(self, folder: Path, ledger: Ledger, config: BuildingConfig, speed: float) -> None:
        self.clock = HandClock(start=START, wall_start=START, speed=speed, slot_minutes=15)
        self.hub = HubServer(folder / "hub", clock=self.clock).start()
        self.client = HubClient(self.hub.url)
        self.ledger = ledger
        self.slot = self.clock.slot_at(START)
        self.building = BuildingSimulation(config, Still())
        self.bids: list[tuple[int, Bid]] = []
        self.send: Callable[[Bid, int], None] = lambda bid, slot: self.bids.append((slot, bid))
        self.last: Reading | None = self.building.step(START - timedelta(minutes=1), 0)
        self.quantiles = QUANTILES
        self.forecast_slot: int | None = None
        self.auctions = Auctions(
            1, config, self.building, self.clock, MarketConfig(), self.client, lambda bid, slot: self.send(bid, slot)
        )

    def at(self, minutes: float) -> None:
        """Turn the clock to so many minutes after the start, and do what is due."""
        now = START + timedelta(minutes=minutes)
        self.clock.turn(now)
        self.auctions.step(now, self.forecast, self.last, self.ledger)

    def forecast(self) -> Forecast:
        low, median, high = ((value,) * 96 for value in self.quantiles)
        return Forecast(
            building_id="B1",
            issued_at=self.clock.now(),
            slot=self.forecast_slot or self.clock.slot_at(self.clock.now()) + 1,
            slot_minutes=15,
            net_flow_kw_p10=low,
            net_flow_kw_p50=median,
            net_flow_kw_p90=high,
            deficit_probability=(0.5,) * 96,
            source="model",
            model_version=1,
        )

    def report(self, slot: int, price: int | None = 190_000, **changes: Any) -> None:
        values: dict[str, Any] = {"slot": slot, "price": price, "volume_wh": 0, "orders": 2, "fills": 1}
        values |= {"supply_wh": 900, "demand_wh": 900, "bought_wh": {}}
        values |= {"retail_price": RETAIL, "feed_in_price": FEED_IN}
        self.hub.post("/api/slots", values | {"state": "cleared"} | changes)

    def recorded(self, soc: float | None) -> None:
        """The newest reading says so, possible or not: a damaged file, another program."""
        assert self.last is not None
        self.last = self.last.model_copy(update={"soc": soc})


Build = Callable[..., Stand]


@pytest.fixture(scope="module")
def world(chain: str) -> MarketWorld:
    return MarketWorld(chain, 1)


@pytest.fixture
def build(world: MarketWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """A stand: trading settings by keyword, with a battery of so many kWh."""
    monkeypatch.setattr(hub_client, "PAUSE_S", 0.01)
    stands: list[Stand] = []

    def make(battery_kwh: float = 0.0, speed: float = 1.0, **trading: Any) -> Stand:
        config = BuildingConfig(id="B1", battery_capacity_kwh=battery_kwh, trading=TradingConfig(**trading))
        stands.append(Stand(tmp_path / str(len(stands)), world.ledger, config, speed))
        return stands[-1]

    yield make
    for stand in stands:
        stand.client.close()
        stand.hub.stop()


@pytest.mark.parametrize("strategy", ["newsvendor", "truthful", "zero_intelligence"])
@pytest.mark.parametrize(("quantiles", "side"), [(QUANTILES, Side.BUY), ((1.5, 2.0, 3.0), Side.SELL)])
def test_one_bid_a_slot_just_before_the_gate_closes(
    build: Build, strategy: str, quantiles: tuple[float, float, float], side: Side
) -> None:
    stand = build(strategy=strategy)
    stand.quantiles = quantiles
    for minutes in [*ALWAYS, *(15 + minutes for minutes in ALWAYS)]:
        before = len(stand.bids)
        stand.at(minutes)
        assert len(stand.bids) - before == (minutes % 15 == pytest.approx(LATE))
    assert [(slot - stand.slot, bid.side, bid.energy_wh) for slot, bid in stand.bids] == [
        (1, side, 500),
        (2, side, 500),
    ]


def test_who_comes_after_the_gate_waits_for_the_next_slot(build: Build) -> None:
    stand = build()
    stand.at(14.2)
    stand.at(14.9)
    assert stand.bids == []
    stand.at(15 + LATE)
    assert [slot - stand.slot for slot, _ in stand.bids] == [2]


@pytest.mark.parametrize("strategy", ["newsvendor", "linear_ramp"])
def test_on_a_fast_clock_it_bids_for_the_next_slot_alone(build: Build, strategy: str) -> None:
    """Five wall seconds are more than a slot: the bid goes out at once, and none for slots that lie farther."""
    stand = build(speed=3600.0, strategy=strategy)
    for minutes in (0.1, 1, 5, 13, 15.1, 16, 20):
        stand.at(minutes)
    assert {slot - stand.slot for slot, _ in stand.bids} == {1, 2}


def test_a_hub_that_is_away_gets_the_bid_when_it_is_back(build: Build) -> None:
    stand = build()
    keep = stand.send

    def away(bid: Bid, slot: int) -> None:
        raise HubError("no hub answers")

    stand.send = away
    with pytest.raises(HubError):
        stand.at(LATE)
    stand.send = keep
    stand.at(13.97)
    stand.at(13.98)
    assert len(stand.bids) == 1


def lacks_wh(tau: float) -> float:
    """Quantile of what the house of QUANTILES lacks in a slot: two halves of normal distributions, by SciPy [Wh]"""
    low, median, high = QUANTILES
    z = float(norm.ppf(1 - tau) / norm.ppf(0.9))
    return -(median + z * (high - median if z > 0 else median - low)) * 250


def test_prices_come_from_the_reports_of_the_hub(build: Build) -> None:
    """Five days at 0.245, three quarters of the way up, at this time of day: then the lower quartile of what is lacked
    is best, as near to it as the bidder's own steps come."""
    stand = build()
    for day in range(1, 6):
        stand.report(stand.slot + 1 - 96 * day, price=245_000)
        stand.report(stand.slot + 2 - 96 * day, price=100_000)
    stand.at(LATE)
    ((_, bid),) = stand.bids
    assert lacks_wh(0.25 - STEP) <= bid.energy_wh <= lacks_wh(0.25 + STEP)


def test_tariffs_of_the_report_count_for_its_price(build: Build) -> None:
    """0.19 was three quarters of the way up when retail was 0.2267: the lower quartile is best, as at 0.245 now."""
    stand = build()
    for day in range(1, 6):
        stand.report(stand.slot + 1 - 96 * day, price=190_000, retail_price=226_667)
    stand.at(LATE)
    assert lacks_wh(0.25 - STEP) <= stand.bids[0][1].energy_wh <= lacks_wh(0.25 + STEP)


def test_who_never_saw_a_seller_still_bids(build: Build) -> None:
    """For weeks nobody sold at this time of day: a bid that may be filled one day costs nothing."""
    stand = build()
    for day in range(1, 6):
        stand.report(stand.slot + 1 - 96 * day, price=None, supply_wh=0)
    stand.at(LATE)
    assert [bid.energy_wh for _, bid in stand.bids] == [500]


def test_equal_tariffs_in_a_report_stop_nothing(build: Build) -> None:
    stand = build()
    stand.report(stand.slot, retail_price=190_000, feed_in_price=190_000)
    stand.at(LATE)
    assert stand.bids[0][1].energy_wh == 500


def test_a_report_that_comes_after_a_later_one_is_learned(build: Build) -> None:
    """The operator was away; what it reports late still says what prices are like at that time of day."""
    stand = build()
    stand.report(stand.slot)
    stand.at(3)
    for day in range(1, 6):
        stand.report(stand.slot + 2 - 96 * day, price=245_000)
    stand.at(18)
    stand.report(stand.slot + 1)
    stand.at(19)
    stand.report(stand.slot - 1, price=100_000)
    stand.at(31)
    place = (0.19 - 0.08) / 0.22
    learned = stand.auctions._outlook._seen[(stand.slot - 1) % 96]
    assert [round(seen, 6) for seen, _ in learned] == [round((0.1 - 0.08) / 0.22, 6)]
    assert stand.auctions._outlook._seen[(stand.slot + 1) % 96][0][0] == pytest.approx(place)


@pytest.mark.parametrize("bought_wh", [300, -300])
def test_what_was_traded_reaches_the_battery(build: Build, bought_wh: int) -> None:
    """The house needs nothing: without the trade the meter would stand still, with it the battery takes or gives."""
    stand = build(battery_kwh=10.0)
    stand.quantiles = (-0.1, 0.0, 0.1)
    stand.at(LATE)
    stand.report(stand.slot + 1, bought_wh={1: bought_wh, 2: -bought_wh})
    stand.at(14.5)
    rows = [stand.building.step(START + timedelta(minutes=15 + minute), 1 + minute) for minute in range(15)]
    assert sum(row.grid_kw for row in rows if row) / 60 == pytest.approx(bought_wh / 1000, abs=1e-4)


@pytest.mark.parametrize("minute", [0, 5])
def test_a_trade_is_kept_by_a_building_that_started_after_it_had_bid(build: Build, minute: int) -> None:
    """What is over of the slot went as agreed; the battery brings the rest."""
    stand = build(battery_kwh=10.0)
    stand.report(stand.slot + 1, bought_wh={1: 300, 2: -300})
    stand.at(15 + minute)
    left = range(15 + minute, 30)
    rows = [stand.building.step(START + timedelta(minutes=one), 1 + one) for one in left]
    assert sum(row.grid_kw for row in rows if row) / 60 == pytest.approx(0.3 * len(left) / 15, abs=1e-4)


def test_who_traded_nothing_is_held_to_nothing(build: Build) -> None:
    stand = build(battery_kwh=10.0)
    stand.quantiles = (-0.1, 0.0, 0.1)
    stand.at(LATE)
    stand.report(stand.slot + 1, bought_wh={2: 300, 3: -300})
    stand.at(14.5)
    row = stand.building.step(START + timedelta(minutes=15), 1)
    assert row is not None
    assert row.grid_kw == 0


def test_with_the_greedy_planner_the_battery_is_left_to_itself(build: Build) -> None:
    """And its plans know that: in a slot with a trade, 4 kW of sun for a quarter of an hour are expected to stay."""
    stand = build(battery_kwh=10.0, planner="greedy")
    stand.at(LATE)
    stand.report(stand.slot + 1, bought_wh={1: 300})
    stand.at(14.5)
    row = stand.building.step(START + timedelta(minutes=15), 1)
    assert row is not None
    assert row.battery_kw == 0
    sunny = row.model_copy(update={"net_flow_kw": 4.0, "pv_kw": 4.0, "soc": 0.5})
    soc = stand.auctions._soc_at(row.timestamp, stand.slot + 2, sunny)
    assert soc == pytest.approx(0.5 + 4.0 * 0.25 * 0.9**0.5 / 10.0, abs=1e-4)


def test_the_reserve_of_the_owner_is_left_in_the_battery(build: Build) -> None:
    """Half full, with a reserve of 0.6: the house buys all that it needs. Without one the battery gives some.

    Energy was as dear as the utility's all day, so that there is no other reason to fill the battery.
    """
    bought = []
    for reserve in (0.6, 0.0):
        stand = build(battery_kwh=10.0, reserve_soc=reserve, strategy="truthful")
        for slot in range(stand.slot - 95, stand.slot + 1):
            stand.report(slot, price=RETAIL)
        stand.quantiles = (-2.0, -2.0, -2.0)
        stand.at(LATE)
        bought.append(sum(bid.energy_wh for _, bid in stand.bids))
    assert bought[0] == 500
    assert bought[1] < 500


def test_a_slot_that_was_not_cleared_is_warned_about_once(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    stand = build()

    def warned() -> list[str]:
        return [record.getMessage() for record in caplog.records if "not cleared in time" in record.getMessage()]

    for minutes in (LATE, 16, 19.9):
        stand.at(minutes)
    assert warned() == []
    for minutes in (20.1, 21, 28):
        stand.at(minutes)
    assert len(warned()) == 1
    assert f"slot {stand.slot + 1} was not cleared" in warned()[0]
    stand.report(stand.slot + 2)
    stand.at(36)
    assert len(warned()) == 1
    stand.at(51)
    assert len(warned()) == 2


@pytest.mark.parametrize("strategy", ["newsvendor", "truthful", "zero_intelligence", "linear_ramp"])
def test_a_paused_building_never_bids_and_still_steers_its_battery(build: Build, strategy: str) -> None:
    stand = build(battery_kwh=10.0, paused=True, strategy=strategy)
    for minutes in [*ALWAYS, *(15 + minutes for minutes in ALWAYS)]:
        stand.at(minutes)
    assert stand.bids == []
    assert stand.auctions._control._slots.keys() >= {stand.slot + 1, stand.slot + 2}


@pytest.mark.parametrize("soc", [1.2, -0.2, None, float("nan")])
def test_an_impossible_state_of_charge_is_warned_about_and_nothing_is_bid(
    build: Build, caplog: pytest.LogCaptureFixture, soc: float | None
) -> None:
    stand = build(battery_kwh=10.0)
    stand.recorded(soc)
    for minutes in (LATE, 13.97, 14.2):
        stand.at(minutes)
    assert stand.bids == []
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        f"no bid for slot {stand.slot + 1}: the battery reports a state of charge of {soc}, "
        "which must lie between 0 and 1"
    ]
    stand.recorded(0.0)
    stand.at(15 + LATE)
    assert [slot - stand.slot for slot, _ in stand.bids] == [2]


def test_a_battery_that_nobody_measures_is_not_counted_on(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    """A real house whose inverter does not tell: it bids what it lacks, and says once why."""
    stand = build(battery_kwh=10.0, planner="greedy", strategy="truthful")
    stand.recorded(None)
    stand.at(LATE)
    stand.at(15 + LATE)
    assert [(slot - stand.slot, bid.energy_wh) for slot, bid in stand.bids] == [(1, 500), (2, 500)]
    assert caplog.text.count("nobody measures the battery's state of charge") == 1


def test_a_forecast_that_is_too_old_is_warned_about(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    stand = build()
    stand.forecast_slot = stand.slot - 95
    stand.at(LATE)
    assert stand.bids == []
    assert f"the newest forecast begins with slot {stand.slot - 95}" in caplog.text


def test_a_forecast_from_earlier_is_read_at_the_right_place(build: Build) -> None:
    """Each step of the forecast is another power: the bid for the next slot uses the third of a forecast of 2 ago."""
    stand = build(strategy="truthful")
    known = stand.forecast()
    powers = tuple(-0.1 * step for step in range(1, 97))
    same = {f"net_flow_kw_p{share}": powers for share in (10, 50, 90)}
    now = START + timedelta(minutes=LATE)
    old = known.model_copy(update={"slot": stand.slot - 1} | same)
    stand.auctions.step(now, lambda: old, stand.last, stand.ledger)
    ((_, bid),) = stand.bids
    assert bid.energy_wh == round(0.3 * 250)


def test_the_battery_is_expected_to_go_on_until_the_slot_begins(build: Build) -> None:
    """A reading from twelve minutes before the slot, with 5 kW of sun that goes into the battery by itself."""
    stand = build(battery_kwh=10.0)
    assert stand.last is not None
    when = START + timedelta(minutes=3)
    last = stand.last.model_copy(update={"timestamp": when, "net_flow_kw": 4.0, "pv_kw": 4.0, "soc": 0.5})
    soc = stand.auctions._soc_at(START + timedelta(minutes=4), stand.slot + 1, last)
    assert soc == pytest.approx(0.5 + 4.0 * 0.2 * 0.9**0.5 / 10.0, abs=1e-4)


@pytest.fixture
def ramping(chain: str, tmp_path: Path) -> Iterator[House]:
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        config = BuildingConfig(id="B1", trading=TradingConfig(strategy="linear_ramp"))
        house = House(tmp_path, MarketWorld(chain, 1), store, config)
        house.record(START)
        yield house
        house.client.close()
        house.hub.stop()


def test_a_ramp_bids_anew_and_the_hub_counts_the_last(ramping: House) -> None:
    """At each quarter of the bidding time, the last just before the gate; each replaces the one before."""
    ramping.announce()
    for minutes in (0, 1, 3, 3.5, 3.6, 7, 8, 10.5, 13.93, 13.95, 14.3, 14.9):
        ramping.step(minutes)
    listed = ramping.hub.http.get(f"/api/orders?slot={ramping.slot + 1}&history=true").json()
    assert [one["status"] for one in listed] == ["replaced"] * 4 + ["open"]
    limits = [one["order"]["limit_price"] for one in listed]
    assert limits == sorted(limits, reverse=True)
    assert (limits[0], limits[-1]) == (RETAIL, FEED_IN + 4_400)
    assert ramping.hub.http.get(f"/api/orders?slot={ramping.slot + 2}").json() == []
