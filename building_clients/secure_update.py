"""A building's side of secure aggregation: what it says in each of the four stages, and what it never says.

SecAgg (Bonawitz et al. 2017, doi:10.1145/3133956.3133982) with every other building as neighbour. Key agreement,
encryption and secret sharing are Flower's (`flwr.common.secure_aggregation`). The state between stages is a dictionary
of bytes that stays in the building.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence

import numpy as np
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.common.secure_aggregation.crypto.shamir import create_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import decrypt, encrypt, generate_shared_key

from building_clients.masking import SEED_BYTES, masked
from building_clients.settings import SMALLEST
from simulation.errors import MicrogridError

CURVE = ec.SECP384R1()
KEY_BYTES = 48
State = dict[str, bytes]
Keys = Mapping[str, bytes]
"""A building's public keys: `mask` and `cipher`."""


class SecureError(MicrogridError):
    """A building refuses to go on with a round of secure aggregation; the text says why."""


def threshold_of(buildings: int) -> int:
    """How many buildings must help to take masks off: the majority, so that nobody can be asked for both secrets."""
    return max(SMALLEST, buildings // 2 + 1)


def make_keys() -> tuple[State, dict[str, bytes]]:
    """Stage 1: two fresh key pairs; the public halves go to everybody."""
    keys = {name: ec.generate_private_key(CURVE) for name in ("mask", "cipher")}
    state = {f"{name}-private": private_bytes(key) for name, key in keys.items()}
    return state, {name: public_bytes(key) for name, key in keys.items()}


def make_shares(state: State, me: int, public: Mapping[int, Keys]) -> tuple[State, dict[int, bytes]]:
    """Stage 2: the seed of the own mask and the mask key, in shares, encrypted for each other building.

    Raises SecureError when the others are too few or their keys are not sound.
    """
    _once(state, "shared")
    threshold = _checked_threshold(state, me, public)
    seed = os.urandom(SEED_BYTES)
    pieces = [create_shares(secret, threshold, len(public)) for secret in (seed, state["mask-private"])]
    by_node = {node: (pieces[0][place], pieces[1][place]) for place, node in enumerate(sorted(public))}
    others = [node for node in sorted(public) if node != me]
    shares = {node: _encrypted(state, public[node]["cipher"], me, node, by_node[node]) for node in others}
    kept = {f"public-{node}-{name}": key for node, keys in public.items() for name, key in keys.items()}
    own = {"seed": seed, f"seed-share-{me}": by_node[me][0], f"key-share-{me}": by_node[me][1]}
    return {**state, **kept, **own, "threshold": str(threshold).encode()}, shares


def hide(state: State, me: int, received: Mapping[int, bytes], vector: np.ndarray) -> tuple[State, np.ndarray]:
    """Stage 3: the update under masks that nobody can take off without `threshold` buildings.

    `received` are the others' shares for this building: who sent some is a neighbour in this round. Raises SecureError
    for too few of them, for damaged ones, and for a second update, because two under the same masks show a difference.
    """
    _once(state, "hidden")
    kept = dict(state)
    for node, text in received.items():
        seed_share, key_share = _decrypted(state, node, me, text)
        kept |= {f"seed-share-{node}": seed_share, f"key-share-{node}": key_share}
    if me in received or len(received) + 1 < int(state["threshold"]):
        raise SecureError(f"{len(received)} others share their secrets; {int(state['threshold']) - 1} must")
    shared = {node: mask_seed(state["mask-private"], state[f"public-{node}-mask"]) for node in received}
    return kept, masked(vector, state["seed"], shared, me)


def reveal(state: State, survivors: Sequence[int], gone: Sequence[int]) -> tuple[State, dict[int, bytes]]:
    """Stage 4: of each survivor the share of its own mask, of each lost one that of its key; never both of one.

    Raises SecureError when an answer would uncover somebody.
    """
    _once(state, "revealed")
    known = {int(name.removeprefix("seed-share-")) for name in state if name.startswith("seed-share-")}
    if set(survivors) & set(gone):
        raise SecureError("the server asks for both secrets of a building, which would uncover its update")
    if not set(survivors) | set(gone) <= known:
        raise SecureError("the server asks for secrets of buildings that are not in this round")
    if len(set(survivors)) < int(state["threshold"]):
        raise SecureError(f"{len(set(survivors))} updates in a sum hide too little, {int(state['threshold'])} do")
    shares = {node: state[f"seed-share-{node}"] for node in survivors}
    return dict(state), shares | {node: state[f"key-share-{node}"] for node in gone}


def mask_seed(private: bytes, public: bytes) -> bytes:
    """Seed of the mask that two buildings share; 32 bytes. Raises SecureError for a key that is none."""
    return base64.urlsafe_b64decode(_shared_key(private, public))


def private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The secret number of a private key; 48 bytes."""
    return key.private_numbers().private_value.to_bytes(KEY_BYTES, "big")


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, compressed; 49 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def private_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """The key with this secret number. Raises ValueError."""
    return ec.derive_private_key(int.from_bytes(secret, "big"), CURVE)


def _checked_threshold(state: State, me: int, public: Mapping[int, Keys]) -> int:
    if len(public) < SMALLEST:
        raise SecureError(f"{len(public)} buildings cannot hide from each other; {SMALLEST} can")
    if me not in public or public[me]["mask"] != public_bytes(private_key(state["mask-private"])):
        raise SecureError("the list of keys has another key for this building than its own")
    for name in ("mask", "cipher"):
        if len({keys[name] for keys in public.values()}) < len(public):
            raise SecureError("two buildings have the same key")
    return threshold_of(len(public))


def _once(state: State, stage: str) -> None:
    if stage in state:
        raise SecureError(f"this round's secrets are {stage} already; a second answer could uncover the update")
    state[stage] = b"yes"


def _encrypted(state: State, public: bytes, sender: int, receiver: int, pieces: tuple[bytes, bytes]) -> bytes:
    head = f"{sender} {receiver} {len(pieces[0])}\n".encode()
    return encrypt(_shared_key(state["cipher-private"], public), head + pieces[0] + pieces[1])


def _decrypted(state: State, sender: int, receiver: int, text: bytes) -> tuple[bytes, bytes]:
    public = state.get(f"public-{sender}-cipher")
    if public is None:
        raise SecureError(f"node {sender} shares secrets, but its keys were not on the list")
    try:
        plain = decrypt(_shared_key(state["cipher-private"], public), text)
    except InvalidToken as error:
        raise SecureError(f"the secrets shared by node {sender} are damaged") from error
    head, _, body = plain.partition(b"\n")
    found_sender, found_receiver, size = (int(word) for word in head.split())
    if (found_sender, found_receiver) != (sender, receiver):
        raise SecureError(f"the secrets shared by node {sender} were meant for others")
    return body[:size], body[size:]


def _shared_key(private: bytes, public: bytes) -> bytes:
    try:
        other = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public)
    except ValueError as error:
        raise SecureError("a public key is none") from error
    return generate_shared_key(private_key(private), other)
