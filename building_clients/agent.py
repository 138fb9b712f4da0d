"""The trading agent of one building: forecasts, bids, meters and offers, one market slot after the other."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from eth_account.signers.local import LocalAccount

from building_clients.auctions import Auctions
from building_clients.bidding import Bid, offer_price
from building_clients.forecast import Forecast
from building_clients.learner import Learner
from building_clients.metering import RegisterStore
from building_clients.readings_store import ReadingsStore
from building_clients.slot_meter import SlotMeter
from contracts.hub_client import HubClient, HubError, HubRejected
from contracts.ledger import Ledger
from contracts.metering import SignedMeterReading
from contracts.orders import Order, Side, sign_order
from contracts.sender import LedgerError
from contracts.settings import MarketConfig
from contracts.units import to_base_units
from simulation.building import Building
from simulation.clock import SimClock
from simulation.settings import BuildingConfig

log = logging.getLogger(__name__)

MIN_OFFER_WH = 10
"""Less than this left after a slot is not worth an offer [Wh]"""


@dataclass(frozen=True)
class Wallets:
    """The two keys of a building; neither leaves it."""

    owner: LocalAccount
    """Signs orders, holds money."""
    meter: LocalAccount
    """Signs what was really imported and exported."""


class Agent:
    """Does each duty of a slot once. A duty that fails for an absent hub or chain is tried again at the next step."""

    def __init__(
        self,
        member: int,
        config: BuildingConfig,
        wallets: Wallets,
        store: ReadingsStore,
        building: Building,
        learner: Learner,
        clock: SimClock,
        market: MarketConfig,
        hub: HubClient,
        first_slot: int,
        folder: Path,
        contract_address: str | None = None,
    ) -> None:
        self._member = member
        self._wallets = wallets
        self._store = store
        self._trading = config.trading
        self._learner = learner
        self._clock = clock
        self._market = market
        self._hub = hub
        self._contract_address = contract_address
        self._forecast: Forecast | None = None
        self._folder = folder
        self._first_slot = first_slot
        self._ledger: Ledger | None = None
        self._slot_meter: SlotMeter | None = None
        slot = clock.slot_at(clock.now())
        self._auctions = Auctions(
            member, config, building, clock, market, hub, lambda bid, slot: self._send_order(bid, slot, slot)
        )
        self._next_offer = max(first_slot, slot - market.settlement_window_slots)
        self._funded_slot = -1
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the loop looks several times a slot at what is due."""
        pause_s = min(0.5, self._clock.slot_length.total_seconds() / self._clock.speed / 10)
        while not stop.wait(pause_s):
            self.step(self._clock.now())

    def step(self, now: datetime) -> None:
        """Do what is due at `now`: forecast, connect, meter, bid, offer."""
        duties = (self._update_forecast, self._connect, self._meter, self._bid, self._offer)
        for duty in duties:
            try:
                duty(now)
            except (HubError, LedgerError) as error:
                self._complain(f"{duty.__name__.strip('_')}: {error}")
                if duty == self._connect:
                    return
        if self._ledger is not None:
            self._fund(now)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("%s; trying again", text)
        self._complaint = text

    def _update_forecast(self, now: datetime) -> None:
        """Once a slot, and at once when new weights were adopted."""
        slot = self._clock.slot_at(now) + 1
        known = self._forecast
        if known is not None and known.slot == slot and known.model_version == self._learner.model_version:
            return
        self._new_forecast(now)

    def _new_forecast(self, now: datetime) -> Forecast:
        """From the next slot on, with everything that was measured so far; shown at the hub too."""
        self._forecast = self._learner.forecast(now, self._clock.slot_at(now) + 1)
        self._hub.post("/api/forecasts", self._forecast.model_dump(mode="json"))
        return self._forecast

    def _connect(self, now: datetime) -> None:
        """Find the market that the operator announced; with a pinned contract, no other."""
        if self._ledger is None:
            self._ledger = Ledger.from_hub(self._hub, self._wallets.owner, self._contract_address)
            log.info("trading on contract %s", self._ledger.domain.contract)

    def _fund(self, now: datetime) -> None:
        """Keep money in escrow; looked at once a slot."""
        slot = self._clock.slot_at(now)
        if slot == self._funded_slot or self._ledger is None:
            return
        try:
            self._top_up(self._ledger)
            self._funded_slot = slot
        except LedgerError as error:
            self._complain(f"escrow: {error}")

    def _top_up(self, ledger: Ledger) -> None:
        wanted = to_base_units(self._market.deposit)
        if not ledger.is_registered(self._member) or 4 * ledger.balance(self._member).escrow >= wanted:
            return
        if not ledger.deployment.test_token:
            at, money = ledger.deployment.contract, f"{self._market.deposit:.2f} {self._market.currency}"
            self._complain(f"escrow is low; deposit up to {money} for member {self._member} into contract {at}")
            return
        ledger.fund(self._member, wanted)
        log.info("put %.2f %s of test money into escrow", self._market.deposit, self._market.currency)

    def _meter(self, now: datetime) -> None:
        """Sign and send the registers of every slot that is recorded to its end, once the contract knows the meter."""
        if self._slot_meter is None:
            self._slot_meter = self._install_meter()
        if self._slot_meter is not None:
            self._slot_meter.step(self._clock.slot_at(now) - self._market.settlement_window_slots, self._send_reading)

    def _install_meter(self) -> SlotMeter | None:
        assert self._ledger is not None
        known = self._ledger.meter(self._member)
        if not known.capacity_wh:
            return None
        kept = RegisterStore(self._folder, self._ledger.deployment.contract)
        registers = kept.load(known, self._first_slot)
        sent = registers.slot <= max(known.last_slot, self._first_slot - 1)
        key, domain = self._wallets.meter, self._ledger.domain
        return SlotMeter(self._member, key, domain, self._store, self._clock, kept, registers, sent)

    def _send_reading(self, signed: SignedMeterReading) -> None:
        try:
            self._hub.post("/api/meter-readings", signed.model_dump(mode="json"))
        except HubRejected as error:
            log.warning("the reading of slot %d was refused: %s", signed.reading.slot, error)

    def _bid(self, now: datetime) -> None:
        """Take part in the auction of the next slot; who comes late takes the one after it."""
        assert self._ledger is not None
        self._auctions.step(now, lambda: self._new_forecast(now), self._store.last(), self._ledger)

    def _send_order(self, bid: Bid, slot: int, expiry_slot: int) -> None:
        assert self._ledger is not None
        order = Order(
            member=self._member,
            slot=slot,
            side=bid.side,
            energy_wh=bid.energy_wh,
            limit_price=bid.limit_price,
            expiry_slot=expiry_slot,
            salt=random.SystemRandom().randrange(2**32),
        )
        signed = sign_order(order, self._ledger.domain, self._wallets.owner)
        try:
            self._hub.post("/api/orders", signed.model_dump(mode="json"))
        except HubRejected as error:
            log.warning("order for slot %d was refused: %s", slot, error)

    def _offer(self, now: datetime) -> None:
        """Offer to the neighbours what a settled slot left in the building's balance."""
        assert self._ledger is not None
        while self._slot_meter is not None and self._next_offer < self._slot_meter.next_slot:
            slot = self._next_offer
            state = self._ledger.slot_state(slot)
            if state == "open" and self._clock.slot_at(now) <= slot + self._market.settlement_window_slots:
                return
            left_wh = self._ledger.position_wh(self._member, slot) if state == "settled" else 0
            if left_wh >= MIN_OFFER_WH and not self._trading.paused:
                tariff, fee = self._ledger.tariff(slot), self._ledger.deployment.grid_fee
                least = to_base_units(self._trading.min_sell_price_per_kwh)
                price = max(least, offer_price(tariff.feed_in_price, tariff.retail_price, fee))
                self._send_order(Bid(Side.SELL, left_wh, price), slot, slot + self._market.settlement_window_slots)
            self._next_offer += 1
