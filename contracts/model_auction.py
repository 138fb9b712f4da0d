"""The model's metering and auction: Metering.sol, and what SmartMicrogrid.sol does when a slot is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.model_members import MembersModel
from contracts.orders import Side, order_tuple, packed_terms
from contracts.settlement_rules import (
    MOST_OWED,
    RING_SLOTS,
    Account,
    Fault,
    LeftOut,
    MarketRules,
    ModelOrder,
    ModelReading,
    PositionRing,
    Refused,
    Transfer,
)
from contracts.units import cost_rounded_up, proceeds_rounded_down


@dataclass(slots=True)
class _Party:
    """Who stands behind an order of a clearing, and what is left of it; nobody behind one that was left out."""

    account: Account | None
    left_wh: int


NOBODY = _Party(None, 0)


class AuctionModel(MembersModel):
    """A market that meters energy and settles auctions."""

    def __init__(self, rules: MarketRules) -> None:
        super().__init__(rules)
        self.left_out: list[LeftOut] = []
        """What batches went on without, since the start."""
        self._positions = PositionRing()
        self._collateral: dict[tuple[int, int], int] = {}
        self._cancelled: set[tuple[int, ...]] = set()
        self._transactions = 0

    # ---- metering

    def submit_readings(self, readings: Sequence[ModelReading]) -> list[LeftOut]:
        """Count metered energy; a bad or repeated reading is left out. Returns those."""
        before = len(self.left_out)
        for signed in readings:
            fault = self._count(signed)
            if fault is not None:
                self.left_out.append(LeftOut("reading", signed.reading.slot, (signed.reading.member,), fault))
        return self.left_out[before:]

    def _count(self, signed: ModelReading) -> Fault | None:
        reading = signed.reading
        account = self._accounts.get(reading.member)
        if account is None or not account.has_meter or not signed.is_signed:
            return "not signed"
        fault = self._reading_fault(signed, account)
        if fault is not None:
            return fault
        imported_wh = reading.import_register_wh - account.import_register_wh
        exported_wh = reading.export_register_wh - account.export_register_wh
        if not self._positions.try_add(reading.slot, reading.member, exported_wh - imported_wh):
            return "position full"
        account.last_slot, account.sequence = reading.slot, reading.sequence
        account.import_register_wh = reading.import_register_wh
        account.export_register_wh = reading.export_register_wh
        return None

    def _reading_fault(self, signed: ModelReading, account: Account) -> Fault | None:
        reading = signed.reading
        imported_wh = reading.import_register_wh - account.import_register_wh
        exported_wh = reading.export_register_wh - account.export_register_wh
        if reading.slot >= self._current_slot:
            return "slot not over"
        if self._is_window_over(reading.slot):
            return "window over"
        if reading.sequence <= account.sequence or reading.slot <= account.last_slot:
            return "not new"
        if imported_wh < 0 or exported_wh < 0:
            return "register fell"
        capacity_wh = account.capacity_wh if account.is_active else 0
        most_wh = capacity_wh * (reading.slot - account.last_slot)
        return "above capacity" if imported_wh > most_wh or exported_wh > most_wh else None

    def position_wh(self, number: int, slot: int) -> int:
        """Signed energy that a member has left in a slot [Wh]"""
        return self._positions.get(slot, number)

    # ---- the auction

    def settle(
        self,
        slot: int,
        price: int,
        sells: Sequence[ModelOrder],
        buys: Sequence[ModelOrder],
        fills: Sequence[tuple[int, int, int]],
        is_settler: bool = True,
    ) -> list[Transfer]:
        """Settle a slot's auction; fills are (index of sell, index of buy, Wh). Returns what changed hands.

        In the first half of the window only the settler may.
        """
        self._check_open(slot, is_settler)
        sellers = self._parties(slot, Side.SELL, sells, price)
        buyers = self._parties(slot, Side.BUY, buys, price)
        transfers: list[Transfer] = []
        for sell, buy, energy_wh in fills:
            done = self._fill(slot, price, sellers, buyers, (sell, buy, energy_wh))
            if isinstance(done, Transfer):
                transfers.append(done)
            else:
                self.left_out.append(LeftOut("fill", slot, (sell, buy), done))
        self._settled_slot[slot % RING_SLOTS] = slot
        self._keep_owed_small(slot)
        self._audit(len(transfers))
        return transfers

    def _check_open(self, slot: int, is_settler: bool) -> None:
        window = self.rules.settlement_window_slots
        if self._is_paused:
            raise Refused("MarketPaused")
        if slot >= self._current_slot:
            raise Refused("SlotNotOver")
        if self._is_window_over(slot):
            raise Refused("SlotWindowOver")
        if not is_settler and self._current_slot < slot + window // 2 + 1:
            raise Refused("SettlerFirst")
        if self._settled_slot[slot % RING_SLOTS] == slot:
            raise Refused("SlotAlreadySettled")

    def _parties(self, slot: int, side: Side, orders: Sequence[ModelOrder], price: int) -> list[_Party]:
        """Who stands behind each order of a side. They are read in rising order of their terms, as the contract's."""
        terms = [packed_terms(signed.order) for signed in orders]
        parties = [NOBODY] * len(orders)
        last = 0
        for index in sorted(range(len(orders)), key=terms.__getitem__):
            order = orders[index].order
            account = self._accounts.get(order.member)
            is_new = terms[index] > last
            fault = self._order_fault(slot, side, orders[index], account, price) if is_new else "not rising"
            if fault is None:
                parties[index] = _Party(account, order.energy_wh)
            else:
                self.left_out.append(LeftOut("order", slot, (order.member,), fault))
            last = terms[index]
        return parties

    def _order_fault(
        self, slot: int, side: Side, signed: ModelOrder, account: Account | None, price: int
    ) -> Fault | None:
        order = signed.order
        is_sell = side is Side.SELL
        if order.limit_price > price if is_sell else order.limit_price < price + self.rules.grid_fee:
            return "limit passed"
        if account is None or not signed.is_signed:
            return "not signed"
        if order.slot != slot or order.expiry_slot != slot or order.side is not side:
            return "not signed"
        if not account.is_active:
            return "not active"
        if account.cancelled_after < slot <= account.cancelled_through:
            return "cancelled"
        return "cancelled" if self._cancelled and order_tuple(order) in self._cancelled else None

    def _fill(
        self, slot: int, price: int, sellers: list[_Party], buyers: list[_Party], fill: tuple[int, int, int]
    ) -> Transfer | Fault:
        sell, buy, energy_wh = fill
        if not (0 <= sell < len(sellers) and 0 <= buy < len(buyers)):
            return "no such order"
        seller, buyer = sellers[sell], buyers[buy]
        if energy_wh <= 0 or energy_wh > seller.left_wh or energy_wh > buyer.left_wh:
            return "over-filled"
        assert seller.account is not None
        assert buyer.account is not None  # nobody has nothing left
        if seller.account is buyer.account:
            return "self trade"
        done = self._swap((slot, energy_wh, price), seller.account, buyer.account, "auction")
        if isinstance(done, Transfer):
            seller.left_wh -= energy_wh
            buyer.left_wh -= energy_wh
        return done

    def _swap(
        self, trade: tuple[int, int, int], seller: Account, buyer: Account, kind: Literal["auction", "offer"]
    ) -> Transfer | Fault:
        """Energy to the buyer and money to the seller (slot, Wh, price), or neither. Fee and dust are the utility's."""
        slot, energy_wh, price = trade
        cost = cost_rounded_up(energy_wh, price + self.rules.grid_fee)
        proceeds = proceeds_rounded_down(energy_wh, price)
        if buyer.escrow < cost:
            return "escrow short"
        if not self._positions.try_move(slot, seller.number, buyer.number, energy_wh):
            return "position full"
        lacked_wh = min(energy_wh, -self._positions.get(slot, seller.number))
        if lacked_wh > 0 and not self._try_hold(slot, seller, lacked_wh):
            self._positions.try_move(slot, buyer.number, seller.number, energy_wh)
            return "collateral short"
        buyer.escrow -= cost
        buyer.traded_wh += energy_wh
        seller.traded_wh -= energy_wh
        self._credit(seller, proceeds)
        self._owed[slot % RING_SLOTS] += cost - proceeds
        return Transfer(slot, seller.number, buyer.number, energy_wh, price, cost, proceeds, kind)

    def _try_hold(self, slot: int, seller: Account, lacked_wh: int) -> bool:
        """Hold back what the energy that a seller lacks may cost it. False when it cannot pay that."""
        amount = cost_rounded_up(lacked_wh, self.rules.price_cap)
        if seller.escrow < amount:
            return False
        seller.escrow -= amount
        key = slot, seller.number
        self._collateral[key] = self._collateral.get(key, 0) + amount
        return True

    def _keep_owed_small(self, slot: int) -> None:
        place = slot % RING_SLOTS
        if self._owed[place] > MOST_OWED:
            self._utility_escrow += self._owed[place]
            self._owed[place] = 0

    def _audit(self, transfers: int) -> None:
        if self.rules.audit_batches:
            self._transactions += transfers
