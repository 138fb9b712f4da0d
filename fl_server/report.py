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
    num_examples: int | None = Field(default=None, ge=0, lt=2**53)
    """Training windows; the weight in the average [1]; None when secure aggregation hides it."""
    train_loss: float | None = None
    """Mean loss of its gradient steps [1]; None when hidden, as with every kind of privacy."""
    loss_before: float | None = None
    """Loss of the incoming global model on its own validation windows [1]; None when hidden, as with every privacy."""
    train_seconds: float | None = None
    """How long it trained [wall s]; None when hidden."""


class Dropped(Settings):
    """A building whose update was left out."""

    building_id: str = Field(max_length=64)
    """Id of the building, or of its node when it could not say."""
    reason: str = Field(max_length=2000)
    """Why."""


class RoundOutcome(Settings):
    """What a round came to, as far as the averaging can tell."""

    participants: tuple[Participant, ...]
    """Buildings whose weights were averaged."""
    num_examples: int = Field(ge=0, lt=2**53)
    """Training windows of all participants [1]"""
    loss: float | None
    """Mean of `loss_before`, weighted by `num_examples`: the error of the model that the round started from [1];
    None when nobody took part."""
    train_loss: float | None = None
    """Mean of `train_loss`, weighted alike [1]"""
    dropped: tuple[Dropped, ...] = ()
    """Buildings that were left out."""


class RoundReport(RoundOutcome):
    """One round of federated averaging."""

    run_id: str = Field(max_length=64)
    """Flower's id of the run."""
    round: int = Field(ge=1, lt=2**53)
    """Number of the round, from 1."""
    of_rounds: int = Field(ge=1, lt=2**53)
    """Rounds of the run."""
    at: UtcDatetime
    """Wall time at which the round ended."""
    seconds: float = Field(default=0.0, ge=0)
    """How long the round took [wall s]"""
    epsilon: float | None = None
    """Differential privacy spent by the model so far, at `learning.privacy_delta` [1]; None without privacy.
    It covers the weights, not the counts, losses and times in the reports."""

    @property
    def loss_text(self) -> str:
        """The loss for people; a dash when there is none."""
        return _loss(self.loss)


class ModelRelease(Settings):
    """A global model that is given to the buildings."""

    model_hash: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    """Its identity, which the operator anchors on chain."""
    run_id: str = Field(max_length=64)
    """Flower's id of the run that made it."""
    at: UtcDatetime
    """Wall time of the release."""


def send_release(hub_url: str, release: ModelRelease) -> None:
    """Tell the hub, so that the operator anchors the hash; buildings refuse a model that is not anchored."""
    if not hub_url:
        return
    try:
        HubClient(hub_url).post("/api/models", release.model_dump(mode="json"))
    except HubError as error:
        log.warning("the released model is not at the hub, nobody will anchor it: %s", error)


def send_report(hub_url: str, report: RoundReport) -> None:
    """Tell the hub, when there is one; its absence is logged and does not stop the run."""
    if not hub_url:
        return
    try:
        HubClient(hub_url).post("/api/rounds", report.model_dump(mode="json"))
    except HubError as error:
        log.warning("round %d is not at the hub: %s", report.round, error)


def mean_of(participants: Sequence[Participant], dropped: Sequence[Dropped]) -> RoundOutcome:
    """The outcome of a round in which every participant's numbers are known."""
    total = sum(p.num_examples or 0 for p in participants)

    def mean(name: str) -> float | None:
        return sum(getattr(p, name) * p.num_examples for p in participants) / total if total else None

    return RoundOutcome(
        participants=tuple(participants),
        num_examples=total,
        loss=mean("loss_before"),
        train_loss=mean("train_loss"),
        dropped=tuple(dropped),
    )


def without_losses(outcome: RoundOutcome) -> RoundOutcome:
    """The outcome without the losses of single buildings: no noise covers them."""
    hidden = {"train_loss": None, "loss_before": None}
    participants = tuple(one.model_copy(update=hidden) for one in outcome.participants)
    return outcome.model_copy(update={"participants": participants})


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def table(reports: Sequence[RoundReport]) -> str:
    """The rounds of a run as lines of text."""
    lines = ["round  buildings  windows  loss    train loss  left out"]
    for report in reports:
        gone = ", ".join(dropped.building_id for dropped in report.dropped) or "-"
        lines.append(
            f"{report.round:>5}  {len(report.participants):>9}  {report.num_examples:>7}  {report.loss_text:<6}  "
            f"{_loss(report.train_loss):>10}  {gone}"
        )
    return "\n".join(lines)
