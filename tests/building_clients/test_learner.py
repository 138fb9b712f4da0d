"""One building's learner: forecasts with and without weights, survives a damaged file, trains on its own past only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from building_clients.architecture import HEAD, Weights, initial_weights, layout, model_hash
from building_clients.forecast import Forecast
from building_clients.inference import OnnxModel
from building_clients.learner import Learner, _warm_trainer, split
from building_clients.model_store import ModelStore
from building_clients.scoring import loss_on
from building_clients.settings import LearningConfig
from building_clients.slots import TrainError, to_slots
from building_clients.windows import Series
from simulation.clock import slot_index
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, after, readings
from tests.building_clients.test_inference import random_weights

QUICK = LearningConfig(local_steps=3, batch_size=8)
QUANTILE_BIAS = list(layout(PER_DAY)).index("quantile/bias")


def learner(days: float, folder: Path | None = None, frame: pd.DataFrame | None = None) -> Learner:
    history = readings(days) if frame is None else frame
    return Learner("B1", folder, lambda minutes: history.iloc[-minutes:], SLOT_MINUTES)


def slot_of(moment: datetime) -> int:
    return slot_index(moment, SLOT_MINUTES)


class FakeTrainer:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.training: np.ndarray | None = None

    def train(self, weights: Weights, sources: list[tuple[Series, np.ndarray]], *_: object) -> tuple[Weights, float]:
        self.training = sources[0][1]
        return weights, 0.4


def test_without_weights_the_base_forecasts_and_says_so() -> None:
    now = after(5)
    forecast = learner(5).forecast(now, slot_of(now) + 1)
    assert (forecast.source, forecast.reason) == ("seasonal", "no shared model yet")
    assert (forecast.model_version, forecast.slot) == (0, slot_of(now) + 1)
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


def test_a_slot_that_is_mostly_over_stands_for_all_of_it() -> None:
    """A bid is made before the slot ends: its steady first ten minutes forecast the same as all of it."""
    frame = readings(5 + 15 / 1440)
    frame.iloc[-15:] = frame.iloc[-15].to_numpy()
    one, end, next_slot = learner(0, frame=frame), after(5), slot_of(after(5)) + 1
    one._use(random_weights(3, PER_DAY))
    whole, most, little = (one.forecast(end + pd.Timedelta(minutes=m), next_slot) for m in (15, 10, 5))
    assert most.net_flow_kw_p50 == pytest.approx(whole.net_flow_kw_p50, abs=1e-3)
    assert little.net_flow_kw_p50[0] != pytest.approx(whole.net_flow_kw_p50[0], abs=1e-3)


def two_models(folder: Path | None) -> tuple[Learner, list[Forecast]]:
    """A building that adopted two different models one after the other, and what it forecast with each."""
    one, forecasts = learner(5, folder), []
    for seed in (3, 4):
        one._use(random_weights(seed, PER_DAY))
        forecasts.append(one.forecast(after(5), slot_of(after(5))))
    assert forecasts[0].net_flow_kw_p50 != forecasts[1].net_flow_kw_p50
    return one, forecasts


def test_a_file_cut_short_brings_the_forecast_before_it_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, (before, _) = two_models(tmp_path)
    for version, wanted in ((2, before), (1, None)):
        file = tmp_path / "models" / f"version-{version}.npz"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        forecast = learner(5, tmp_path).forecast(after(5), slot_of(after(5)))
        assert f"{file} cannot be used" in caplog.text
        assert forecast == wanted if wanted else forecast.reason == "none of the models kept here can be used"


def test_going_back_brings_back_the_forecast_before_the_adoption(tmp_path: Path) -> None:
    """In the process that runs, after a restart, and forward again; the choice comes from elsewhere."""
    one, forecasts = two_models(tmp_path)
    for version in (1, 2, 1):
        ModelStore(tmp_path, PER_DAY).choose(version)
        assert one.model_version == version
        for asked in (one, learner(5, tmp_path)):
            assert asked.forecast(after(5), slot_of(after(5))) == forecasts[version - 1]


def test_a_forecast_never_mixes_two_models(tmp_path: Path) -> None:
    """Threads forecast while another goes back and forth: each answer is wholly the one or the other."""
    one, forecasts = two_models(tmp_path)
    elsewhere = ModelStore(tmp_path, PER_DAY)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(one.forecast, after(5), slot_of(after(5))) for _ in range(20)]
        for turn in range(10):
            elsewhere.choose(turn % 2 + 1)
            assert one.forecast(after(5), slot_of(after(5))) == forecasts[turn % 2]
    assert all(answer.result() == forecasts[answer.result().model_version - 1] for answer in answers)


def test_the_model_in_use_gives_way_only_to_one_that_is_no_worse(tmp_path: Path) -> None:
    """By the building's own validation; the same for one that a person went back to."""
    one, config = learner(8, tmp_path), LearningConfig(personal_steps=0, batch_size=8)
    series = Series(to_slots(readings(8), SLOT_MINUTES))
    better, own, worse = (initial_weights(PER_DAY, 1) for _ in range(3))
    own[QUANTILE_BIAS][1] += np.float32(0.05)
    worse[QUANTILE_BIAS][1] += np.float32(0.055)
    best, loss, lost = (
        loss_on(OnnxModel(weights, PER_DAY), series, split(series, 8)[1]) for weights in (better, own, worse)
    )
    assert best < loss < lost < loss * 1.02
    assert one.adopt(own, config)
    assert not one.adopt(worse, config)
    assert one.adopt(better, config)
    ModelStore(tmp_path, PER_DAY).choose(1)
    assert not one.adopt(worse, config)
    assert one.adopt(better, config)
    assert (one.model_version, learner(8, tmp_path).model_version) == (3, 3)
    assert [one._store.read(version).own_loss for version in (1, 2, 3)] == pytest.approx([loss, best, best], rel=1e-6)


def test_the_first_model_must_beat_the_seasonal_base(caplog: pytest.LogCaptureFixture) -> None:
    one = learner(20)
    assert not one.adopt([array * np.float32(3) for array in random_weights(3, PER_DAY)])
    assert "is not used" in caplog.text
    assert one.model_version == 0
    assert one.adopt(initial_weights(PER_DAY, 1))


def test_what_cannot_be_judged_does_not_undo_a_choice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    young = learner(2.5, tmp_path)
    assert young.adopt(initial_weights(PER_DAY, 1))
    assert young.adopt(initial_weights(PER_DAY, 2))
    ModelStore(tmp_path, PER_DAY).choose(1)
    assert not young.adopt(initial_weights(PER_DAY, 3))
    assert "too little history to judge" in caplog.text
    assert young.model_version == 1


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    one = learner(5, tmp_path)
    one.adopt(initial_weights(PER_DAY, 3))
    with pytest.raises(ValueError, match="weight array"):
        one.adopt(initial_weights(24, 3))
    assert one.model_version == 1


def without_a_probability() -> Weights:
    weights = random_weights(3, PER_DAY)
    weights[list(layout(PER_DAY)).index("deficit/bias")][:] = np.nan
    return weights


@pytest.mark.parametrize(
    "weights", [[array * np.float32(1e4) for array in random_weights(3, PER_DAY)], without_a_probability()]
)
def test_absurd_weights_do_not_reach_the_market(weights: Weights, caplog: pytest.LogCaptureFixture) -> None:
    one = learner(5)
    one._use(weights)
    forecast = one.forecast(after(5), slot_of(after(5)))
    assert (forecast.source, forecast.reason) == ("seasonal", "model version 1 forecasts absurd values")
    assert "absurd" in caplog.text


def test_a_forecast_knows_nothing_after_now() -> None:
    now, frame = after(5), readings(6)
    changed = frame.copy()
    changed.loc[now:] = 50.0
    one, other = learner(6, frame=frame), learner(6, frame=changed)
    assert one.forecast(now, slot_of(now)) == other.forecast(now, slot_of(now))


def test_the_largest_readings_are_still_forecast() -> None:
    frame = readings(5)
    frame.iloc[::7, 0] = 1e6
    assert learner(5, frame=frame).forecast(after(5), slot_of(after(5))).source == "seasonal"


def test_stale_history_keeps_the_time_of_day() -> None:
    late = after(5.5)
    forecast = learner(5).forecast(late, slot_of(late))
    assert forecast.net_flow_kw_p50[0] > 3  # noon
    assert forecast.net_flow_kw_p50[48] < 0  # midnight


def test_old_readings_are_not_trusted_with_a_model() -> None:
    one = learner(5)
    one.adopt(initial_weights(PER_DAY, 3))
    fresh, late = (one.forecast(moment, slot_of(moment)) for moment in (after(5.05), after(5.5)))
    assert (fresh.source, fresh.reason) == ("model", "")
    assert (late.source, late.reason) == ("seasonal", "the newest reading is 12 h old")


def test_training_never_sees_what_validates(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, one = FakeTrainer(), learner(8)
    monkeypatch.setattr(one, "_warm_trainer", lambda *_: fake)
    result = one.train(initial_weights(PER_DAY, 1), QUICK, server_round=1)
    training, validation = split(Series(to_slots(readings(8), SLOT_MINUTES)), QUICK.batch_size)
    assert fake.training is not None
    assert fake.training.tolist() == training.tolist()
    assert result.num_examples == len(training)
    assert training[-1] + PER_DAY <= validation[0]
    assert validation[-1] + PER_DAY == 8 * PER_DAY
    assert set(result.metrics) == {"train_loss", "loss_before", "loss_after", "train_seconds"}


def test_training_lowers_the_loss_and_stays_warm() -> None:
    one, weights = learner(28), initial_weights(PER_DAY, 1)
    config = LearningConfig(local_steps=40, batch_size=16)
    first = one.train(weights, config, server_round=1)
    traced = _warm_trainer.cache_info().misses
    second = one.train(first.weights, config, server_round=2)
    learner(8).train(first.weights, config, server_round=2)
    assert _warm_trainer.cache_info().misses == traced, "every training after the first uses the same traced model"
    assert first.metrics["loss_after"] < first.metrics["loss_before"]
    assert second.metrics["loss_before"] == pytest.approx(first.metrics["loss_after"], rel=1e-5)
    assert [array.shape for array in second.weights] == [array.shape for array in weights]


def test_the_same_seed_trains_the_same_weights() -> None:
    weights = initial_weights(PER_DAY, 1)
    one, other = (learner(8).train(weights, QUICK, server_round=2) for _ in range(2))
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_fedprox_stays_nearer_to_where_the_round_began() -> None:
    weights = initial_weights(PER_DAY, 1)
    moved = []
    for mu in (0.0, 10.0):
        config = LearningConfig(local_steps=30, batch_size=8, proximal_mu=mu)
        trained = learner(8).train(weights, config, server_round=1).weights
        moved.append(np.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in zip(trained, weights, strict=True))))
    assert moved[1] < 0.8 * moved[0]


def test_a_model_that_is_worse_here_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    one = learner(20)
    trained = one.train(initial_weights(PER_DAY, 1), LearningConfig(local_steps=40), server_round=1).weights
    assert one.adopt(trained)
    assert not one.adopt(random_weights(3, PER_DAY))
    assert one.model_version == 1
    assert "is not used" in caplog.text
    forecast = one.forecast(after(20), slot_of(after(20)))
    assert (forecast.source, forecast.model_version) == ("model", 1)


def test_fine_tuning_is_kept_only_when_it_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = initial_weights(PER_DAY, 1)
    config = LearningConfig(personal_steps=40, batch_size=16)
    one = learner(20)
    one.adopt(weights, config)
    assert one._store.weights is not None
    assert model_hash(one._store.weights) != model_hash(weights)
    other = learner(20)
    spoiled = [array + np.float32(0.5) for array in weights]
    monkeypatch.setattr(other, "_fit", lambda *_: (spoiled, 0.0))
    other.adopt(weights, config)
    assert other._store.weights is not None
    assert model_hash(other._store.weights) == model_hash(weights)


def test_personal_heads_stay_in_the_building() -> None:
    config = LearningConfig(local_steps=20, batch_size=8, learning_rate=5e-4, personal_heads=True, personal_steps=0)
    one, weights = learner(8), initial_weights(PER_DAY, 1)
    first = one.train(weights[: HEAD.start], config, server_round=1)
    assert len(first.weights) == HEAD.start
    assert one.model_version == 0  # a round is no release
    again = one.train(first.weights, config, server_round=2)
    assert again.metrics["loss_before"] == pytest.approx(first.metrics["loss_after"], rel=1e-5)  # the heads went on
    head = one.run_heads
    assert head is not None
    assert any((own != new).any() for own, new in zip(head, weights[HEAD], strict=True))
    one.adopt(again.weights, config)
    assert one._store.weights is not None
    assert all((own == kept).all() for own, kept in zip(head, one._store.weights[HEAD], strict=True))


def test_heads_of_a_run_without_a_release_do_not_reach_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh network meets fresh heads; one that was shared before meets those of the building's model in use."""
    config = LearningConfig(personal_heads=True, batch_size=8)
    one, fresh, shared = learner(8), initial_weights(PER_DAY, config.seed), random_weights(3, PER_DAY)
    given: list[Weights] = []

    def fit(weights: Weights, *_: object) -> tuple[Weights, float]:
        given.append(weights)
        return random_weights(5, PER_DAY), 0.1

    monkeypatch.setattr(one, "_fit", fit)
    own = random_weights(4, PER_DAY)
    one._use(own)
    for body, server_round in ((fresh, 1), (fresh, 2), (fresh, 1), (shared, 1)):
        one.train(body[: HEAD.start], config, server_round)
    used = [model_hash(weights[HEAD]) for weights in given]
    assert used == [model_hash(weights[HEAD]) for weights in (fresh, random_weights(5, PER_DAY), fresh, own)]


def test_a_broken_meter_does_not_train_with_the_others() -> None:
    frame = readings(8)
    frame.iloc[: len(frame) // 2, 0] = 0.0
    with pytest.raises(TrainError, match=r"too poor to train with the others: load of nothing in 50%"):
        learner(8, frame=frame).train(initial_weights(PER_DAY, 1), QUICK, server_round=1)


@pytest.mark.parametrize("days", [0, 1, 2, 3.1])
def test_too_little_history_is_named(days: float) -> None:
    with pytest.raises(TrainError, match=r"no reading|days of history|too few|at least"):
        learner(days).train(initial_weights(PER_DAY, 1), QUICK, server_round=1)
