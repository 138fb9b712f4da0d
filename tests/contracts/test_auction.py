"""What of a clearing goes into the one transaction that settles it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import gas
from contracts.auction import make_auction
from contracts.balances import Tariff
from contracts.clearing import Clearing, Fill
from contracts.gas import MAX_GAS
from contracts.orders import Order, Side, SignedOrder

PLAIN, WALLET = "0x" + "11" * 64 + "1b", "0x" + "22" * 100
TARIFF = Tariff(retail_price=300_000, feed_in_price=80_000)
FITTING = Path(__file__).parent / "solidity" / "Fitting.t.sol"


def signed(member: int, side: Side, signature: str) -> SignedOrder:
    order = Order(member=member, slot=1, side=side, energy_wh=1, limit_price=1, expiry_slot=1, salt=1)
    return SignedOrder(order=order, signature=signature)


def of_pairs(energies_wh: list[int], signature: str = PLAIN) -> tuple[Clearing, dict[str, SignedOrder]]:
    """A clearing in which the order `s1` sells to `b1`, and so on."""
    book, fills = {}, []
    for i, wh in enumerate(energies_wh):
        book[f"s{i}"], book[f"b{i}"] = signed(2 * i + 1, Side.SELL, signature), signed(2 * i + 2, Side.BUY, signature)
        fills.append(Fill(sell=f"s{i}", buy=f"b{i}", energy_wh=wh))
    volume = sum(energies_wh)
    return Clearing(slot=1, price=1, price_low=1, price_high=1, volume_wh=volume, fills=tuple(fills)), book


@given(st.lists(st.integers(1, 10**6), max_size=30))
def test_what_fits_is_settled_whole(energies_wh: list[int]) -> None:
    clearing, book = of_pairs(energies_wh)
    auction = make_auction(clearing, book, TARIFF)
    sellers = [(auction.sells[sell].order.member, wh) for sell, _, wh in auction.fills]
    buyers = [auction.buys[buy].order.member for _, buy, _ in auction.fills]
    assert sellers == [(2 * i + 1, wh) for i, wh in enumerate(energies_wh)]
    assert buyers == [2 * i + 2 for i in range(len(energies_wh))]
    given = {2 * i + 1: -wh for i, wh in enumerate(energies_wh)}
    assert auction.bought_wh() == given | {2 * i + 2: wh for i, wh in enumerate(energies_wh)}
    assert (auction.report()["retail_price"], auction.report()["feed_in_price"]) == (300_000, 80_000)


@pytest.mark.parametrize(("signature", "room"), [(PLAIN, 175), (WALLET, 46)])
def test_of_too_much_the_largest_fills_are_settled(signature: str, room: int) -> None:
    energies_wh = [1 + (i * 7919) % 1000 for i in range(500)]
    auction = make_auction(*of_pairs(energies_wh, signature), TARIFF)
    kept = sorted((wh for _, _, wh in auction.fills), reverse=True)
    assert kept == sorted(energies_wh, reverse=True)[:room]
    assert len(auction.sells) == len(auction.buys) == room
    wallets = 0 if signature == PLAIN else 2 * room
    assert gas.settlement_gas(2 * room, room, wallets) <= MAX_GAS
    assert sorted(auction.bought_wh().values(), reverse=True)[:room] == kept
    assert auction.report()["fills"] == 500
    assert auction.report()["supply_wh"] == auction.report()["demand_wh"] == 500  # 1 Wh in each order


def test_pairs_with_prices_of_their_own_cannot_be_settled() -> None:
    clearing, book = of_pairs([3, 4])
    with pytest.raises(ValueError, match="the contract settles at one"):
        make_auction(clearing.model_copy(update={"price": None}), book, TARIFF)


def test_the_figures_are_those_that_are_measured() -> None:
    """Fitting.t.sol measures that these are enough; both have to say the same."""
    stated = dict(re.findall(r"constant (\w+) = ([\d_]+);", FITTING.read_text(encoding="utf-8")))
    assert int(stated.pop("TRANSACTION_GAS")) == MAX_GAS
    assert len(stated) == 6
    assert {name: getattr(gas, name) for name in stated} == {name: int(n) for name, n in stated.items()}
