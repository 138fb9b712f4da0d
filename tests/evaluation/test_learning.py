"""The evaluation's server drops what the real one drops, and judges a bad home by what it does to the others."""

import numpy as np
import pytest

from benchmarks.forecasting import robustness as parts
from benchmarks.forecasting.arms import Arms
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import Attack, Plan, federated, sources_of
from benchmarks.forecasting.robustness import robustness, undefended
from benchmarks.forecasting.selection import homes_in
from building_clients.architecture import Weights, initial_weights
from building_clients.settings import LearningConfig
from tests.evaluation.idle_pool import nothing, pool
from tests.evaluation.made_up import write_homes

PLAN = Plan(LearningConfig(rounds=1, local_steps=1))


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Home]:
    return homes_in(write_homes(tmp_path_factory.mktemp("homes"), 4, 70), None, "UTC").homes


@pytest.mark.parametrize("plan", [PLAN, Plan(PLAN.config, drop_absurd=False), Plan(PLAN.config, clip_norm=1.0)])
def test_an_update_that_is_not_finite_is_dropped(homes: list[Home], plan: Plan) -> None:
    found = federated(pool("building_02"), sources_of(homes), 24, plan, nothing)
    start = initial_weights(24, plan.config.seed)
    assert all(np.allclose(new - old, 0.001, atol=1e-5) for new, old in zip(found, start, strict=True))
    lonely = federated(pool("building_02"), sources_of(homes[1:2]), 24, plan, nothing)
    assert all(np.array_equal(new, old) for new, old in zip(lonely, start, strict=True))


def cases(monkeypatch: pytest.MonkeyPatch, homes: list[Home]) -> tuple[list[str], list[str], list[str]]:
    """Judged homes, names of the cases, and who attacked in them."""
    attackers: list[str] = []

    def train(*args: object) -> Weights:
        bad = args[-1]
        attackers.extend([bad.home] if isinstance(bad, Attack) else [])
        return initial_weights(24, 1)

    monkeypatch.setattr(parts, "federated", train)
    arms = Arms(homes, pool(), PLAN, nothing)
    arms.federated = initial_weights(24, 0)
    found = robustness(arms, homes, PLAN, pool(), nothing)
    return found["good_homes"], list(found["cases"]), attackers


def test_whoever_sends_nonsense_is_not_judged(monkeypatch: pytest.MonkeyPatch, homes: list[Home]) -> None:
    judged, names, attackers = cases(monkeypatch, homes)
    assert judged == ["building_01", "building_02", "building_03"]
    assert names == ["building_04 sends 100 times its weights", "the same, trimmed mean, absurd updates kept"]
    assert set(attackers) == {"building_04"}


def test_two_homes_have_no_defence_to_measure(monkeypatch: pytest.MonkeyPatch, homes: list[Home]) -> None:
    assert cases(monkeypatch, homes[:2]) == (["building_01"], [], [])
    assert "fewer than 3 homes; 2 train together" in str(undefended(homes[:2]))
    assert undefended(homes[:3]) is None
