"""The ledger: typed calls to SmartMicrogrid.sol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from eth_account.signers.local import LocalAccount
from web3 import Web3

from contracts.balances import MemberBalance, MeterState, Tariff, Totals
from contracts.deployment import UTILITY, Deployment, abi_of, packed_tariff
from contracts.events import EnergyTransfer, EventReader, MarketEvent, transfers
from contracts.gas import CLOSED_AT_ONCE, GAS_BASE, GAS_READING, READINGS_AT_ONCE, settlement_gas
from contracts.hub_client import HubClient
from contracts.member import Member
from contracts.metering import SignedMeterReading, packed_reading
from contracts.orders import SignedOrder, order_tuple
from contracts.plain_call import PlainCall, plain_call
from contracts.sender import DEFAULT, LedgerError, Sender, Sending, connect
from contracts.settlement import packed_settlement
from contracts.typed_data import Domain, compact, on_chain
from contracts.views import Call, Views

NOBODY = "0x" + "0" * 40
SLOT_STATES: tuple[Literal["open"], Literal["settled"], Literal["closed"]] = ("open", "settled", "closed")
SlotState = Literal["open", "settled", "closed"]
ROLES_ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": name,
        "stateMutability": mutability,
        "inputs": [{"name": "role", "type": "bytes32"}, {"name": "account", "type": "address"}],
        "outputs": outputs,
    }
    for name, mutability, outputs in (
        ("hasRole", "view", [{"name": "", "type": "bool"}]),
        ("grantRole", "nonpayable", []),
    )
]
"""The part of OpenZeppelin's access control that is used."""
BALANCE_VIEWS = {
    "escrowOf": "escrow",
    "freeFunds": "free",
    "energyBalance": "energy_balance_wh",
    "debtOf": "debt",
}
"""The views of a member's balance, and what they are called here."""
OPERATOR_ROLES = ("REGISTRAR_ROLE", "CLOCK_ROLE", "TARIFF_ROLE", "MODEL_ROLE")
"""What an operator does in each slot; roles, pause and the settler are the admin's."""
BLOCKS_PER_QUESTION = 5000
"""Logs are asked for in pieces: public nodes refuse long ranges."""


class Ledger:
    """One market on one chain, seen by one account (or by a reader without a key). Safe to use from several threads."""

    def __init__(self, deployment: Deployment, account: LocalAccount | None = None, sending: Sending = DEFAULT) -> None:
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
        self._sender = Sender(web3, account, [abi_of("SmartMicrogrid"), abi_of("TestToken")], sending)
        self._events = EventReader(deployment.contract)
        self._call = self._contract.functions
        self._views = Views(web3, deployment.contract, abi_of("SmartMicrogrid"))

    @classmethod
    def from_hub(
        cls, hub: HubClient, account: LocalAccount | None, pinned: str | None = None, sending: Sending = DEFAULT
    ) -> Ledger:
        """The market that the hub announces. `pinned` is the only contract address accepted, when given."""
        deployment = Deployment.model_validate(hub.get("/api/market"))
        if pinned is not None and pinned.lower() != deployment.contract.lower():
            raise LedgerError(f"the hub announces contract {deployment.contract}, chain.contract_address pins {pinned}")
        return cls(deployment, account, sending)

    @property
    def domain(self) -> Domain:
        """For what signatures count here."""
        return Domain(chain_id=self.deployment.chain_id, contract=self.deployment.contract)

    # ---- members and money

    def register(self, member: Member, capacity_wh: int) -> None:
        """Register a member whose connection carries `capacity_wh` a slot (registrar only) [Wh]

        Nothing happens when it already is, with the same wallet.
        """
        known = self.owner_of(member.number)
        if known is None:
            wh = capacity_wh if member.meter else 0
            self._sender.send(self._call.register(member.number, member.owner, member.meter or NOBODY, wh))
        elif known.lower() != member.owner.lower():
            raise LedgerError(f"member {member.number} is registered with wallet {known}, not with {member.owner}")

    def owner_of(self, number: int) -> str | None:
        """Wallet of a member, or None when it is not registered."""
        owner = Web3.to_checksum_address(self._view("buildings", number)[0])
        return None if owner == NOBODY else owner

    def is_registered(self, number: int) -> bool:
        """Whether the contract knows the member."""
        return self.owner_of(number) is not None

    def fund(self, number: int, amount: int) -> None:
        """Mint test money and put it into a member's escrow (development chains) [base units]"""
        self.fund_many([number], amount)

    def fund_many(self, numbers: Sequence[int], amount: int) -> None:
        """The same for several members, `amount` each [base units]"""
        total = amount * len(numbers)
        self._sender.send(self._token.functions.mint(self._sender.account.address, total))
        self._sender.send(self._token.functions.approve(self.deployment.contract, total))
        for number in numbers:
            self._sender.send(self._call.deposit(number, amount))

    def withdraw(self, number: int, amount: int) -> None:
        """Take money out of one's own escrow [base units]"""
        self._sender.send(self._call.withdraw(number, amount))

    def balance(self, number: int) -> MemberBalance:
        """Escrow, debt and energy of a member."""
        return self.balances([number])[0]

    def balances(self, numbers: Sequence[int]) -> list[MemberBalance]:
        """The same of several members, in one question to the node."""
        calls = [(view, (number,)) for number in numbers for view in BALANCE_VIEWS]
        answers = iter([value for (value,) in self.views(calls)])
        return [
            MemberBalance(number=number, **{name: next(answers) for name in BALANCE_VIEWS.values()})
            for number in numbers
        ]

    def meters(self, numbers: Sequence[int]) -> list[MeterState]:
        """What the contract knows of the members' meters, in one question to the node."""
        return [MeterState.from_chain(answer) for answer in self.views([("meterOf", (number,)) for number in numbers])]

    def meter(self, number: int) -> MeterState:
        """What the contract knows of a member's meter; capacity 0 when it has none."""
        return self.meters([number])[0]

    def position_wh(self, number: int, slot: int) -> int:
        """Signed energy that a member has left in a slot [Wh]"""
        return int(self._view("positions", slot, number)[0])

    # ---- slots

    def current_slot(self) -> int:
        """Where the market's clock stands."""
        return int(self._view("currentSlot")[0])

    def advance_to(self, slot: int) -> None:
        """Move the market's clock forwards (clock role only)."""
        self._sender.send(self._call.advanceTo(slot))

    def slot_state(self, slot: int) -> SlotState:
        """Open until settled; closed when its window is over."""
        return SLOT_STATES[self._view("slotState", slot)[0]]

    def tariff(self, slot: int) -> Tariff:
        """The utility's tariff in a slot."""
        return self.tariffs(slot, 1)[0]

    def tariffs(self, slot: int, count: int) -> list[Tariff]:
        """The same of `slot` and those after it, in one question to the node."""
        answers = self.views([("tariffAt", (number,)) for number in range(slot, slot + count)])
        return [Tariff(retail_price=retail, feed_in_price=feed_in) for retail, feed_in in answers]

    def post_tariffs(self, from_slot: int, tariffs: Sequence[Tariff]) -> None:
        """Post the tariffs of `from_slot` and those after it, at least two slots ahead (tariff role only)."""
        words = [packed_tariff(tariff.retail_price, tariff.feed_in_price) for tariff in tariffs]
        self._sender.send(self._call.postTariffs(from_slot, words))

    def submit_readings(self, readings: Sequence[SignedMeterReading]) -> list[MarketEvent]:
        """Relay signed readings; one that the contract does not take is left out there. Returns what it said."""
        events: list[MarketEvent] = []
        for first in range(0, len(readings), READINGS_AT_ONCE):
            some = readings[first : first + READINGS_AT_ONCE]
            batch = [(packed_reading(signed.reading), *compact(signed.signature)) for signed in some]
            gas = GAS_BASE + GAS_READING * len(batch)
            events += self._events.read(self._sender.send(self._plain("submitReadings", batch), gas)["logs"])
        return events

    def settle(
        self,
        slot: int,
        price: int,
        sells: Sequence[SignedOrder],
        buys: Sequence[SignedOrder],
        fills: Sequence[tuple[int, int, int]],
    ) -> list[EnergyTransfer]:
        """Settle a slot's auction; fills are (index of sell, index of buy, Wh). Returns what changed hands."""
        batch, wallet_signatures = packed_settlement(slot, price, sells, buys, fills)
        gas = settlement_gas(len(sells) + len(buys), len(fills), len(wallet_signatures))
        if wallet_signatures:
            return self._sent(self._plain("settleWithWallets", *batch, wallet_signatures), gas)
        return self._sent(self._plain("settle", *batch), gas)

    def close_slot(self, slot: int, numbers: Sequence[int]) -> list[EnergyTransfer]:
        """Net what members have left of a slot with the utility; nothing happens to those that have nothing."""
        transfers: list[EnergyTransfer] = []
        for first in range(0, max(len(numbers), 1), CLOSED_AT_ONCE):  # without members: the slot's fees
            transfers += self._sent(self._call.closeSlot(slot, list(numbers[first : first + CLOSED_AT_ONCE])))
        return transfers

    def transfer_energy(self, offer: SignedOrder, buyer: int, energy_wh: int) -> EnergyTransfer:
        """Buy delivered energy at the price that its seller signed, with the account of `buyer`."""
        signature = on_chain(offer.signature)
        return self._sent(self._call.transferEnergy(order_tuple(offer.order), signature, buyer, energy_wh))[0]

    def cancel_order(self, signed: SignedOrder) -> None:
        """Withdraw an order of one's own; one for a slot that runs is binding."""
        self._sender.send(self._call.cancelOrder(order_tuple(signed.order)))

    def cancel_through(self, number: int, slot: int) -> None:
        """Withdraw all auction orders of one's own for the slots after the running one and up to `slot`."""
        self._sender.send(self._call.cancelThrough(number, slot))

    def filled_wh(self, order_hash: str) -> int:
        """How much of an offer was already bought [Wh]"""
        return int(self._view("filledWh", order_hash)[0])

    # ---- operators

    def is_operator(self, wallet: str) -> bool:
        """Whether a wallet may do all that an operator does in each slot."""
        roles = self._roles()
        return all(self._read(roles.hasRole(_role(name), wallet)) for name in OPERATOR_ROLES)

    def grant_operator_roles(self, wallets: Iterable[str]) -> None:
        """Let these wallets stand in for the operator (admin only); those that may already are left alone."""
        roles = self._roles()
        for wallet in map(Web3.to_checksum_address, wallets):
            for name in OPERATOR_ROLES:
                if not self._read(roles.hasRole(_role(name), wallet)):
                    self._sender.send(roles.grantRole(_role(name), wallet))

    def _roles(self) -> Any:
        """The functions of the market's role contract (MarketRoles.sol)."""
        return self._web3.eth.contract(Web3.to_checksum_address(self._view("roles")[0]), abi=ROLES_ABI).functions

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
        return int(self._view("releaseOf", model_hash)[0])

    # ---- events and sums

    def events(self, from_block: int | None = None, to_block: int | None = None) -> list[MarketEvent]:
        """Everything that the contract said since `from_block` (default: the deployment), in order."""
        first = self.deployment.deployed_block if from_block is None else from_block
        return self._events.read(self._logs(first, self.block_number() if to_block is None else to_block))

    def transfers(self, from_block: int | None = None) -> list[EnergyTransfer]:
        """Everything that changed hands since `from_block` (default: the deployment), in order."""
        return transfers(self.events(from_block))

    def transfers_in(self, tx_hash: str) -> list[EnergyTransfer]:
        """What changed hands in one transaction. Raises LedgerError when it is unknown or failed."""
        return transfers(self._events.read(self._sender.receipt(tx_hash)["logs"]))

    def gas_used(self, tx_hash: str) -> int:
        """Gas that a transaction cost. Raises LedgerError when it is unknown or failed."""
        return int(self._sender.receipt(tx_hash)["gasUsed"])

    def block_number(self) -> int:
        """Newest block."""
        return int(self._sender.query(lambda: self._web3.eth.block_number))

    def totals(self, numbers: Sequence[int]) -> Totals:
        """The sums over the utility and the given members."""
        members = sorted({UTILITY, *numbers})
        balances, meters = self.balances(members), self.meters(members)
        held = self.views([("uncollected", ()), ("totalCollateral", ()), ("transactionCount", ())])
        uncollected, collateral, count = (value for (value,) in held)
        return Totals(
            token_in_contract=self.tokens(),
            sum_of_escrows=sum(balance.escrow for balance in balances) + uncollected + collateral,
            metered_net_wh=sum(meter.export_register_wh - meter.import_register_wh for meter in meters),
            sum_of_balances_wh=sum(balance.energy_balance_wh for balance in balances if balance.number != UTILITY),
            utility_net_wh=balances[0].energy_balance_wh,
            transactions=count,
        )

    def views(self, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
        """The fields that views answer, by name and arguments, in one question to the node."""
        return list(self._sender.query(lambda: self._views.ask(calls)))

    def tokens(self) -> int:
        """Payment tokens that the contract holds [base units]"""
        return int(self._read(self._token.functions.balanceOf(self.deployment.contract)))

    def _logs(self, first: int, newest: int) -> Iterable[Any]:
        while first <= newest:
            last = min(first + BLOCKS_PER_QUESTION - 1, newest)
            wanted: Any = {"address": self.deployment.contract, "fromBlock": first, "toBlock": last}
            yield from self._sender.query(lambda wanted=wanted: self._web3.eth.get_logs(wanted))  # type: ignore[misc]
            first = last + 1

    def _sent(self, call: Any, gas: int | None = None) -> list[EnergyTransfer]:
        return transfers(self._events.read(self._sender.send(call, gas)["logs"]))

    def _plain(self, name: str, *arguments: Any) -> PlainCall:
        return plain_call(self.deployment.contract, abi_of("SmartMicrogrid"), name, arguments)

    def _read(self, call: Any) -> Any:
        return self._sender.read(call)

    def _view(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """The fields that one view answers."""
        return self.views([(name, arguments)])[0]


def _role(name: str) -> bytes:
    return bytes(Web3.keccak(text=name))
