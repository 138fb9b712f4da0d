"""Every way to cheat that public contracts allow, tried and refused."""

from __future__ import annotations

import pytest
from eth_account import Account

from contracts.events import EnergyTransfer
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.orders import Order, Side, SignedOrder, sign_order
from contracts.sender import ContractRejected, LedgerError
from tests.contracts.market_world import FIRST_SLOT, FUNDS, MarketWorld

S = FIRST_SLOT
PRICE = 190_000
SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def world(chain: str) -> MarketWorld:
    return MarketWorld(chain, 3)


def settle_one(world: MarketWorld, sell: SignedOrder, buy: SignedOrder, wh: int = 100) -> list[EnergyTransfer]:
    if world.ledger.current_slot() == S:
        world.ledger.advance_to(S + 1)
    return world.ledger.settle(S, PRICE, [sell], [buy], [(0, 0, wh)])


def good_pair(world: MarketWorld) -> tuple[SignedOrder, SignedOrder]:
    return world.order(world.members[0], Side.SELL, 100, 90_000), world.order(world.members[1], Side.BUY, 100, 290_000)


def refused(name: str) -> pytest.RaisesExc[ContractRejected]:
    return pytest.RaisesExc(ContractRejected, check=lambda error: error.name == name)


def test_a_stranger_has_no_power(world: MarketWorld) -> None:
    stranger = Ledger(world.deployment, Account.create())
    someone = Account.create().address
    with refused("AccessControlUnauthorizedAccount"):
        stranger.register(Member(number=9, building_id="X", name="x", owner=someone), 0)
    with refused("ClockNotStalled"):
        stranger.advance_to(S + 1)
    with refused("NotOwner"):
        stranger.withdraw(1, 1)
    world.ledger.advance_to(S + 1)
    with refused("SettlerFirst"):
        stranger.settle(S, PRICE, [], [], [])
    with refused("WindowStillOpen"):
        stranger.close_slot(S, [1])


def test_after_half_the_window_anyone_may_settle(world: MarketWorld) -> None:
    sell, buy = good_pair(world)
    world.ledger.advance_to(S + 3)
    assert len(Ledger(world.deployment, Account.create()).settle(S, PRICE, [sell], [buy], [(0, 0, 100)])) == 1


def test_the_registrar_cannot_change_an_owner(world: MarketWorld) -> None:
    with pytest.raises(LedgerError, match="is registered with wallet"):
        world.ledger.register(Member(number=1, building_id="X", name="x", owner=Account.create().address), 0)


def test_the_operator_cannot_take_money(world: MarketWorld) -> None:
    for number in (0, 1):
        with refused("NotOwner"):
            world.ledger.withdraw(number, 1)


@pytest.mark.parametrize("change", [{"energy_wh": 9999}, {"limit_price": 1}, {"member": 3}, {"salt": 77}])
def test_an_edited_order_is_left_out(world: MarketWorld, change: dict[str, int]) -> None:
    sell, buy = good_pair(world)
    edited = SignedOrder(order=sell.order.model_copy(update=change), signature=sell.signature)
    assert settle_one(world, edited, buy) == []


def test_somebody_elses_signature_is_left_out(world: MarketWorld) -> None:
    sell, buy = good_pair(world)
    forged = sign_order(buy.order, world.ledger.domain, world.members[2].owner)
    assert settle_one(world, sell, forged) == []


def test_a_malleable_twin_of_a_signature_is_left_out(world: MarketWorld) -> None:
    sell, buy = good_pair(world)
    raw = bytes.fromhex(sell.signature[2:])
    twin = raw[:32] + (SECP256K1_N - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    assert settle_one(world, SignedOrder(order=sell.order, signature="0x" + twin.hex()), buy) == []


def test_an_order_counts_in_its_slot_and_contract_only(world: MarketWorld, chain: str) -> None:
    sell, buy = good_pair(world)
    other_slot = world.order(world.members[0], Side.SELL, 100, 90_000, slot=S + 1)
    assert settle_one(world, other_slot, buy) == []
    other = MarketWorld(chain, 3)
    foreign = sign_order(sell.order, other.ledger.domain, world.members[0].owner)
    world.ledger.advance_to(S + 2)
    fresh = world.order(world.members[1], Side.BUY, 100, 290_000, slot=S + 1)
    moved = SignedOrder(order=foreign.order.model_copy(update={"slot": S + 1}), signature=foreign.signature)
    assert world.ledger.settle(S + 1, PRICE, [moved], [fresh], [(0, 0, 100)]) == []


def test_limits_are_kept_on_both_sides(world: MarketWorld) -> None:
    dear = world.order(world.members[0], Side.SELL, 100, PRICE + 1)
    cheap = world.order(world.members[1], Side.BUY, 100, PRICE - 1)
    sell, buy = good_pair(world)
    world.ledger.advance_to(S + 1)
    assert world.ledger.settle(S, PRICE, [dear, sell], [buy, cheap], [(0, 0, 10), (1, 1, 10)]) == []


def test_nothing_is_over_filled_and_a_bad_fill_blocks_nobody(world: MarketWorld) -> None:
    sell, buy = good_pair(world)
    world.ledger.advance_to(S + 1)
    fills = [(0, 0, 60), (0, 0, 41), (9, 0, 1), (0, 0, 0), (0, 0, 40)]
    trades = world.ledger.settle(S, PRICE, [sell], [buy], fills)
    assert [trade.energy_wh for trade in trades] == [60, 40]
    world.assert_nothing_is_lost()


def test_self_trade_is_left_out(world: MarketWorld) -> None:
    one = world.members[0]
    assert settle_one(world, world.order(one, Side.SELL, 100, 1), world.order(one, Side.BUY, 100, 290_000)) == []


def test_a_slot_is_settled_once_and_not_early(world: MarketWorld) -> None:
    sell, buy = good_pair(world)
    with refused("SlotNotOver"):
        world.ledger.settle(S, PRICE, [sell], [buy], [(0, 0, 100)])
    assert len(settle_one(world, sell, buy)) == 1
    with refused("SlotAlreadySettled"):
        world.ledger.settle(S, PRICE, [sell], [buy], [(0, 0, 100)])


def test_a_buyer_without_money_is_left_out(world: MarketWorld) -> None:
    world.members[1].ledger.withdraw(2, FUNDS)
    assert settle_one(world, *good_pair(world)) == []


def test_forged_replayed_and_early_readings_credit_nothing(world: MarketWorld) -> None:
    one, two, _ = world.members
    good = world.reading(one, 0, 500)
    forged = good.model_copy(update={"reading": good.reading.model_copy(update={"export_register_wh": 10**6})})
    swapped = world.reading(two, 0, 700)
    swapped = swapped.model_copy(update={"reading": swapped.reading.model_copy(update={"member": 1})})
    world.ledger.submit_readings([good])  # the slot is still running
    assert world.ledger.balance(1).stored_energy_wh == 0
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([forged, swapped, good, good])
    world.ledger.submit_readings([good])
    assert world.ledger.balance(1).stored_energy_wh == 500
    world.assert_nothing_is_lost()


def test_offers(world: MarketWorld) -> None:
    seller, buyer, third = world.members
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 300)])
    offer = world.order(seller, Side.SELL, 500, 100_000, expiry=S + 2)
    with refused("NotOwner"):
        buyer.ledger.transfer_energy(offer, 3, 10)
    with refused("OfferInvalid"):
        buyer.ledger.transfer_energy(offer, 2, 501)
    with refused("InsufficientEnergy"):
        buyer.ledger.transfer_energy(offer, 2, 301)
    dearer = SignedOrder(order=offer.order.model_copy(update={"limit_price": 200_000}), signature=offer.signature)
    with refused("OfferInvalid"):
        buyer.ledger.transfer_energy(dearer, 2, 10)
    with refused("OfferInvalid"):
        seller.ledger.transfer_energy(offer, 1, 10)
    with refused("OfferInvalid"):
        third.ledger.transfer_energy(world.order(buyer, Side.BUY, 10, 100_000, expiry=S + 2), 3, 10)
    with refused("NotOwner"):
        Ledger(world.deployment, Account.create()).transfer_energy(offer, 9, 10)
    assert buyer.ledger.transfer_energy(offer, 2, 300).energy_wh == 300
    with refused("InsufficientEnergy"):
        third.ledger.transfer_energy(offer, 3, 1)
    world.ledger.advance_to(S + 3)
    with refused("OfferInvalid"):
        third.ledger.transfer_energy(offer, 3, 1)


def test_the_digest_is_the_contracts_own(world: MarketWorld) -> None:
    from contracts.orders import order_hash, order_tuple

    order: Order = world.order(world.members[0], Side.SELL, 5, 6, expiry=S + 9).order
    calls = world.ledger._call
    assert "0x" + calls.hashOrder(order_tuple(order)).call().hex() == order_hash(order, world.ledger.domain)


def test_an_anchored_model_can_be_neither_changed_nor_added_by_a_stranger(world: MarketWorld) -> None:
    first, second = "0x" + "ab" * 32, "0x" + "cd" * 32
    assert world.ledger.release_of(first) == 0
    assert [world.ledger.anchor_model(model) for model in (first, second, first)] == [1, 2, 1]
    assert [world.ledger.release_of(model) for model in (first, second)] == [1, 2]
    with refused("AccessControlUnauthorizedAccount"):
        Ledger(world.deployment, Account.create()).anchor_model("0x" + "ef" * 32)
