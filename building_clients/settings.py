"""Typed scenario section of learning, shared by the buildings and the federation server."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import Literal

from pydantic import Field, model_validator

from simulation.settings import Settings

SMALLEST = 3
"""Fewer buildings than this cannot hide their updates from each other [1]"""
STAGE_S = 60.0
"""Time for each of the three stages without training of a round with secure aggregation [wall s]"""
LAST_RATE = 0.1
"""What the learning rate falls towards over the rounds of a run, as a share [1]"""
TUNING_RATE = 0.25
"""What fine-tuning in a building starts with, as a share [1]"""


class LearningConfig(Settings):
    """How the buildings learn together. The same names, with dashes, are Flower's run configuration."""

    rounds: int = Field(default=3, ge=1, le=1000)
    """Rounds of one training run [1]"""
    local_steps: int = Field(default=60, ge=1, le=100_000)
    """Gradient steps of each building in a round [1]"""
    batch_size: int = Field(default=16, ge=1, le=4096)
    """Windows per gradient step [1]"""
    learning_rate: float = Field(default=0.004, gt=0, le=1)
    """Adam's step size at the start of the first round; it falls in each round and over the rounds [1]"""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of LSTM outputs dropped in training [1]"""
    history_days: int = Field(default=365, ge=3, le=3660)
    """Newest part of its readings that a building trains on [d]"""
    proximal_mu: float = Field(default=0.0, ge=0, le=100)
    """FedProx: pull of the shared weights on a building's training; 0 for none [1]"""
    aggregation: Literal["fedavg", "trimmed_mean", "median"] = "fedavg"
    """How updates become one: mean weighted by windows, or, against poisoned ones, a robust average of equals"""
    trim_share: float = Field(default=0.2, ge=0, lt=0.5)
    """Smallest and largest part that `trimmed_mean` leaves out of each number [1]"""
    server_momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of its last step the server repeats; 0 for plain averages [1]"""
    privacy: Literal["none", "central", "local"] = "none"
    """Differential privacy of each building's updates: noise added by the server, or by every building itself"""
    clip_norm: float = Field(default=1.0, gt=0, le=1e6)
    """With `privacy`: largest norm of a building's update [1]"""
    noise_multiplier: float = Field(default=1.0, ge=0.01, le=1e6)
    """With `privacy`: standard deviation of the noise over `clip_norm` [1]"""
    privacy_delta: float = Field(default=1e-3, gt=0, lt=1)
    """With `privacy`: delta at which the spent epsilon is reported; choose it well below 1 / buildings [1]"""
    secure_aggregation: bool = False
    """Whether updates travel masked, so that the server learns their sum alone; needs three buildings"""
    personal_heads: bool = False
    """Whether each building keeps the two heads to itself and shares only the rest of the network"""
    personal_steps: int = Field(default=100, ge=0, le=10_000)
    """Gradient steps with which a building fits a released model to itself, kept if its own validation improves [1]"""
    seed: int = Field(default=7, ge=0)
    """Seed of initial weights and of batch order"""
    min_available_nodes: int = Field(default=2, ge=1)
    """Buildings that must be connected before a round starts [1]"""
    node_wait_seconds: int = Field(default=120, ge=1)
    """A run that finds fewer buildings for this long fails with a clear message [wall s]"""
    round_timeout_seconds: int = Field(default=180, ge=5)
    """A building that has not answered by then is left out of the round [wall s]"""
    night_hour: int = Field(default=2, ge=0, le=23)
    """Local hour of each simulated night at which `up` starts a training run"""
    superlink: str = Field(default="127.0.0.1:8710", pattern=r"^[^\s:/]+:\d+$")
    """Address of the Flower SuperLink (host:port)"""

    @model_validator(mode="after")
    def _means_only(self) -> LearningConfig:
        if self.privacy == "central" and self.aggregation != "fedavg":
            raise ValueError(
                f'privacy = "central" makes its noise for a mean, which hides nobody in a {self.aggregation}; '
                'choose aggregation = "fedavg", or privacy = "local"'
            )
        return self

    @model_validator(mode="after")
    def _sums_only(self) -> LearningConfig:
        if self.secure_aggregation and self.aggregation != "fedavg":
            raise ValueError(
                f"secure_aggregation shows the server a sum alone, of which no {self.aggregation} can be taken; "
                'choose aggregation = "fedavg"'
            )
        if self.secure_aggregation and self.min_available_nodes < SMALLEST:
            raise ValueError(
                f"secure_aggregation hides nothing among fewer than {SMALLEST} buildings; "
                f"set min_available_nodes to {SMALLEST} or more (it is {self.min_available_nodes})"
            )
        return self

    @property
    def longest_round_s(self) -> float:
        """Most time that a round can take, with the wait for buildings before it [wall s]"""
        stages_s = 3 * STAGE_S if self.secure_aggregation else 0.0
        return self.node_wait_seconds + self.round_timeout_seconds + stages_s

    def rate_of(self, server_round: int) -> float:
        """Step size at the start of a round, from 1: a cosine from the whole rate to a tenth of it."""
        done = (server_round - 1) / self.rounds
        return self.learning_rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + cos(pi * done)))


def learning_config(values: Mapping[str, object]) -> LearningConfig:
    """Hyper-parameters of a message; keys of Flower's own and of the server are left out."""
    known = {key: value for key, value in values.items() if key in LearningConfig.model_fields}
    return LearningConfig.model_validate(known)
