"""What one federated round came to, for the hub and the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import Field

from contracts.hub_client import HubClient, HubError
from simulation.settings import Settings, UtcDatetime

log = logging.getLogger(__name__)


class Participant(Settings):
    """One building's part in a round."""

    building_id: str = Field(max_length=64)
    """Id of the building."""
    num_examples: int = Field(ge=0, lt=2**53)
    """Training windows; the weight in the average [1]"""
    train_loss: float
    """Mean loss of its gradient steps [1]"""
    loss_before: float
    """Loss of the incoming global model on its own validation windows [1]"""


class Dropped(Settings):
    """A building whose update was left out."""

    building_id: str = Field(max_length=64)
    """Id of the building, or of its node when it could not say."""
    reason: str = Field(max_length=2000)
    """Why."""


class RoundReport(Settings):
    """One round of federated averaging."""

    run_id: str = Field(max_length=64)
    """Flower's id of the run."""
    round: int = Field(ge=1, lt=2**53)
    """Number of the round, from 1."""
    of_rounds: int = Field(ge=1, lt=2**53)
    """Rounds of the run."""
    participants: tuple[Participant, ...]
    """Buildings whose weights were averaged."""
    num_examples: int = Field(ge=0, lt=2**53)
    """Training windows of all participants [1]"""
    loss: float | None
    """Mean of `loss_before`, weighted by `num_examples`: the error of the model that the round started from [1];
    None when nobody took part."""
    at: UtcDatetime
    """Wall time at which the round ended."""
    dropped: tuple[Dropped, ...] = ()
    """Buildings that were left out."""
    epsilon: float | None = None
    """Differential privacy spent by the model so far, at `learning.privacy_delta` [1]; None without privacy."""

    @property
    def loss_text(self) -> str:
        """The loss for people; a dash when there is none."""
        return "-" if self.loss is None else f"{self.loss:.4f}"


def send_report(hub_url: str, report: RoundReport) -> None:
    """Tell the hub, when there is one; its absence is logged and does not stop the run."""
    if not hub_url:
        return
    try:
        HubClient(hub_url).post("/api/rounds", report.model_dump(mode="json"))
    except HubError as error:
        log.warning("round %d is not at the hub: %s", report.round, error)


def table(reports: Sequence[RoundReport]) -> str:
    """The rounds of a run as lines of text."""
    lines = ["round  buildings  windows  loss    train loss  left out"]
    for report in reports:
        total = max(1, report.num_examples)
        trained = sum(p.train_loss * p.num_examples for p in report.participants) / total
        gone = ", ".join(dropped.building_id for dropped in report.dropped) or "-"
        lines.append(
            f"{report.round:>5}  {len(report.participants):>9}  {report.num_examples:>7}  {report.loss_text:<6}  "
            f"{trained:>10.4f}  {gone}"
        )
    return "\n".join(lines)
