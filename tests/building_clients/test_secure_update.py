"""What a building says in a round of secure aggregation, and what it refuses to say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building_clients.masking import COUNT_MAX, LARGEST, averaged, mask, masked, quantised
from building_clients.secure_update import SecureError, State, hide, make_keys, make_shares, reveal

NODES = (11, 22, 33, 44)
VECTOR = np.arange(5, dtype=np.uint64)
Shares = dict[int, dict[int, bytes]]


class Round:
    """Four buildings after the second stage."""

    def __init__(self, nodes: tuple[int, ...] = NODES) -> None:
        made = {node: make_keys() for node in nodes}
        self.public = {node: public for node, (_, public) in made.items()}
        self.states: dict[int, State] = {}
        self.shares: Shares = {}
        for node, (state, _) in made.items():
            self.states[node], self.shares[node] = make_shares(state, node, self.public)

    def received(self, node: int) -> dict[int, bytes]:
        return {other: self.shares[other][node] for other in self.shares if other != node}

    def hidden(self, node: int) -> State:
        return hide(self.states[node], node, self.received(node), VECTOR)[0]


@given(
    st.lists(st.floats(-LARGEST, LARGEST, width=32), min_size=6, max_size=6),
    st.lists(st.floats(-LARGEST, LARGEST, width=32), min_size=6, max_size=6),
    st.integers(1, COUNT_MAX),
    st.integers(1, COUNT_MAX),
)
@settings(max_examples=200, deadline=None)
def test_the_sum_of_fixed_point_vectors_is_the_weighted_mean(a: Any, b: Any, count_a: int, count_b: int) -> None:
    shapes: list[tuple[int, ...]] = [(2, 2), (1,)]
    vectors = []
    for numbers, count in ((a, count_a), (b, count_b)):
        update = [np.array(numbers[:4], np.float32).reshape(2, 2), np.array(numbers[4:5], np.float32)]
        vectors.append(quantised(update, (numbers[5],), count))
    mean, losses, count = averaged(vectors[0] + vectors[1], shapes, 1, 2)
    wanted = np.average([a, b], axis=0, weights=[count_a, count_b])
    assert count == count_a + count_b
    found = [*mean[0].reshape(-1), *mean[1], *losses]
    assert np.abs(found - wanted).max() <= 2.0**-24 + 1e-6 * np.abs(wanted).max()


def test_a_thousand_buildings_with_the_largest_numbers_do_not_overflow() -> None:
    one = quantised([np.full(3, -LARGEST)], (LARGEST,), COUNT_MAX)
    mean, losses, count = averaged(one * np.uint64(1000), [(3,)], 1, 1000)
    assert (count, losses, mean[0].tolist()) == (1000 * COUNT_MAX, (LARGEST,), [-LARGEST] * 3)


@pytest.mark.parametrize(
    ("update", "loss", "count", "words"),
    [
        ([np.nan], 0.1, 5, "nan"),
        ([np.inf], 0.1, 5, "inf"),
        ([65.0], 0.1, 5, "reaches 65; 64 is the most"),
        ([1.0], float("nan"), 5, "nan"),
        ([1.0], 0.1, 0, "0 samples"),
        ([1.0], 0.1, COUNT_MAX + 1, "between 1 and 1,000,000"),
    ],
)
def test_numbers_that_a_sum_cannot_hold_are_refused(update: list[float], loss: float, count: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        quantised([np.array(update)], (loss,), count)


def test_a_sum_with_a_mask_left_in_it_is_refused() -> None:
    vectors = [quantised([np.ones(50)], (0.5,), 10) for _ in range(3)]
    total = np.sum(vectors, axis=0, dtype=np.uint64) + mask(bytes(32), 52)
    with pytest.raises(ValueError, match=r"add up to|reaches"):
        averaged(total, [(50,)], 1, 3)


def test_masks_are_rfc_8439_streams() -> None:
    # RFC 8439, appendix A.1, test vector 1: key and nonce of zeros, block 0.
    assert mask(bytes(32), 2).tobytes().hex() == "76b8e0ada0f13d90405d6ae55386bd28"


def test_pairwise_masks_vanish_in_the_sum_and_nothing_else_does() -> None:
    seeds = {(a, b): bytes([a + b]) * 32 for a in (1, 2, 3) for b in (1, 2, 3) if a < b}
    hidden = np.zeros(5, np.uint64)
    for me in (1, 2, 3):
        shared = {other: seeds[min(me, other), max(me, other)] for other in (1, 2, 3) if other != me}
        hidden = hidden + masked(VECTOR, bytes([100 + me]) * 32, shared, me)
    own = sum((mask(bytes([100 + me]) * 32, 5) for me in (1, 2, 3)), np.zeros(5, np.uint64))
    assert (hidden - own == VECTOR * 3).all()


def test_two_buildings_cannot_hide() -> None:
    state, public = make_keys()
    with pytest.raises(SecureError, match="2 buildings cannot hide from each other; 3 can"):
        make_shares(state, 1, {1: public, 2: make_keys()[1]})


def _spoilt(change: Callable[[dict[int, Any], dict[str, bytes]], None], words: str) -> Any:
    return pytest.param(change, words, id=words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        _spoilt(lambda public, own: public.pop(11), "another key for this building"),
        _spoilt(lambda public, own: public.update({11: make_keys()[1]}), "another key for this building"),
        _spoilt(lambda public, own: public.update({22: public[33]}), "two buildings have the same key"),
        _spoilt(lambda public, own: public[22].update(cipher=b"\x02" + b"\xff" * 48), "a public key is none"),
        _spoilt(lambda public, own: public[22].update(cipher=b""), "a public key is none"),
    ],
)
def test_unsound_keys_are_refused(change: Callable[[Any, Any], None], words: str) -> None:
    state, own = make_keys()
    public = {11: own, **{node: make_keys()[1] for node in (22, 33, 44)}}
    change(public, own)
    with pytest.raises(SecureError, match=words):
        make_shares(state, 11, public)


def test_secrets_meant_for_another_or_damaged_are_refused() -> None:
    round_ = Round()
    for text in (round_.shares[22][33], b"nonsense"):
        with pytest.raises(SecureError, match="shared by node 22 are damaged"):
            hide(dict(round_.states[11]), 11, round_.received(11) | {22: text}, VECTOR)
    with pytest.raises(SecureError, match="node 99 shares secrets"):
        hide(dict(round_.states[11]), 11, round_.received(11) | {99: b""}, VECTOR)


def test_one_round_hides_one_update() -> None:
    round_ = Round()
    state = round_.hidden(11)
    with pytest.raises(SecureError, match="hidden already"):
        hide(state, 11, round_.received(11), VECTOR + VECTOR)


def test_too_few_neighbours_are_refused() -> None:
    round_ = Round()
    few = {22: round_.received(11)[22]}
    with pytest.raises(SecureError, match="1 others share their secrets; 2 must"):
        hide(round_.states[11], 11, few, VECTOR)


@pytest.mark.parametrize(
    ("survivors", "gone", "words"),
    [
        ([11, 22, 33, 44], [44], "both secrets"),
        ([11, 22], [33, 44], "2 updates in a sum hide too little, 3 do"),
        ([11, 11, 22], [33, 44], "2 updates in a sum"),
        ([11, 22, 33], [55], "not in this round"),
        ([], [], "0 updates"),
    ],
)
def test_what_would_uncover_an_update_is_not_told(survivors: list[int], gone: list[int], words: str) -> None:
    state = Round().hidden(11)
    with pytest.raises(SecureError, match=words):
        reveal(state, survivors, gone)


def test_secrets_are_told_once() -> None:
    state, shares = reveal(Round().hidden(11), [11, 22, 33], [44])
    assert set(shares) == {11, 22, 33, 44}
    with pytest.raises(SecureError, match="revealed already"):
        reveal(state, [11, 22, 44], [33])
