"""`./microgrid bench savings` on made-up homes, as a user runs it; its money against pandas and the printed figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import savings
from benchmarks.backtest import learned
from benchmarks.backtest.scenario import BATTERY, FEED_IN, RETAIL, read_homes, time_of_use
from benchmarks.forecasting.homes import EvaluationError
from benchmarks.forecasting.learning import Plan
from building_clients.settings import LearningConfig
from tests.evaluation.made_up import write_homes

HOMES, DAYS = 3, 63
"""Whole weeks, as the bootstrap draws them."""
LEARNED = ("local_lstm", "federated", "poisoned", "undefended")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two homes with a roof, one of them with a battery; a third with a battery alone; prices by the hour."""
    folder = write_homes(tmp_path_factory.mktemp("savings") / "homes", HOMES, DAYS)
    times = pd.date_range("2026-01-01", periods=DAYS * 24, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    prices = np.where((np.arange(DAYS * 24) % 24) >= 16, 0.50, 0.20)
    pd.DataFrame({"interval_start_local": times, "price_usd_kwh": prices}).to_csv(
        folder / "tariff_carbon.csv", index=False
    )
    return folder


@pytest.fixture(scope="module")
def figures(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """With a training that is over at once."""
    out = tmp_path_factory.mktemp("figures") / "out.json"
    quick = Plan(config=LearningConfig(rounds=1, local_steps=4, personal_steps=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(savings, "Plan", lambda: quick)
        patch.setattr(learned, "FIRST_DAYS", ())
        patch.setattr(learned, "EPOCH_DAYS", 40)
        savings.main(str(out), str(data), DAYS)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def by_pandas(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load and solar of the members [kWh]; every third has no solar."""
    homes = {f"building_0{number}": pd.read_csv(data / f"building_0{number}.csv") for number in range(1, HOMES + 1)}
    load = pd.DataFrame({name: home["load_kwh"] for name, home in homes.items()})
    solar = pd.DataFrame({name: home["pv_kwh"] for name, home in homes.items()})
    return load, solar.assign(building_03=0.0)


@pytest.mark.slow
def test_without_batteries_and_trade_everybody_pays_the_tariffs(data: Path, figures: dict[str, Any]) -> None:
    load, solar = by_pandas(data)
    net = load - solar
    hour = pd.Series(np.arange(DAYS * 24) % 24)
    prices = {"flat": hour * 0 + RETAIL, "time_of_use": (hour >= 16) * 0.30 + 0.20}
    for tariff, retail in prices.items():
        paid = net.clip(lower=0).mul(retail, axis=0) + net.clip(upper=0) * FEED_IN
        assert figures[tariff]["cost_no_battery_no_trade"] == pytest.approx(paid.sum().sum(), abs=0.05)
        alone = figures[tariff]["arms"]["alone"]["cost_by_home"]
        assert alone["building_02"] == pytest.approx(paid["building_02"].sum(), abs=0.01)


@pytest.mark.slow
def test_every_arm_is_there_and_its_figures_agree(figures: dict[str, Any]) -> None:
    for tariff in ("flat", "time_of_use"):
        arms = figures[tariff]["arms"]
        assert set(arms) == {"alone", "alone_planned", "persistence", "seasonal_mean", *LEARNED, "perfect"}
        alone, perfect = arms["alone"], arms["perfect"]
        for name, arm in arms.items():
            assert arm["cost"] == pytest.approx(sum(arm["cost_by_home"].values()), abs=0.02)
            assert arm["saving"] == pytest.approx(alone["cost"] - arm["cost"], abs=0.02)
            losers = [home for home, cost in arm["cost_by_home"].items() if cost > alone["cost_by_home"][home] + 0.005]
            assert arm["members_worse_off"] >= len(losers)
            for key, without in (
                ("captured_share_by_arm", figures[tariff]["cost_no_battery_no_trade"]),
                ("captured_over_self_consumption", alone["cost"]),
            ):
                share = (without - arm["cost"]) / (without - perfect["cost"])
                assert figures[tariff][key][name] == pytest.approx(share, abs=0.002)
            assert perfect["cost"] <= arm["cost"]
        assert perfect["imbalance_cost"] < 0.02 * arms["persistence"]["imbalance_cost"]
    assert figures["captured_share"] == min(figures[one]["captured_share"] for one in ("flat", "time_of_use"))


@pytest.mark.slow
def test_what_federation_saves_is_between_its_own_bounds(figures: dict[str, Any]) -> None:
    for tariff in ("flat", "time_of_use"):
        found, arms = figures[tariff]["federated_over_persistence"], figures[tariff]["arms"]
        low, high = found["interval"]
        assert low <= found["saved"] <= high
        assert found["saved"] == pytest.approx(arms["persistence"]["cost"] - arms["federated"]["cost"], abs=0.02)
        assert found["real"] == (low > 0 or high < 0)


def test_members_are_unequal_and_the_tariff_is_the_datas_own(data: Path) -> None:
    homes = read_homes(data, "Etc/GMT+8", None)
    load, solar = by_pandas(data)
    np.testing.assert_allclose(homes.load_kwh, load.to_numpy())
    np.testing.assert_allclose(homes.pv_kwh, solar.to_numpy())
    assert homes.batteries == [BATTERY, None, BATTERY]
    prices = time_of_use(data, "Etc/GMT+8", homes)
    assert prices is not None
    assert prices[:24].tolist() == [0.20] * 16 + [0.50] * 8


def test_prices_of_another_zone_are_moved_with_it(data: Path) -> None:
    """The homes' clocks are eight hours behind UTC: a tariff in UTC begins eight hours earlier, and ends too soon."""
    homes = read_homes(data, "Etc/GMT+8", DAYS - 1)
    prices = time_of_use(data, "UTC", homes)
    assert prices is not None
    assert prices[:24].tolist() == [0.20] * 8 + [0.50] * 8 + [0.20] * 8
    with pytest.raises(EvaluationError, match=f"does not hold for all of the {DAYS} days"):
        time_of_use(data, "UTC", read_homes(data, "Etc/GMT+8", DAYS))


@pytest.mark.parametrize(
    ("header", "price", "message"),
    [
        ("interval_start_local,price", "0.3", "needs the columns interval_start_local and price_usd_kwh"),
        ("interval_start_local,price_usd_kwh", "0.05", "must be a price above 0.08"),
        ("interval_start_local,price_usd_kwh", "nan", "must be a price above 0.08"),
    ],
)
def test_a_tariff_that_cannot_be_used_is_named(tmp_path: Path, header: str, price: str, message: str) -> None:
    folder = write_homes(tmp_path / "homes", 2, 60)
    times = pd.date_range("2026-01-01", periods=60 * 24, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    rows = "\n".join(f"{time},{price}" for time in times)
    (folder / "tariff_carbon.csv").write_text(f"{header}\n{rows}\n")
    with pytest.raises(EvaluationError, match=message):
        time_of_use(folder, "Etc/GMT+8", read_homes(folder, "Etc/GMT+8", None))


@pytest.mark.parametrize(("homes", "days", "message"), [(1, 60, "at least two homes"), (2, 40, "needs at least 60")])
def test_too_little_is_refused(tmp_path: Path, homes: int, days: int, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_homes(write_homes(tmp_path / "homes", homes, days), "Etc/GMT+8", None)


def test_a_stretch_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="50 days in common; 60 are needed"):
        read_homes(write_homes(tmp_path / "homes", 2, 70), "Etc/GMT+8", 50)


def test_without_a_folder_it_says_what_is_missing() -> None:
    with pytest.raises(EvaluationError, match="--data DIR"):
        savings.main(None)
