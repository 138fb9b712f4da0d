"""A checkpoint is whole or refused: cut short, flipped, of another model, of another resolution."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building_clients.architecture import HEAD, initial_weights
from fl_server.checkpoint import FILE, Checkpoint, CheckpointError, load_checkpoint, save_checkpoint

WEIGHTS = initial_weights(24, 5)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    velocity = [array + 1 for array in WEIGHTS]
    save_checkpoint(tmp_path / "new" / "folder", Checkpoint(2, 5, WEIGHTS, velocity, 7, True))
    known = load_checkpoint(tmp_path / "new" / "folder", 24)
    assert known is not None
    assert (known.rounds_done, known.of_rounds, known.releases, known.ended) == (2, 5, 7, True)
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
    with pytest.raises(CheckpointError, match=r"is damaged .* start afresh with --fresh"):
        load_checkpoint(tmp_path, 24)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.floats(0, 0.9999), st.integers(0, 7))
def test_a_flipped_bit_changes_nothing_or_is_refused(tmp_path: Path, where: float, bit: int) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    content = bytearray((tmp_path / FILE).read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (tmp_path / FILE).write_bytes(content)
    try:
        known = load_checkpoint(tmp_path, 24)
    except CheckpointError:
        return
    assert known is not None
    assert all((one == other).all() for one, other in zip(known.weights, WEIGHTS, strict=True))


@pytest.mark.parametrize(("horizon", "count"), [(96, None), (24, HEAD.start)])
def test_another_model_is_refused(tmp_path: Path, horizon: int, count: int | None) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, 2, WEIGHTS))
    with pytest.raises(CheckpointError, match=r"is of another model .* start afresh with --fresh"):
        load_checkpoint(tmp_path, horizon, count)
