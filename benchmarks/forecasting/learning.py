"""The learned arms: federated in rounds, each home for itself, all homes pooled; with the code that runs live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.workers import Recipe, Source, TrainingPool
from building_clients.architecture import Weights, initial_weights
from building_clients.differential_privacy import central_deviation, clipped, with_noise
from building_clients.inference import OnnxModel
from building_clients.scoring import best_of, fitted_candidates, loss_on
from building_clients.settings import TUNING_RATE, LearningConfig
from building_clients.windows import Series
from fl_server.aggregation import Aggregation, ServerMomentum, absurd, aggregate

LOCAL_CHUNKS = 8
"""A home for itself trains so many rounds and keeps its best by validation [1]"""
PATIENCE = 3
POOLED_BATCH = 64
TRIM_SHARE = 0.2
OnStep = Callable[[], None]


@dataclass(frozen=True)
class Plan:
    """How the homes learn together; the defaults are what docs/experiments.md found best."""

    config: LearningConfig = field(default_factory=lambda: LearningConfig(rounds=12, local_steps=94))
    """Rounds, steps, rates and seed, as live."""
    server_momentum: float = 0.0
    """FedAvgM; 0 is plain averaging [1]"""
    aggregation: Aggregation = "fedavg"
    """How updates become one."""
    drop_absurd: bool = True
    """Whether updates far larger than the others are left out."""
    clip_norm: float = 0.0
    """Central differential privacy: largest norm of an update; 0 for none [1]"""
    noise_multiplier: float = 0.0
    """Noise over clipping norm [1]"""


@dataclass(frozen=True)
class Attack:
    """One home that does not follow the protocol."""

    home: str
    """Its name."""
    factor: float
    """What its weights are multiplied by before it sends them [1]"""


def federated(
    pool: TrainingPool,
    sources: Sequence[Source],
    horizon: int,
    plan: Plan,
    step: OnStep,
    attack: Attack | None = None,
    start: Weights | None = None,
) -> Weights:
    """The global weights after all rounds, from `start` on or from fresh ones."""
    config = plan.config
    weights = initial_weights(horizon, config.seed) if start is None else start
    server = ServerMomentum(plan.server_momentum)
    for server_round in range(1, config.rounds + 1):
        rate = config.rate_of(server_round)
        jobs = [
            pool.train([source], weights, recipe(config, config.local_steps, rate, _seed(server_round, index)))
            for index, source in enumerate(sources)
        ]
        updates = [job.result() for job in jobs]
        if attack is not None:
            culprit = [source.home for source in sources].index(attack.home)
            with np.errstate(over="ignore"):  # beyond the largest number, an update is dropped as not finite
                updates[culprit] = [array * np.float32(attack.factor) for array in updates[culprit]]
        weights = server.step(weights, _average(weights, updates, sources, plan, server_round))
        step()
    return weights


def recipe(config: LearningConfig, steps: int, rate: float, seed: int) -> Recipe:
    """A training call with the settings of a building."""
    return Recipe(steps, config.batch_size, rate, config.dropout, config.seed + seed)


def _seed(server_round: int, index: int) -> int:
    return 1000 * server_round + index


def _average(
    start: Weights, updates: list[Weights], sources: Sequence[Source], plan: Plan, server_round: int
) -> Weights:
    """As the server does: without updates that are not finite; where none is left, the weights stay."""
    pairs = [pair for pair in zip(updates, sources, strict=True) if _finite(pair[0])]
    if not pairs:
        return start
    finite = [update for update, _ in pairs]
    if plan.clip_norm:
        return _private_average(start, finite, plan, server_round)
    gone = absurd(start, finite) if plan.drop_absurd else {}
    kept = [pair for index, pair in enumerate(pairs) if index not in gone]
    counts = [len(source.ends) for _, source in kept]
    return aggregate([update for update, _ in kept], counts, plan.aggregation, TRIM_SHARE)


def _finite(update: Weights) -> bool:
    return all(bool(np.isfinite(array).all()) for array in update)


def _private_average(start: Weights, updates: list[Weights], plan: Plan, server_round: int) -> Weights:
    moved = [clipped([new - old for new, old in zip(u, start, strict=True)], plan.clip_norm) for u in updates]
    deviation = central_deviation(plan.noise_multiplier, plan.clip_norm, len(moved))
    rng = np.random.default_rng(plan.config.seed + server_round)
    noisy = with_noise(aggregate(moved, [1] * len(moved), "fedavg", 0), deviation, rng)
    return [old + change for old, change in zip(start, noisy, strict=True)]


def alone(
    pool: TrainingPool,
    source: Source,
    series: Series,
    validation: np.ndarray,
    config: LearningConfig,
    start: Weights | None = None,
) -> Weights:
    """A home's own LSTM: the best of its rounds by its own validation, stopped when that no longer improves."""
    horizon = series.slots.per_day
    weights = best = initial_weights(horizon, config.seed) if start is None else start
    lowest, since = np.inf, 0
    for chunk in range(1, LOCAL_CHUNKS + 1):
        how = recipe(config, config.local_steps, config.learning_rate, _seed(chunk, 0))
        weights = pool.train([source], weights, how).result()
        loss = loss_on(OnnxModel(weights, horizon), series, validation)
        lowest, best, since = (loss, weights, 0) if loss < lowest else (lowest, best, since + 1)
        if since >= PATIENCE:
            break
    return best


def pooled(pool: TrainingPool, sources: Sequence[Source], horizon: int, config: LearningConfig) -> Weights:
    """One LSTM on the data of all homes, which is not private; it sees as many samples as the federated one."""
    samples = config.rounds * config.local_steps * config.batch_size * len(sources)
    how = Recipe(max(1, samples // POOLED_BATCH), POOLED_BATCH, config.learning_rate, config.dropout, config.seed)
    return pool.train(sources, initial_weights(horizon, config.seed), how).result()


def tuned(
    pool: TrainingPool,
    source: Source,
    series: Series,
    validation: np.ndarray,
    weights: Weights,
    config: LearningConfig,
) -> Weights:
    """The global weights, fitted to one home as far as its own validation improves."""
    how = recipe(config, config.personal_steps, config.learning_rate * TUNING_RATE, 0)
    fitted = pool.train([source], weights, how).result()
    return best_of(fitted_candidates(weights, fitted), series, validation)[0]


def sources_of(homes: Sequence[Home]) -> list[Source]:
    """The training parts of these homes."""
    return [Source(home.name, home.training) for home in homes]
