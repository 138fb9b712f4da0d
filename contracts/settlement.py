"""A cleared auction as the contract takes it: packed words and short signatures (Packing.sol)."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.orders import SignedOrder, packed_terms
from contracts.typed_data import SignatureError, compact

SignedTerms = tuple[int, bytes, bytes]
Batch = tuple[int, list[SignedTerms], list[int]]
NO_R = bytes(32)
NO_ORDER = 2**32 - 1


def packed_settlement(
    slot: int,
    price: int,
    sells: Sequence[SignedOrder],
    buys: Sequence[SignedOrder],
    fills: Sequence[tuple[int, int, int]],
) -> tuple[Batch, list[bytes]]:
    """Arguments of `settle`, and the signatures of contract wallets for `settleWithWallets`.

    `fills` are (index of sell, index of buy, Wh). The contract wants the orders of each side in rising order of their
    terms, and counts buy orders after the sell orders.
    """
    wallet_signatures: list[bytes] = []
    sell_order, buy_order = _rising(sells), _rising(buys)
    ordered = [*(sells[index] for index in sell_order), *(buys[index] for index in buy_order)]
    orders = [_signed_terms(signed, wallet_signatures) for signed in ordered]
    sell_at = {index: place for place, index in enumerate(sell_order)}
    buy_at = {index: place for place, index in enumerate(buy_order, start=len(sells))}
    packed = [_place(sell_at, sell) << 96 | _place(buy_at, buy) << 64 | wh for sell, buy, wh in fills]
    return (price << 64 | slot << 32 | len(sells), orders, packed), wallet_signatures


def _place(places: dict[int, int], index: int) -> int:
    """Where the order stands; one that does not exist stays one, for the contract to leave out."""
    return places.get(index, NO_ORDER)


def _rising(side: Sequence[SignedOrder]) -> list[int]:
    return sorted(range(len(side)), key=lambda index: packed_terms(side[index].order))


def _signed_terms(signed: SignedOrder, wallet_signatures: list[bytes]) -> SignedTerms:
    terms = packed_terms(signed.order)
    try:
        return terms, *compact(signed.signature)
    except SignatureError:
        wallet_signatures.append(bytes.fromhex(signed.signature[2:]))
        return terms, NO_R, (len(wallet_signatures) - 1).to_bytes(32, "big")
