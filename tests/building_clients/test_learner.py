"""One building's learner: forecasts with and without weights, survives a damaged file, trains on its own past only."""

import logging
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from building_clients.architecture import Weights, initial_weights
from building_clients.learner import Learner
from building_clients.settings import LearningConfig
from building_clients.windows import TrainError, Windows
from simulation.clock import slot_index
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, after, readings

QUICK = LearningConfig(local_steps=3, batch_size=8)


def learner(days: float, folder: Path | None = None, frame: pd.DataFrame | None = None) -> Learner:
    history = readings(days) if frame is None else frame
    return Learner("B1", folder, lambda minutes: history.iloc[-minutes:], SLOT_MINUTES)


def slot_of(moment: datetime) -> int:
    return slot_index(moment, SLOT_MINUTES)


class FakeTrainer:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.validation: list[Windows] = []
        self.training: Windows | None = None

    def loss(self, _weights: Weights, windows: Windows) -> float:
        self.validation.append(windows)
        return 0.5

    def train(self, weights: Weights, windows: Windows, *_: object) -> tuple[Weights, float]:
        self.training = windows
        return weights, 0.4


def test_without_weights_the_base_forecasts_and_says_so() -> None:
    now = after(5)
    forecast = learner(5).forecast(now, slot_of(now) + 1)
    assert (forecast.source, forecast.model_version, forecast.slot) == ("seasonal", 0, slot_of(now) + 1)
    assert len(forecast.net_flow_kw_p50) == len(forecast.deficit_probability) == PER_DAY
    noon, midnight = 12 * 4 - 1, 95
    assert forecast.net_flow_kw_p50[noon] > 3
    assert forecast.net_flow_kw_p50[midnight] < 0
    assert forecast.deficit_probability[midnight] > 0.9 > 0.1 > forecast.deficit_probability[noon]


@pytest.mark.parametrize("days", [0, 0.3])
def test_a_young_building_forecasts_the_mean(days: float, caplog: pytest.LogCaptureFixture) -> None:
    now = after(days)
    forecast = learner(days).forecast(now, slot_of(now))
    assert forecast.source == "seasonal"
    assert len(set(forecast.net_flow_kw_p50)) == 1
    assert "needed" in caplog.text


def test_adopted_weights_forecast_at_once_and_after_a_restart(tmp_path: Path) -> None:
    now, weights = after(5), initial_weights(PER_DAY, 3)
    first = learner(5, tmp_path)
    first.adopt(weights)
    forecast = first.forecast(now, slot_of(now))
    assert (forecast.source, forecast.model_version) == ("model", 1)
    p10, p50, p90 = (
        np.array(values) for values in (forecast.net_flow_kw_p10, forecast.net_flow_kw_p50, forecast.net_flow_kw_p90)
    )
    assert ((p10 <= p50) & (p50 <= p90)).all()
    assert learner(5, tmp_path).forecast(now, slot_of(now)) == forecast


def test_under_two_days_the_base_forecasts_even_with_weights() -> None:
    young = learner(1.5)
    young.adopt(initial_weights(PER_DAY, 3))
    assert young.forecast(after(1.5), slot_of(after(1.5))).source == "seasonal"


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_weights_file_cut_short_is_discarded(tmp_path: Path, keep: float, caplog: pytest.LogCaptureFixture) -> None:
    learner(5, tmp_path).adopt(initial_weights(PER_DAY, 3))
    file = tmp_path / "model.npz"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with caplog.at_level(logging.WARNING):
        survivor = learner(5, tmp_path)
    assert "model.npz is damaged" in caplog.text
    assert survivor.forecast(after(5), slot_of(after(5))).source == "seasonal"


def test_a_flipped_bit_in_the_weights_file_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    learner(5, tmp_path).adopt(initial_weights(PER_DAY, 3))
    content = bytearray((tmp_path / "model.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.npz").write_bytes(content)
    assert learner(5, tmp_path).model_version == 0
    assert "is damaged" in caplog.text


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    one = learner(5, tmp_path)
    one.adopt(initial_weights(PER_DAY, 3))
    with pytest.raises(ValueError, match="weight array"):
        one.adopt(initial_weights(24, 3))
    assert one.model_version == 1


def test_absurd_weights_do_not_reach_the_market(caplog: pytest.LogCaptureFixture) -> None:
    one = learner(5)
    one.adopt([array * np.float32(1e30) for array in initial_weights(PER_DAY, 3)])
    with np.errstate(over="ignore", invalid="ignore"):
        forecast = one.forecast(after(5), slot_of(after(5)))
    assert forecast.source == "seasonal"
    assert "absurd" in caplog.text


def test_a_forecast_knows_nothing_after_now() -> None:
    now, frame = after(5), readings(6)
    changed = frame.copy()
    changed.loc[now:] = 50.0
    one, other = learner(6, frame=frame), learner(6, frame=changed)
    assert one.forecast(now, slot_of(now)) == other.forecast(now, slot_of(now))


def test_stale_history_keeps_the_time_of_day() -> None:
    late = after(5.5)
    forecast = learner(5).forecast(late, slot_of(late))
    assert forecast.net_flow_kw_p50[0] > 3  # noon
    assert forecast.net_flow_kw_p50[48] < 0  # midnight


def test_training_never_sees_what_validates(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, one = FakeTrainer(), learner(8)
    monkeypatch.setattr(one, "_warm_trainer", lambda _dropout: fake)
    result = one.train(initial_weights(PER_DAY, 1), QUICK, server_round=1)
    assert fake.training is not None
    assert result.num_examples == len(fake.training)
    total = 8 * PER_DAY - 2 * PER_DAY + 1
    last_trained = PER_DAY + len(fake.training) - 1 + PER_DAY - 1
    first_validated = PER_DAY + total - len(fake.validation[0])
    assert last_trained < first_validated
    assert set(result.metrics) == {"train_loss", "loss_before", "loss_after"}


def test_training_lowers_the_loss_and_stays_warm() -> None:
    one, weights = learner(28), initial_weights(PER_DAY, 1)
    config = LearningConfig(local_steps=40, batch_size=16)
    first = one.train(weights, config, server_round=1)
    trainer = one._trainer
    second = one.train(first.weights, config, server_round=2)
    assert one._trainer is trainer
    assert first.metrics["loss_after"] < first.metrics["loss_before"]
    assert second.metrics["loss_before"] == pytest.approx(first.metrics["loss_after"], rel=1e-5)
    assert [array.shape for array in second.weights] == [array.shape for array in weights]


@pytest.mark.parametrize("days", [0, 1, 2, 3.1])
def test_too_little_history_is_named(days: float) -> None:
    with pytest.raises(TrainError, match=r"no reading|days of history|too few|at least"):
        learner(days).train(initial_weights(PER_DAY, 1), QUICK, server_round=1)
