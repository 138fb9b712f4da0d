"""The market operator: clears each slot at gate closure, settles it after delivery, closes its window.

It holds no power over anyone's energy or money: it relays what members and meters signed, and the contract checks it.
Every step may be repeated. What happened is read back from the chain and the folder, so it can be killed anywhere.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from eth_account.signers.local import LocalAccount
from pydantic import ValidationError

from contracts.auction import Auction, make_auction
from contracts.clearing import clear
from contracts.deployment import Deployment, deploy
from contracts.events import EnergyTransfer, MarketEvent
from contracts.hub_client import HubClient, HubError, HubRejected
from contracts.keys import load_or_create_key
from contracts.ledger import Ledger
from contracts.matching import Terms
from contracts.member import FIRST_GUEST, Member
from contracts.metering import SignedMeterReading
from contracts.order_book import BookEntry
from contracts.orders import SignedOrder
from contracts.sender import LedgerError
from contracts.settings import ChainConfig, MarketConfig
from contracts.tariff_schedule import TariffPoster
from contracts.units import kwh_to_wh
from simulation.clock import SimClock
from simulation.errors import MicrogridError
from simulation.files import write_atomically

log = logging.getLogger(__name__)

HUB_WAIT_S = 60.0
PAUSE_S = 0.5
REPORT_BATCH = 500
SECONDS_PER_HOUR = 3600


class OperatorError(MicrogridError):
    """The operator cannot work; the text says why and what to do."""


def run_operator(
    hub_url: str,
    folder: Path,
    market: MarketConfig,
    chain: ChainConfig,
    capacities_kw: Mapping[int, float],
    timezone: str,
    standby: bool = False,
) -> None:
    """Work until SIGTERM or SIGINT. Raises OperatorError, HubError or LedgerError when it cannot begin.

    `capacities_kw` has the power of each building's grid connection by its number; only these buildings may join.
    Time-of-use tariffs hold in `timezone`.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    hub = HubClient(hub_url)
    hub.wait_until_up(HUB_WAIT_S)
    clock = SimClock.model_validate(hub.get("/api/clock"))
    key = load_or_create_key(folder / "operator.key")
    if standby:
        ledger = join_market(hub, chain, key)
    else:
        ledger = Ledger(ensure_market(hub, chain, market, clock, folder, key), key, chain.sending)
        ledger.grant_operator_roles(market.standby_operators)
    tariffs = TariffPoster(ledger, market, clock, timezone)
    operator = Operator(hub, ledger, clock, market, capacities_kw, folder, tariffs, standby)
    log.info("market %s is open%s", ledger.deployment.contract, "; standing by" if standby else "")
    operator.run(stop)


def ensure_market(
    hub: HubClient, chain: ChainConfig, market: MarketConfig, clock: SimClock, folder: Path, key: LocalAccount
) -> Deployment:
    """The market that was deployed before, or a new one; announced at the hub. Raises OperatorError or LedgerError."""
    path = folder / "deployment.json"
    slot_seconds = int(clock.slot_length.total_seconds() / clock.speed)
    if path.exists():
        deployment = _read_deployment(path)
        _check_speed(path, deployment, slot_seconds)
    else:
        first_slot = clock.slot_at(clock.now())
        deployment = deploy(chain, market, clock.slot_minutes, first_slot, key, slot_seconds)
        write_atomically(path, deployment.model_dump_json(indent=1).encode())
    if chain.contract_address and chain.contract_address.lower() != deployment.contract.lower():
        raise OperatorError(
            f"{path}: contract {deployment.contract}, but chain.contract_address is {chain.contract_address}"
        )
    deployment = deployment.model_copy(update={"rpc_url": chain.rpc_url})
    Ledger(deployment)
    hub.put("/api/market", deployment.model_dump(mode="json"))
    return deployment


def join_market(hub: HubClient, chain: ChainConfig, key: LocalAccount) -> Ledger:
    """The market of another operator, which named this one's wallet. Raises OperatorError, HubError or LedgerError."""
    ledger = Ledger.from_hub(hub, key, chain.contract_address, chain.sending)
    if not ledger.is_operator(key.address):
        raise OperatorError(
            f"wallet {key.address} may not stand by for market {ledger.deployment.contract}: add it to "
            "market.standby_operators in the first operator's scenario, and start that operator again"
        )
    return ledger


def _check_speed(path: Path, deployment: Deployment, slot_seconds: int) -> None:
    if slot_seconds < deployment.slot_seconds:
        raise OperatorError(
            f"{path}: this market's contract allows a slot every {deployment.slot_seconds} s of wall time, and the "
            f"scenario's clock makes one every {slot_seconds} s; lower --speed, or use a new --home"
        )


def _read_deployment(path: Path) -> Deployment:
    try:
        return Deployment.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise OperatorError(f"{path}: damaged; restore a backup, or remove it to deploy a new market") from error


class Operator:
    """The duties of every slot, each done once."""

    def __init__(
        self,
        hub: HubClient,
        ledger: Ledger,
        clock: SimClock,
        market: MarketConfig,
        capacities_kw: Mapping[int, float],
        folder: Path,
        tariffs: TariffPoster,
        standby: bool = False,
    ) -> None:
        """A standby clears as the first operator does, and acts where that leaves something undone."""
        self._standby = standby
        self._hub = hub
        self._ledger = ledger
        self._clock = clock
        self._market = market
        self._tariffs = tariffs
        hours = clock.slot_length.total_seconds() / SECONDS_PER_HOUR
        self._capacities_wh = {number: kwh_to_wh(kw * hours) for number, kw in capacities_kw.items()}
        self._folder = folder / "slots"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._window = ledger.deployment.settlement_window_slots
        self._next_block = ledger.deployment.deployed_block
        self._relayed: dict[int, int] = {}
        self._warned: set[int] = set()
        self._anchored: set[str] = set()
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Step until `stop`; an absent hub or chain is reported once and waited for."""
        while not stop.is_set():
            try:
                self.step(self._clock.now())
                self._complaint = ""
            except (HubError, LedgerError) as error:
                if str(error) != self._complaint:
                    log.warning("%s; trying again", error)
                self._complaint = str(error)
            stop.wait(min(PAUSE_S, self._clock.slot_length.total_seconds() / self._clock.speed / 20))

    def step(self, now: datetime) -> None:
        """Do everything that is due at `now`."""
        leads = self._leads(now)
        if leads:
            self._register_members()
            self._tariffs.step(now)
        self._clear_due(now)
        self._settle_due(now)
        if leads:
            self._advance(now)
            self._close_due()
            self._anchor_models()
        self._report_trades()

    def _leads(self, now: datetime) -> bool:
        """A standby leads once the market's clock is half a slot late: then there is no other operator."""
        late = self._clock.slot_at(now - self._clock.slot_length / 2)
        return not self._standby or self._ledger.current_slot() < late

    def _advance(self, now: datetime) -> None:
        while self._ledger.current_slot() < self._clock.slot_at(now):
            self._ledger.advance_to(self._ledger.current_slot() + 1)
            self._settle_due(now)

    # ---- members

    def _register_members(self) -> None:
        for entry in self._hub.get("/api/members"):
            registered = entry.pop("registered")
            member = Member.model_validate(entry)
            if registered or not self._may_join(member):
                continue
            try:
                self._ledger.register(member, self._capacities_wh.get(member.number, 0))
            except LedgerError as error:
                self._warn_once(member, str(error))
                continue
            self._hub.post(f"/api/members/{member.number}/registered")
            log.info("registered %s as member %d", member.name, member.number)

    def _may_join(self, member: Member) -> bool:
        if member.number in self._capacities_wh or (member.number >= FIRST_GUEST and self._market.open_registration):
            return True
        self._warn_once(member, "is not in the scenario, and open_registration is for guests only")
        return False

    def _warn_once(self, member: Member, reason: str) -> None:
        if member.number not in self._warned:
            log.warning("member %d (%s) is not registered: %s", member.number, member.name, reason)
        self._warned.add(member.number)

    def _member_numbers(self) -> list[int]:
        return [entry["number"] for entry in self._hub.get("/api/members") if entry["registered"]]

    # ---- gate closure

    def _clear_due(self, now: datetime) -> None:
        """Clear the running slot, when that was missed, and the next one after its gate has closed."""
        current = self._clock.slot_at(now)
        closure = self._clock.slot_start(current + 1) - timedelta(seconds=self._market.gate_closure_seconds)
        for slot in range(self._ledger.current_slot(), current + 1 + (now >= closure)):
            if not self._path(slot).exists():
                self._clear(slot)

    def _clear(self, slot: int) -> None:
        entries = [entry for entry in self._hub.get("/api/orders", slot=slot) if entry["status"] == "open"]
        book = {e["order_hash"]: SignedOrder(order=e["order"], signature=e["signature"]) for e in entries}
        listed = [BookEntry(order_hash=key, order=signed.order) for key, signed in book.items()]
        tariff = self._ledger.tariff(slot)
        terms = Terms(self._ledger.deployment.grid_fee, tariff)
        auction = make_auction(clear(slot, listed, self._market.mechanism, terms), book, tariff)
        clearing = auction.clearing
        write_atomically(self._path(slot), auction.model_dump_json().encode())
        self._report_slot(auction, "cleared", clearing.volume_wh, len(clearing.fills))
        log.info("slot %d: %d orders, %d Wh cleared", slot, len(book), clearing.volume_wh)
        if len(auction.fills) < len(clearing.fills):
            left = len(clearing.fills) - len(auction.fills)
            log.warning("slot %d: %d fills do not fit into a transaction; the utility takes their place", slot, left)

    def _path(self, slot: int) -> Path:
        return self._folder / f"{slot}.json"

    def _stored(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("[0-9]*.json"))

    def _load(self, slot: int) -> Auction:
        try:
            return Auction.model_validate_json(self._path(slot).read_bytes())
        except ValidationError as error:
            raise OperatorError(f"{self._path(slot)}: damaged; remove it to clear the slot again") from error

    # ---- delivery

    def _settle_due(self, now: datetime) -> None:
        turn = self._window // 2 if self._standby else 0  # the contract lets others settle later than the first one
        for slot in self._stored():
            state = self._ledger.slot_state(slot)
            if slot + turn >= self._ledger.current_slot() or state == "closed":
                continue
            complete = self._relay_readings(slot)
            late = now >= self._clock.slot_start(slot + 1) + self._clock.slot_length / 2
            if state == "open" and (complete or late):
                self._settle(slot)

    def _relay_readings(self, slot: int) -> bool:
        """Relay readings that the contract does not know; True when every metered member's is there."""
        readings = [SignedMeterReading.model_validate(item) for item in self._hub.get("/api/meter-readings", slot=slot)]
        new = [signed for signed in readings if signed.reading.sequence > self._last_relayed(signed.reading.member)]
        for event in self._ledger.submit_readings(new):
            if event.name == "ReadingRejected":
                log.warning("slot %d: the contract refused the reading of member %d: %s", *_refusal(event))
        for signed in new:
            self._relayed[signed.reading.member] = signed.reading.sequence
        return self._capacities_wh.keys() <= {signed.reading.member for signed in readings}

    def _last_relayed(self, member: int) -> int:
        if member not in self._relayed:
            self._relayed[member] = self._ledger.meter(member).sequence
        return self._relayed[member]

    def _settle(self, slot: int) -> None:
        auction = self._load(slot)
        price = auction.clearing.price or 0
        transfers = self._ledger.settle(slot, price, auction.sells, auction.buys, auction.fills)
        volume_wh = sum(transfer.energy_wh for transfer in transfers)
        self._report_slot(auction, "settled", volume_wh, len(transfers), transfers)
        log.info("slot %d: %d trades, %d Wh settled", slot, len(transfers), volume_wh)
        if len(transfers) < len(auction.fills):
            log.warning("slot %d: the contract left out %d fills", slot, len(auction.fills) - len(transfers))

    # ---- the end of the window

    def _close_due(self) -> None:
        current = self._ledger.current_slot()
        for slot in self._stored():
            if current <= slot + self._window:
                return
            auction = self._load(slot)
            self._ledger.close_slot(slot, self._member_numbers())
            self._hub.post("/api/slots", {**auction.report(), "state": "closed"})
            self._path(slot).rename(self._folder / f"closed-{slot}.json")

    # ---- reports

    def _report_trades(self) -> None:
        """Whatever changed hands since the last look, also by people's own transactions, goes to the hub."""
        newest = self._ledger.block_number()
        if newest < self._next_block:
            return
        transfers = self._ledger.transfers(self._next_block)
        for first in range(0, len(transfers), REPORT_BATCH):
            batch = transfers[first : first + REPORT_BATCH]
            self._hub.post("/api/trades", [transfer.model_dump(mode="json") for transfer in batch])
        self._next_block = newest + 1

    def _anchor_models(self) -> None:
        """Note the hash of every released model on chain, where buildings look for it before they use the model."""
        for release in self._hub.get("/api/models"):
            wanted = str(release["model_hash"])
            if wanted not in self._anchored:
                number = self._ledger.anchor_model(wanted)
                self._anchored.add(wanted)
                log.info("model %s is anchored as release %d", wanted, number)

    def _report_slot(
        self, auction: Auction, state: str, volume_wh: int, fills: int, transfers: list[EnergyTransfer] | None = None
    ) -> None:
        report = {**auction.report(), "state": state, "volume_wh": volume_wh, "fills": fills}
        if transfers:
            report["tx_hash"] = transfers[0].tx_hash
        try:
            self._hub.post("/api/slots", report)
        except HubRejected as error:
            log.warning("the hub did not take the report of slot %d: %s", auction.clearing.slot, error)


def _refusal(event: MarketEvent) -> tuple[int, int, str]:
    return event.values["slot"], event.values["member"], event.values["fault"]
