"""Flower's ServerApp: rounds of weighted averaging, each reported to the hub and to the log."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp

from building_clients.architecture import initial_weights, shapes
from building_clients.settings import LearningConfig
from fl_server.grid import AttentiveGrid
from fl_server.report import Dropped, Participant, RoundReport, send_report, table
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
    config = LearningConfig.model_validate({k: v for k, v in values.items() if k in LearningConfig.model_fields})
    horizon = HOURS_PER_DAY * 60 // int(values["slot_minutes"])
    reports = Reports(str(context.run_id), config.rounds, str(values["hub_url"]))
    attentive = AttentiveGrid(grid)
    strategy = BuildingFedAvg(
        config.rounds,
        shapes(horizon),
        reports.add,
        lambda grid: wait_for_buildings(grid, config),
        attentive.sender_of,
    )
    strategy.start(
        grid=attentive,
        initial_arrays=ArrayRecord(initial_weights(horizon, config.seed)),
        num_rounds=config.rounds,
        timeout=config.round_timeout_seconds,
        train_config=ConfigRecord(config.model_dump()),
    )
    log.info("Federated rounds:\n%s", table(reports.all))
    if not strategy.successful_rounds:
        reasons = "; ".join(f"{d.building_id}: {d.reason}" for report in reports.all for d in report.dropped)
        raise RunError(f"no building could train in {config.rounds} rounds: {reasons or 'none answered in time'}")


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

    def __init__(self, run_id: str, rounds: int, hub_url: str) -> None:
        self._run_id = run_id
        self._rounds = rounds
        self._hub_url = hub_url
        self.all: list[RoundReport] = []
        """Rounds so far."""

    def add(self, server_round: int, participants: list[Participant], dropped: list[Dropped]) -> None:
        """Record a finished round."""
        total = sum(p.num_examples for p in participants)
        loss = sum(p.loss_before * p.num_examples for p in participants) / total if total else None
        report = RoundReport(
            run_id=self._run_id,
            round=server_round,
            of_rounds=self._rounds,
            participants=tuple(participants),
            num_examples=total,
            loss=loss,
            at=datetime.now(UTC),
            dropped=tuple(dropped),
        )
        self.all.append(report)
        for building in dropped:
            log.warning("round %d: %s is left out: %s", server_round, building.building_id, building.reason)
        send_report(self._hub_url, report)
