"""Taking the masks off a sum of updates, with the shares that the buildings gave for it (SecAgg, last stage)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from flwr.common.secure_aggregation.crypto.shamir import combine_shares

from building_clients.masking import mask, with_pairwise
from building_clients.secure_update import SecureError, mask_seed, private_key, public_bytes


def unmasked_sum(
    vectors: Mapping[int, np.ndarray],
    gone: Sequence[int],
    public: Mapping[int, bytes],
    helped: Sequence[Mapping[int, bytes]],
    threshold: int,
) -> np.ndarray:
    """The sum of the survivors' vectors, modulo 2^64; shape of one of them.

    `public` are the mask keys of all, `helped` the shares by node from each building that answered. Raises SecureError
    when the answers are too few or do not fit together.
    """
    if len(helped) < threshold:
        raise SecureError(f"{len(helped)} buildings helped to take the masks off; {threshold} are needed")
    total = np.asarray(np.sum(list(vectors.values()), axis=0, dtype=np.uint64))
    for node in vectors:
        total = total - mask(_secret(node, helped, threshold), len(total))
    for node in gone:
        secret = _secret(node, helped, threshold)
        if not _belongs(secret, public[node]):
            raise SecureError(f"the shares of node {node} do not give its key")
        for other in vectors:
            total = with_pairwise(total, mask(mask_seed(secret, public[other]), len(total)), node, other)
    return total


def _secret(node: int, helped: Sequence[Mapping[int, bytes]], threshold: int) -> bytes:
    shares = [shares[node] for shares in helped if node in shares][:threshold]
    if len(shares) < threshold:
        raise SecureError(f"{len(shares)} shares of node {node} came back; {threshold} are needed")
    try:
        return combine_shares(shares)
    except (ValueError, IndexError) as error:
        raise SecureError(f"the shares of node {node} do not fit together ({error})") from error


def _belongs(secret: bytes, public: bytes) -> bool:
    try:
        return public_bytes(private_key(secret)) == public
    except ValueError:
        return False
