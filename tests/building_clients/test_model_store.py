"""Kept models against a plain dictionary that remembers everything, and against files cut short and bits flipped."""

import logging
import random
from pathlib import Path

import pytest

from building_clients.architecture import Weights, initial_weights, model_hash
from building_clients.kept_model import ModelError
from building_clients.model_store import KEPT, ModelStore

HORIZON = 24


def weights(seed: int) -> Weights:
    return initial_weights(HORIZON, seed)


def store(folder: Path | None, adopted: int = 0) -> ModelStore:
    """The store of a folder, after so many adoptions: the weights of version n are those of seed n."""
    opened = ModelStore(folder, HORIZON)
    for seed in range(1, adopted + 1):
        opened.keep(weights(seed), seed / 10)
    return opened


def spoil(folder: Path, version: int) -> None:
    file = folder / "models" / f"version-{version}.npz"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def in_use(opened: ModelStore) -> tuple[int, str | None]:
    kept = opened.in_use()
    if kept is None:
        return 0, None
    assert model_hash(kept.weights) == kept.hash
    return kept.version, kept.hash


def test_the_newest_models_are_kept_with_their_record(tmp_path: Path) -> None:
    opened = store(tmp_path, KEPT + 2)
    assert opened.versions() == [5, 4, 3]
    for version in opened.versions():
        kept = opened.read(version)
        assert (kept.version, kept.own_loss) == (version, version / 10)
        assert kept.hash == model_hash(weights(version)) == model_hash(kept.weights)
    assert in_use(opened) == in_use(store(tmp_path)) == (5, model_hash(weights(5)))
    assert sorted(file.name for file in (tmp_path / "models").iterdir()) == [f"version-{n}.npz" for n in (3, 4, 5)]


def test_a_loss_that_is_no_number_is_kept_as_unknown(tmp_path: Path) -> None:
    store(tmp_path).keep(weights(1), float("nan"))
    assert store(tmp_path).read(1).own_loss is None


def test_without_a_folder_the_newest_is_in_memory() -> None:
    opened = store(None, 2)
    assert (in_use(opened), opened.versions()) == ((2, model_hash(weights(2))), [])
    with pytest.raises(ModelError, match="no model version 1 is kept; there are: none"):
        opened.choose(1)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_newest_file_cut_short_gives_way_to_the_one_before(
    tmp_path: Path, keep: float, caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path, 2)
    file = tmp_path / "models" / "version-2.npz"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    survivor = store(tmp_path)
    assert in_use(survivor) == (1, model_hash(weights(1)))
    assert f"{file} cannot be used" in caplog.text
    assert "version 1 is used in place of version 2" in caplog.text
    survivor.keep(weights(9), None)
    assert in_use(survivor) == (3, model_hash(weights(9)))  # the number of the damaged one is not given again


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    opened = store(tmp_path, 1)
    file = tmp_path / "models" / "version-1.npz"
    content, chance = file.read_bytes(), random.Random(1)
    for place in [0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(60))]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        file.write_bytes(flipped)
        with pytest.raises(ModelError, match="cannot be used"):
            opened.read(1)


def test_a_file_under_another_number_is_not_believed(tmp_path: Path) -> None:
    opened = store(tmp_path, 2)
    (tmp_path / "models" / "version-1.npz").rename(tmp_path / "models" / "version-7.npz")
    with pytest.raises(ModelError, match=r"version-7\.npz is damaged \(it holds version 1\)"):
        opened.read(7)
    assert store(tmp_path).version == 2


def test_nothing_sound_is_said_and_ends_with_the_next_adoption(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path, 2)
    spoil(tmp_path, 1)
    spoil(tmp_path, 2)
    opened = store(tmp_path)
    assert in_use(opened) == (0, None)
    assert "holds no sound model; the seasonal base forecasts" in caplog.text
    with pytest.raises(ModelError, match="no sound model is kept"):
        opened.older()
    opened.keep(weights(8), None)
    assert in_use(store(tmp_path)) == (3, model_hash(weights(8)))


def test_a_choice_reaches_the_process_that_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = store(tmp_path, 3)
    assert not running.chosen
    with caplog.at_level(logging.INFO):
        store(tmp_path).choose(2)
        assert in_use(running) == in_use(store(tmp_path)) == (2, model_hash(weights(2)))
    assert running.chosen
    assert caplog.text.count("version 2 is in use from now on") == 1
    assert store(tmp_path).older() == 1
    running.keep(weights(4), None)
    assert (in_use(running), running.chosen) == ((4, model_hash(weights(4))), False)
    assert in_use(store(tmp_path)) == (4, model_hash(weights(4)))


def test_a_choice_that_cannot_be_made_names_what_can(tmp_path: Path) -> None:
    opened = store(tmp_path, 4)
    with pytest.raises(ModelError, match="no model version 1 is kept; there are: 4, 3, 2"):
        opened.choose(1)
    spoil(tmp_path, 3)
    with pytest.raises(ModelError, match=r"version-3\.npz cannot be used"):
        opened.choose(3)
    assert opened.older() == 2
    opened.choose(2)
    with pytest.raises(ModelError, match="no model older than version 2 is kept"):
        opened.older()
    assert in_use(opened)[0] == 2


def test_a_damaged_choice_says_what_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store(tmp_path, 3).choose(2)
    spoil(tmp_path, 2)
    assert in_use(store(tmp_path))[0] == 1  # a person turned away from the newer one
    assert "version 1 is used in place of version 2" in caplog.text
    (tmp_path / "models" / "chosen").write_bytes(b"\xff\x00")
    assert in_use(store(tmp_path))[0] == 3
    assert "chosen is damaged" in caplog.text


def test_the_file_of_an_earlier_form_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "model.npz").write_bytes(b"old")
    assert in_use(store(tmp_path)) == (0, None)
    assert f"{tmp_path / 'model.npz'} is of an earlier form" in caplog.text


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_events_is_as_remembered(tmp_path: Path, seed: int) -> None:
    """Adoptions, choices and restarts in any order, against a dictionary."""
    chance, hashes, now = random.Random(seed), dict[int, str](), 0
    running = store(tmp_path)
    for event in range(25):
        what = chance.choice(["adopt", "adopt", "choose", "restart", "back"])
        kept = sorted(hashes)[-KEPT:]
        if what == "adopt":
            running.keep(weights(event), None)
            now = len(hashes) + 1
            hashes[now] = model_hash(weights(event))
        elif what == "choose" and kept:
            now = chance.choice(kept)
            store(tmp_path).choose(now)
        elif what == "back" and now and now > kept[0]:
            store(tmp_path).choose(store(tmp_path).older())
            now -= 1
        elif what == "restart":
            running = store(tmp_path)
        assert in_use(running) == (now, hashes.get(now))
        assert running.versions() == sorted(hashes, reverse=True)[:KEPT]
