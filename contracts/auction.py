"""A cleared slot as the operator keeps it until it is settled: everything that settlement needs."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.clearing import Clearing, Fill
from contracts.gas import MAX_GAS, settlement_gas
from contracts.orders import SignedOrder
from contracts.typed_data import is_of_plain_key
from simulation.settings import Settings


class Auction(Settings):
    """The clearing of a slot with the signed orders behind it."""

    clearing: Clearing
    """Price and fills."""
    sells: tuple[SignedOrder, ...]
    """Sell orders that are filled, in the order in which `fills` counts them."""
    buys: tuple[SignedOrder, ...]
    """Buy orders that are filled."""
    fills: tuple[tuple[int, int, int], ...]
    """(index of sell, index of buy, Wh)"""
    orders: int
    """Orders in the book."""

    def report(self) -> dict[str, object]:
        """What the hub shows of it."""
        return {
            "slot": self.clearing.slot,
            "price": self.clearing.price,
            "volume_wh": self.clearing.volume_wh,
            "orders": self.orders,
            "fills": len(self.clearing.fills),
        }


def make_auction(clearing: Clearing, book: Mapping[str, SignedOrder]) -> Auction:
    """Join a clearing with its orders, by their hashes. A slot settles in one transaction: fills beyond what fits are
    left to the utility, the smallest first."""
    fills = _fitting(clearing.fills, book)
    sells = list(dict.fromkeys(fill.sell for fill in fills))
    buys = list(dict.fromkeys(fill.buy for fill in fills))
    sell_at, buy_at = _places(sells), _places(buys)
    return Auction(
        clearing=clearing,
        sells=tuple(book[key] for key in sells),
        buys=tuple(book[key] for key in buys),
        fills=tuple((sell_at[fill.sell], buy_at[fill.buy], fill.energy_wh) for fill in fills),
        orders=len(book),
    )


def _places(hashes: list[str]) -> dict[str, int]:
    return {key: place for place, key in enumerate(hashes)}


def _fitting(fills: tuple[Fill, ...], book: Mapping[str, SignedOrder]) -> list[Fill]:
    """The largest fills that a transaction has room for, in the order in which the auction made them."""
    taken: set[str] = set()
    chosen: set[int] = set()
    wallets = 0
    for index in sorted(range(len(fills)), key=lambda i: -fills[i].energy_wh):
        new = {fills[index].sell, fills[index].buy} - taken
        new_wallets = wallets + sum(not is_of_plain_key(book[key].signature) for key in new)
        if settlement_gas(len(taken) + len(new), len(chosen) + 1, new_wallets) > MAX_GAS:
            continue
        taken |= new
        chosen.add(index)
        wallets = new_wallets
    return [fill for index, fill in enumerate(fills) if index in chosen]
