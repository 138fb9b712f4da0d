"""A cleared slot as the operator keeps it until it is settled: everything that settlement needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from contracts.balances import Tariff
from contracts.clearing import Clearing, Fill
from contracts.gas import MAX_GAS, settlement_gas
from contracts.orders import Side, SignedOrder
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
    supply_wh: int
    """Energy of all sell orders in the book, filled or not [Wh]"""
    demand_wh: int
    """Energy of all buy orders in the book, filled or not [Wh]"""
    tariff: Tariff
    """What the utility charges and pays in the slot."""

    def bought_wh(self) -> dict[int, int]:
        """What each member that trades gets (> 0) or gives, by its number [Wh]"""
        bought: Counter[int] = Counter()
        for sell, buy, energy_wh in self.fills:
            bought[self.sells[sell].order.member] -= energy_wh
            bought[self.buys[buy].order.member] += energy_wh
        return dict(bought)

    def report(self) -> dict[str, object]:
        """What the hub shows of it."""
        return {
            "slot": self.clearing.slot,
            "price": self.clearing.price,
            "volume_wh": self.clearing.volume_wh,
            "orders": self.orders,
            "supply_wh": self.supply_wh,
            "demand_wh": self.demand_wh,
            "fills": len(self.clearing.fills),
            "bought_wh": self.bought_wh(),
            "retail_price": self.tariff.retail_price,
            "feed_in_price": self.tariff.feed_in_price,
        }


def make_auction(clearing: Clearing, book: Mapping[str, SignedOrder], tariff: Tariff) -> Auction:
    """Join a clearing with its orders, by their hashes. A slot settles in one transaction: fills beyond what fits are
    left to the utility, the smallest first."""
    if clearing.fills and clearing.price is None:
        raise ValueError(f"slot {clearing.slot}: pairs have different prices, and the contract settles at one")
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
        supply_wh=_energy_wh(book, Side.SELL),
        demand_wh=_energy_wh(book, Side.BUY),
        tariff=tariff,
    )


def _energy_wh(book: Mapping[str, SignedOrder], side: Side) -> int:
    return sum(signed.order.energy_wh for signed in book.values() if signed.order.side is side)


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
