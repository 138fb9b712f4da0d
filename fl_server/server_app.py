"""Flower's ServerApp: rounds of weighted averaging, each reported to the hub and to the log."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp

from building_clients.architecture import HEAD, Weights, initial_weights, model_hash, shapes
from building_clients.differential_privacy import epsilon_of, release_cost
from building_clients.settings import LearningConfig, learning_config
from building_clients.wire import packed
from fl_server.checkpoint import Checkpoint, CheckpointError, last_checkpoint, save_checkpoint
from fl_server.grid import AttentiveGrid
from fl_server.report import ModelRelease, RoundOutcome, RoundReport, send_release, send_report, table
from fl_server.secure_round import SecureFedAvg
from fl_server.strategy import BuildingFedAvg
from simulation.errors import MicrogridError

log = logging.getLogger("flwr")

HOURS_PER_DAY = 24
NODE_POLL_S = 0.5

app = ServerApp()


class RunError(MicrogridError):
    """A federated run cannot go on; the text says why and what to do."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One training run. Raises RunError when too few buildings are there or none could train."""
    values: dict[str, Any] = {key.replace("-", "_"): value for key, value in context.run_config.items()}
    config = learning_config(values)
    horizon = HOURS_PER_DAY * 60 // int(values["slot_minutes"])
    folder = Path(str(values["checkpoint_dir"])) if values["checkpoint_dir"] else None
    start = replace(first_checkpoint(folder, config, horizon, str(values["start"])), run_id=str(context.run_id))
    reports = Reports(start.run_id, config, str(values["hub_url"]), start.privacy_cost)
    attentive = AttentiveGrid(grid)
    strategy = (SecureFedAvg if config.secure_aggregation else BuildingFedAvg)(
        config,
        shapes(horizon)[: len(start.weights)],
        config.history_days * horizon,
        reports.add,
        lambda grid: wait_for_buildings(grid, config),
        attentive.sender_of,
        start.velocity,
    )
    final = run_rounds(attentive, strategy, config, start, reports, folder)
    log.info("Federated rounds:\n%s", table(reports.all))
    ended = replace(final, ended=True)
    if not final.successful:
        _keep(folder, ended)
        reasons = "; ".join(f"{d.building_id}: {d.reason}" for report in reports.all for d in report.dropped)
        raise RunError(f"no building could train in {config.rounds} rounds: {reasons or 'none answered in time'}")
    reports.release(final.weights)
    answers = attentive.send_and_receive(
        strategy.release(packed(final.weights), ConfigRecord(config.model_dump()), attentive),
        timeout=config.round_timeout_seconds,
    )
    for name, why in strategy.refusals(answers):
        log.warning("%s has not confirmed the released model: %s", name, why)
    _keep(folder, ended)


def run_rounds(
    grid: AttentiveGrid,
    strategy: BuildingFedAvg,
    config: LearningConfig,
    start: Checkpoint,
    reports: Reports,
    folder: Path | None,
) -> Checkpoint:
    """Every round that is not done yet, each followed by a checkpoint; returns that after the last."""
    state = start
    for server_round in range(start.rounds_done + 1, config.rounds + 1):
        reports.begin_round()
        state = replace(
            state,
            rounds_done=server_round,
            weights=strategy.play(server_round, state.weights, grid) or state.weights,
            velocity=strategy.server.velocity,
            privacy_cost=reports.privacy_cost,
            successful=start.successful + strategy.successful_rounds,
        )
        _keep(folder, state)
    return state


def _keep(folder: Path | None, checkpoint: Checkpoint) -> None:
    if folder is not None:
        save_checkpoint(folder, checkpoint)


def first_checkpoint(folder: Path | None, config: LearningConfig, horizon: int, start: str) -> Checkpoint:
    """Where a run begins: `resume` an old one, from the `last` model, or `fresh`. Raises CheckpointError."""
    known = None if folder is None or start == "fresh" else last_checkpoint(folder, config, horizon)
    if start == "resume":
        if known is None:
            raise CheckpointError(f"there is no checkpoint to resume in {folder}; run without --resume")
        log.info("resuming after round %d of %d", known.rounds_done, config.rounds)
        return replace(known, of_rounds=config.rounds, ended=False)
    if known is not None:
        return Checkpoint(0, config.rounds, known.weights, privacy_cost=known.privacy_cost)
    count = HEAD.start if config.personal_heads else None
    return Checkpoint(0, config.rounds, initial_weights(horizon, config.seed)[:count])


def wait_for_buildings(grid: Grid, config: LearningConfig) -> list[int]:
    """Node ids of the connected buildings, once they are enough. Raises RunError after `node_wait_seconds`."""
    deadline = time.monotonic() + config.node_wait_seconds
    while len(nodes := list(grid.get_node_ids())) < config.min_available_nodes:
        if time.monotonic() > deadline:
            raise RunError(
                f"{len(nodes)} buildings are connected after {config.node_wait_seconds} s, the run needs "
                f"{config.min_available_nodes} (learning.min_available_nodes); start them with ./microgrid building"
            )
        time.sleep(NODE_POLL_S)
    return nodes


class Reports:
    """Collects the rounds of a run and sends each to the hub."""

    def __init__(self, run_id: str, config: LearningConfig, hub_url: str, privacy_cost: float) -> None:
        self._run_id = run_id
        self._config = config
        self._hub_url = hub_url
        self.privacy_cost = privacy_cost
        """That of the model so far, as in a checkpoint [1]"""
        self.all: list[RoundReport] = []
        """Rounds so far."""
        self._began = time.monotonic()

    def begin_round(self) -> None:
        """A round starts now."""
        self._began = time.monotonic()

    def release(self, weights: Weights) -> None:
        """Announce the model that the buildings are about to get."""
        release = ModelRelease(model_hash=model_hash(weights), run_id=self._run_id, at=datetime.now(UTC))
        log.info("released model %s", release.model_hash)
        send_release(self._hub_url, release)

    def add(self, server_round: int, outcome: RoundOutcome) -> None:
        """Record a finished round."""
        private = self._config.privacy != "none"
        self.privacy_cost += self._cost(outcome)
        report = RoundReport(
            run_id=self._run_id,
            round=server_round,
            of_rounds=self._config.rounds,
            at=datetime.now(UTC),
            seconds=time.monotonic() - self._began,
            epsilon=epsilon_of(self.privacy_cost, self._config.privacy_delta) if private else None,
            **{name: getattr(outcome, name) for name in RoundOutcome.model_fields},
        )
        self.all.append(report)
        for building in outcome.dropped:
            log.warning("round %d: %s is left out: %s", server_round, building.building_id, building.reason)
        send_report(self._hub_url, report)

    def _cost(self, outcome: RoundOutcome) -> float:
        """Of a round: with privacy also of one whose result is thrown away, since somebody has seen it."""
        if self._config.privacy != "none":
            return release_cost(self._config.noise_multiplier)
        return inf if outcome.participants else 0.0
