"""The ledger: typed calls to SmartMicrogrid.sol, and its events as frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from eth_account.signers.local import LocalAccount
from pydantic import Field
from web3.types import EventData

from contracts.deployment import UTILITY, Deployment, abi_of
from contracts.hub_client import HubClient
from contracts.member import Member
from contracts.metering import SignedMeterReading, reading_tuple
from contracts.orders import SignedOrder, order_tuple
from contracts.sender import LedgerError, Sender, connect
from contracts.typed_data import Domain
from simulation.settings import Settings

NOBODY = "0x" + "0" * 40
KINDS: tuple[Literal["auction"], Literal["offer"], Literal["utility"]] = ("auction", "offer", "utility")
SlotState = Literal["open", "settled", "closed"]


class EnergyTransfer(Settings):
    """One event EnergyTransferred."""

    tx_hash: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    """Transaction that emitted it; stays the same when the chain is replayed."""
    log_index: int = Field(ge=0)
    """Place of the event within its transaction."""
    slot: int = Field(ge=0)
    """Slot of the energy."""
    seller: int = Field(ge=0)
    """Member number; 0 is the utility."""
    buyer: int = Field(ge=0)
    """Member number; 0 is the utility."""
    energy_wh: int = Field(gt=0)
    """Energy that changed hands [Wh]"""
    price: int = Field(ge=0)
    """[base units/kWh]"""
    cost: int = Field(ge=0)
    """Paid by the buyer [base units]"""
    proceeds: int = Field(ge=0)
    """Received by the seller [base units]"""
    kind: Literal["auction", "offer", "utility"]
    """Cleared in the auction, bought as an offer, or netted with the utility."""


class MemberBalance(Settings):
    """What the contract says about one member."""

    number: int
    """Member number."""
    escrow: int
    """Money in the contract [base units]"""
    stored_energy_wh: int
    """Positive part of the energy balance [Wh]"""
    energy_balance_wh: int
    """Signed energy balance over all open slots [Wh]"""
    debt: int
    """Owed to the utility [base units]"""


class Totals(Settings):
    """Sums that show whether anything was lost or made up."""

    token_in_contract: int
    """Payment tokens that the contract holds [base units]"""
    sum_of_escrows: int
    """Escrow of all listed members and the utility [base units]"""
    metered_net_wh: int
    """Exports minus imports of all meters [Wh]"""
    sum_of_balances_wh: int
    """Energy balance of all listed members [Wh]"""
    utility_net_wh: int
    """Bought minus sold by the utility [Wh]"""
    transactions: int
    """Entries in the audit array."""

    @property
    def money_balance(self) -> int:
        """Tokens that nobody owns; 0 when nothing is wrong [base units]"""
        return self.token_in_contract - self.sum_of_escrows

    @property
    def energy_balance_wh(self) -> int:
        """Metered energy that nobody has; 0 when nothing is wrong [Wh]"""
        return self.metered_net_wh - self.sum_of_balances_wh - self.utility_net_wh


class Ledger:
    """One market on one chain, seen by one account (or by a reader without a key). Safe to use from several threads."""

    def __init__(self, deployment: Deployment, account: LocalAccount | None = None) -> None:
        web3 = connect(deployment.rpc_url, deployment.chain_id)
        if not web3.eth.get_code(deployment.contract):  # type: ignore[arg-type]  # a checksummed address as text
            raise LedgerError(
                f"no contract at {deployment.contract} on the chain at {deployment.rpc_url}: the chain was replaced; "
                "restore its folder, or remove the operator's deployment.json to start a new market"
            )
        self.deployment = deployment
        self._web3 = web3
        self._contract = web3.eth.contract(deployment.contract, abi=abi_of("SmartMicrogrid"))  # type: ignore[call-overload]
        self._token = web3.eth.contract(deployment.token, abi=abi_of("TestToken"))  # type: ignore[call-overload]
        self._sender = Sender(web3, account, [abi_of("SmartMicrogrid"), abi_of("TestToken")])
        self._call = self._contract.functions

    @classmethod
    def from_hub(cls, hub: HubClient, account: LocalAccount | None, pinned: str | None = None) -> Ledger:
        """The market that the hub announces. `pinned` is the only contract address accepted, when given."""
        deployment = Deployment.model_validate(hub.get("/api/market"))
        if pinned is not None and pinned.lower() != deployment.contract.lower():
            raise LedgerError(f"the hub announces contract {deployment.contract}, chain.contract_address pins {pinned}")
        return cls(deployment, account)

    @property
    def domain(self) -> Domain:
        """For what signatures count here."""
        return Domain(chain_id=self.deployment.chain_id, contract=self.deployment.contract)

    # ---- members and money

    def register(self, member: Member) -> None:
        """Register a member (registrar only); nothing happens when it already is, with the same wallet."""
        known = self.owner_of(member.number)
        if known is None:
            self._sender.send(self._call.register(member.number, member.owner, member.meter or NOBODY))
        elif known.lower() != member.owner.lower():
            raise LedgerError(f"member {member.number} is registered with wallet {known}, not with {member.owner}")

    def owner_of(self, number: int) -> str | None:
        """Wallet of a member, or None when it is not registered."""
        owner, _, active = self._read(self._call.buildings(number))
        return str(owner) if active else None

    def is_registered(self, number: int) -> bool:
        """Whether the contract knows the member."""
        return self.owner_of(number) is not None

    def fund(self, number: int, amount: int) -> None:
        """Mint test money and put it into a member's escrow (development chains) [base units]"""
        self._sender.send(self._token.functions.mint(self._sender.account.address, amount))
        self._sender.send(self._token.functions.approve(self.deployment.contract, amount))
        self._sender.send(self._call.deposit(number, amount))

    def withdraw(self, number: int, amount: int) -> None:
        """Take money out of one's own escrow [base units]"""
        self._sender.send(self._call.withdraw(number, amount))

    def balance(self, number: int) -> MemberBalance:
        """Escrow, debt and energy of a member."""
        return MemberBalance(
            number=number,
            escrow=self._read(self._call.escrowOf(number)),
            stored_energy_wh=self._read(self._call.storedEnergy(number)),
            energy_balance_wh=self._read(self._call.energyBalance(number)),
            debt=self._read(self._call.debtOf(number)),
        )

    def position_wh(self, number: int, slot: int) -> int:
        """Signed energy that a member has left in a slot [Wh]"""
        return int(self._read(self._call.positions(slot, number)))

    # ---- slots

    def current_slot(self) -> int:
        """Where the market's clock stands."""
        return int(self._read(self._call.currentSlot()))

    def advance_to(self, slot: int) -> None:
        """Move the market's clock forwards (clock role only)."""
        self._sender.send(self._call.advanceTo(slot))

    def slot_state(self, slot: int) -> SlotState:
        """Open until settled; closed when its window is over."""
        if self.current_slot() > slot + self.deployment.settlement_window_slots:
            return "closed"
        return "settled" if self._read(self._call.slotStates(slot)) else "open"

    def last_sequence(self, number: int) -> int:
        """Sequence of the newest reading that the contract took from a member's meter."""
        return int(self._read(self._call.lastSequence(number)))

    def submit_readings(self, readings: Sequence[SignedMeterReading]) -> None:
        """Relay signed readings; one that the contract does not take is left out there, with an event."""
        if readings:
            self._sender.send(self._call.submitReadings([(reading_tuple(r.reading), r.signature) for r in readings]))

    def settle(
        self,
        slot: int,
        price: int,
        sells: Sequence[SignedOrder],
        buys: Sequence[SignedOrder],
        fills: Sequence[tuple[int, int, int]],
    ) -> list[EnergyTransfer]:
        """Settle a slot's auction; fills are (index of sell, index of buy, Wh). Returns what changed hands."""
        clearing = (slot, price, _signed_tuples(sells), _signed_tuples(buys), list(fills))
        return self._transfers_of(self._sender.send(self._call.settle(clearing)))

    def close_slot(self, slot: int, numbers: Sequence[int]) -> list[EnergyTransfer]:
        """After the window: net what is left of a slot with the utility."""
        return self._transfers_of(self._sender.send(self._call.closeSlot(slot, list(numbers))))

    def transfer_energy(self, offer: SignedOrder, buyer: int, energy_wh: int) -> EnergyTransfer:
        """Buy delivered energy at the price that its seller signed, with the account of `buyer`."""
        call = self._call.transferEnergy(order_tuple(offer.order), offer.signature, buyer, energy_wh)
        return self._transfers_of(self._sender.send(call))[0]

    def filled_wh(self, order_hash: str) -> int:
        """How much of an order was already traded [Wh]"""
        return int(self._read(self._call.filledWh(order_hash)))

    # ---- the shared forecaster

    def anchor_model(self, model_hash: str) -> int:
        """Note the hash (0x and 64 digits) of a released model (model role only); its number, from 1.

        Nothing happens when it is anchored already.
        """
        if not self.release_of(model_hash):
            self._sender.send(self._call.anchorModel(bytes.fromhex(model_hash[2:])))
        return self.release_of(model_hash)

    def release_of(self, model_hash: str) -> int:
        """Number of a released model; 0 when no model with this hash was anchored."""
        return int(self._read(self._call.releaseOf(bytes.fromhex(model_hash[2:]))))

    # ---- events and sums

    def transfers(self, from_block: int | None = None) -> list[EnergyTransfer]:
        """Everything that changed hands since `from_block` (default: the deployment), in order."""
        start = self.deployment.deployed_block if from_block is None else from_block
        logs = self._sender.query(lambda: self._contract.events.EnergyTransferred().get_logs(from_block=start))
        firsts: dict[str, int] = {}
        return [self._record(log, firsts) for log in logs]

    def transfers_in(self, tx_hash: str) -> list[EnergyTransfer]:
        """What changed hands in one transaction. Raises LedgerError when it is unknown or failed."""
        return self._transfers_of(self._sender.receipt(tx_hash))

    def block_number(self) -> int:
        """Newest block."""
        return int(self._sender.query(lambda: self._web3.eth.block_number))

    def totals(self, numbers: Sequence[int]) -> Totals:
        """The sums over the utility and the given members."""
        balances = [self.balance(number) for number in {UTILITY, *numbers}]
        return Totals(
            token_in_contract=self._read(self._token.functions.balanceOf(self.deployment.contract)),
            sum_of_escrows=sum(balance.escrow for balance in balances),
            metered_net_wh=self._read(self._call.totalMeteredNet()),
            sum_of_balances_wh=sum(balance.energy_balance_wh for balance in balances),
            utility_net_wh=self._read(self._call.utilityNetWh()),
            transactions=self._read(self._call.transactionCount()),
        )

    def _read(self, call: Any) -> Any:
        return self._sender.read(call)

    def _transfers_of(self, receipt: Any) -> list[EnergyTransfer]:
        at = self.deployment.contract.lower()
        event = self._contract.events.EnergyTransferred()
        topic = event.topic
        logs = [log for log in receipt["logs"] if log["address"].lower() == at and _hex(log["topics"][0]) == topic]
        firsts: dict[str, int] = {}
        return [self._record(event.process_log(log), firsts) for log in logs]

    def _record(self, log: EventData, seen: dict[str, int]) -> EnergyTransfer:
        """`log_index` counts the transfers within their transaction: a block's numbering changes with a replay."""
        tx_hash, args = _hex(log["transactionHash"]), log["args"]
        index = seen.get(tx_hash, 0)
        seen[tx_hash] = index + 1
        return EnergyTransfer(
            tx_hash=tx_hash,
            log_index=index,
            slot=args["slot"],
            seller=args["seller"],
            buyer=args["buyer"],
            energy_wh=args["energyWh"],
            price=args["pricePerKwh"],
            cost=args["cost"],
            proceeds=args["proceeds"],
            kind=KINDS[args["kind"]],
        )


def _signed_tuples(orders: Sequence[SignedOrder]) -> list[tuple[Any, str]]:
    return [(order_tuple(signed.order), signed.signature) for signed in orders]


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()
