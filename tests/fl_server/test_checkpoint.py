"""A checkpoint is whole or refused: cut short, flipped, of another model, of another resolution."""

from contextlib import nullcontext
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building_clients.architecture import HEAD, initial_weights
from building_clients.settings import LearningConfig
from fl_server import checkpoint
from fl_server.checkpoint import (
    FACTS,
    FILE,
    Checkpoint,
    CheckpointError,
    last_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

WEIGHTS = initial_weights(24, 5)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    velocity = [array + 1 for array in WEIGHTS]
    save_checkpoint(tmp_path / "new" / "folder", Checkpoint(2, 5, WEIGHTS, velocity, 0.7, 2, "42", True))
    known = load_checkpoint(tmp_path / "new" / "folder", 24)
    assert known is not None
    assert [getattr(known, name) for name in FACTS] == [2, 5, 0.7, 2, "42", True]
    assert known.velocity is not None
    for one, other in zip([*known.weights, *known.velocity], [*WEIGHTS, *velocity], strict=True):
        np.testing.assert_array_equal(one, other)


def test_there_may_be_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, 24) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.floats(0, 0.9999))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, share: float) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"is damaged or of an older .* afresh with .* --fresh"):
        load_checkpoint(tmp_path, 24)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.floats(0, 0.9999), st.integers(0, 7))
def test_a_flipped_bit_is_refused(tmp_path: Path, where: float, bit: int) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    content = bytearray((tmp_path / FILE).read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="its checksum is wrong"):
        load_checkpoint(tmp_path, 24)


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    with pytest.raises(CheckpointError, match="its format is 2 instead of 3"):
        load_checkpoint(tmp_path, 24)


@pytest.mark.parametrize(("cost", "refused"), [(0.5, False), (inf, True)])
def test_a_model_trained_without_noise_is_no_start_for_privacy(tmp_path: Path, cost: float, refused: bool) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS, privacy_cost=cost))
    assert last_checkpoint(tmp_path, LearningConfig(), 24) is not None
    with pytest.raises(CheckpointError, match=r"trained without noise.* --fresh") if refused else nullcontext():
        last_checkpoint(tmp_path, LearningConfig(privacy="central"), 24)


@pytest.mark.parametrize(("horizon", "count"), [(96, None), (24, HEAD.start)])
def test_another_model_is_refused(tmp_path: Path, horizon: int, count: int | None) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    with pytest.raises(CheckpointError, match=r"is of another model .* start afresh with .* --fresh"):
        load_checkpoint(tmp_path, horizon, count)
