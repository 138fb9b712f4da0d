"""The audit passes on a market in which everything happened, and names exactly what was falsified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from contracts.audit import audit
from contracts.audit_hub import compare_hub
from contracts.audit_report import AuditReport, Difference
from contracts.balances import Tariff
from contracts.deployment import abi_of, load_artifact
from contracts.events import EnergyTransfer
from contracts.hub_client import HubClient
from contracts.ledger import Ledger
from contracts.market_at import market_at
from contracts.orders import Side
from contracts.replay import HANDLERS, WITHOUT_EFFECT
from contracts.sender import LedgerError
from contracts.settings import MarketConfig
from tests.contracts import market_world
from tests.contracts.bare_node import BareNode, bare_node
from tests.contracts.market_world import CAPACITY_WH, FIRST_SLOT, FUNDS, MarketWorld, Neighbour

S = FIRST_SLOT
FREE = ("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
LAYOUT = {label: int(slot) for label, slot, *_ in load_artifact("SmartMicrogrid")["storage_layout"]}
MODEL = "0x" + "ab" * 32


class Shown(HubClient):
    """A hub that shows these trades."""

    def __init__(self, trades: list[EnergyTransfer]) -> None:
        super().__init__("http://hub")
        self.trades = trades

    def get(self, path: str, **params: Any) -> Any:
        assert path == "/api/trades"
        return [trade.model_dump() | {"at": None, "seller_name": "", "buyer_name": ""} for trade in self.trades]


class Story(MarketWorld):
    """Two slots in which everything happens that a market knows."""

    def __init__(self, rpc_url: str, utility: LocalAccount) -> None:
        super().__init__(rpc_url, 4)
        self.utility = Ledger(self.deployment, utility)

    def send(self, ledger: Ledger, view: str, *arguments: Any) -> None:
        ledger._sender.send(ledger._call[view](*arguments))

    def tell(self) -> Story:
        one, two, three, four = self.members
        three.ledger.withdraw(3, FUNDS - 1000)
        self._first_slot(one, two, three, four)
        self._owner_and_meter(one, two)
        self._second_slot(one, four)
        return self

    def _first_slot(self, one: Neighbour, two: Neighbour, three: Neighbour, four: Neighbour) -> None:
        sells = [self.order(one, Side.SELL, 1000, 90_001), self.order(four, Side.SELL, 800, 90_001)]
        buys = [self.order(two, Side.BUY, 1800, 290_000)]
        self.ledger.post_tariffs(S + 3, [Tariff(retail_price=310_000, feed_in_price=70_000)])
        self.ledger.advance_to(S + 1)
        readings = [self.reading(one, 0, 1200), self.reading(two, 900, 0), self.reading(three, 100, 0)]
        self.ledger.submit_readings([*readings, self.reading(four, 0, 300)])
        self.ledger.settle(S, 190_001, sells, buys, [(0, 0, 701), (1, 0, 801), (1, 0, 777)])
        offer = self.order(one, Side.SELL, 400, 150_001, expiry=S + 4)
        two.ledger.transfer_energy(offer, 2, 333)
        one.ledger.cancel_order(offer)
        one.ledger.cancel_through(1, S + 9)
        self.ledger.advance_to(S + 5)
        self.ledger.close_slot(S, [1, 2, 3, 4])
        assert (self.ledger.balance(3).debt, self.ledger.balance(4).debt) == (29_000, 0)
        three.ledger.fund(3, 20_000)
        assert self.ledger.balance(3).debt == 9_000

    def _owner_and_meter(self, one: Neighbour, two: Neighbour) -> None:
        owner, meter = Account.create(), Account.create()
        self.send(one.ledger, "proposeOwner", 1, owner.address)
        one.owner, one.ledger = owner, Ledger(self.deployment, owner)
        self.send(one.ledger, "acceptOwner", 1)
        self.send(self.ledger, "proposeMeter", 1, meter.address, 2 * CAPACITY_WH)
        self.send(one.ledger, "acceptMeter", 1)
        one.meter = meter
        self.send(self.ledger, "setActive", 2, False)
        self.send(self.ledger, "setPaused", True)
        self.send(self.ledger, "setPaused", False)
        self.ledger.anchor_model(MODEL)

    def _second_slot(self, one: Neighbour, four: Neighbour) -> None:
        """The utility is out of money: a claim, paid in part; slot 106 stays open; tokens come without a deposit."""
        slot = S + 5
        self.ledger.advance_to(slot + 1)
        self.ledger.submit_readings([self.reading(one, 100, 5_000, slot), self.reading(four, 0, 2_000, slot)])
        self.ledger.settle(
            slot,
            190_001,
            [self.order(one, Side.SELL, 501, 0, slot)],
            [self.order(four, Side.BUY, 501, 190_001, slot)],
            [(0, 0, 501)],
        )
        self.utility.withdraw(0, self.ledger.balance(0).escrow)
        self.ledger.advance_to(slot + 5)
        self.ledger.close_slot(slot, [1])
        self.ledger.fund(0, 100_000)
        self.send(self.ledger, "payClaim", 1)
        self.ledger.submit_readings([self.reading(four, 0, 700, slot + 2)])
        token = self.ledger._token.functions
        self.ledger._sender.send(token.mint(self.deployment.contract, 17))


@pytest.fixture(scope="module", params=[True, False], ids=["audited", "offers-only"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Story, BareNode]]:
    utility = Account.create()
    rules = MarketConfig(utility_wallet=utility.address, audit_batches=request.param)
    with bare_node(tmp_path_factory.mktemp("node"), *FREE) as node, pytest.MonkeyPatch.context() as patch:
        patch.setattr(market_world, "MarketConfig", lambda: rules)
        yield Story(node.url, utility).tell(), node


@pytest.fixture
def story(told: tuple[Story, BareNode]) -> Iterator[Story]:
    """What a test falsifies is undone after it."""
    world, node = told
    before = node.call("evm_snapshot")
    yield world
    assert node.call("evm_revert", before)


@pytest.fixture
def node(told: tuple[Story, BareNode]) -> BareNode:
    return told[1]


def report_of(story: Story, hub: HubClient | None = None) -> AuditReport:
    return audit(story.ledger, hub, lambda *_: None)


def differences(report: AuditReport) -> dict[str, tuple[Difference, ...]]:
    return {check.name: check.differences for check in report.checks if not check.ok}


def add(node: BareNode, story: Story, at: int, what: int) -> None:
    """Add to a word of the contract's storage."""
    place = f"0x{at:064x}"
    before = int(node.call("eth_getStorageAt", story.deployment.contract, place, "latest"), 16)
    node.call("anvil_setStorageAt", story.deployment.contract, place, f"0x{(before + what) % 2**256:064x}")


def mapped(label: str, *keys: int | str) -> int:
    place = LAYOUT[label]
    for key in keys:
        word = key if isinstance(key, int) else int(key, 16)
        place = int.from_bytes(Web3.keccak(word.to_bytes(32, "big") + place.to_bytes(32, "big")), "big")
    return place


def test_every_event_of_the_contract_is_known() -> None:
    names = {entry["name"] for entry in abi_of("SmartMicrogrid") if entry["type"] == "event"}
    assert names == {*HANDLERS, *WITHOUT_EFFECT, "EnergyTransferred"}
    assert not set(HANDLERS) & WITHOUT_EFFECT


def test_the_story_has_every_event_that_moves_something(story: Story) -> None:
    assert set(HANDLERS) - {event.name for event in story.ledger.events()} == {"SettlerChanged"}


def test_an_honest_market_is_in_order(story: Story) -> None:
    transfers = story.ledger.transfers()
    report = report_of(story, Shown(transfers))
    assert differences(report) == {}
    assert report.ok
    assert (report.members, report.trades, report.surplus) == (4, len(transfers), 17)
    compared = {check.name: check.compared for check in report.checks}
    audited = story.ledger.views([("auditBatches", ())])[0][0]
    offers = sum(transfer.kind == "offer" for transfer in transfers)
    assert compared["audit array"] == 1 + (len(transfers) if audited else offers)
    assert (compared["positions at closing"], compared["cancelled orders"], compared["tariffs"]) == (5, 1, 1)
    found = {check.name: check.found for check in report.checks}
    assert min(found["claims on the utility"], found["debt"], found["open positions"]) > 0


def test_what_is_known_only_by_its_address(story: Story) -> None:
    at = market_at(story.deployment.rpc_url, 31337, story.deployment.contract, 0, 15, "EUR")
    assert at.model_copy(update={"deployed_block": story.deployment.deployed_block}) == story.deployment
    assert audit(Ledger(at), None, lambda *_: None).ok
    with pytest.raises(LedgerError, match="refused token"):
        market_at(story.deployment.rpc_url, 31337, story.deployment.token, 0, 15, "EUR")
    with pytest.raises(LedgerError, match="no contract at"):
        market_at(story.deployment.rpc_url, 31337, Account.create().address, 0, 15, "EUR")


def test_events_that_begin_too_late_are_refused(story: Story) -> None:
    late = story.deployment.model_copy(update={"deployed_block": story.deployment.deployed_block + 1})
    with pytest.raises(LedgerError, match="begin with Deposited instead of the market's opening"):
        audit(Ledger(late), None, lambda *_: None)


def test_closing_without_a_position_collects_without_an_event_and_is_told(story: Story) -> None:
    one, two = story.members[0], story.members[1]
    story.send(story.ledger, "setActive", 2, True)
    slot = S + 12
    story.ledger.advance_to(slot + 1)
    story.ledger.submit_readings([story.reading(one, 0, 333, slot), story.reading(two, 333, 0, slot)])
    sells, buys = [story.order(one, Side.SELL, 333, 0, slot)], [story.order(two, Side.BUY, 333, 200_001, slot)]
    story.ledger.settle(slot, 190_001, sells, buys, [(0, 0, 333)])
    told = "the utility collected 1 base units by closings without an event; its money is whole"
    assert told not in report_of(story).notes
    story.ledger.advance_to(slot + 5)
    story.ledger.close_slot(slot, [1, 2])
    report = report_of(story)
    assert report.ok
    assert told in report.notes


# ---- falsified state


@pytest.mark.parametrize("amount", [5, -1])
def test_wrong_escrow(story: Story, node: BareNode, amount: int) -> None:
    add(node, story, mapped("_accounts", story.members[1].owner.address), amount << 32)
    (difference,) = differences(report_of(story))["escrow"]
    assert (difference.member, difference.by) == (2, amount)
    assert difference.tx_hash is not None
    assert set(differences(report_of(story))) == {"escrow"}


def test_wrong_position(story: Story, node: BareNode) -> None:
    slot, number = S + 7, 4
    add(node, story, LAYOUT["_positions"] + (((slot % 128) << 32) | number // 7), 9 << 32 * (number % 7 + 1))
    found = differences(report_of(story))
    assert set(found) == {"open positions"}
    (difference,) = found["open positions"]
    assert (difference.member, difference.slot, difference.expected, difference.found) == (4, slot, 700, 709)
    assert difference.tx_hash == [e for e in story.ledger.events() if e.name == "EnergyMetered"][-1].tx_hash


def test_wrong_audit_entry(story: Story, node: BareNode) -> None:
    first = int.from_bytes(Web3.keccak(LAYOUT["transactions"].to_bytes(32, "big")), "big")
    add(node, story, first, 1 << 96)  # its energy
    found = differences(report_of(story))
    assert set(found) == {"audit array"}
    (difference,) = found["audit array"]
    assert (difference.what, difference.by) == ("entry 0, energy_wh", 1)
    assert difference.tx_hash in {transfer.tx_hash for transfer in story.ledger.transfers()}


@pytest.mark.parametrize("change", [1, -1])
def test_wrong_length_of_the_audit_array(story: Story, node: BareNode, change: int) -> None:
    add(node, story, LAYOUT["transactions"], change)
    (difference,) = differences(report_of(story))["audit array"]
    assert (difference.what, difference.by) == ("entries", change)


WRONG = [
    ("debt", mapped("debtOf", 3), 1, 3),
    ("claims on the utility", mapped("claimOf", 1), 1, 1),
    ("collateral", mapped("collateralOf", S, 4), 1, 4),
    ("hashes over trades", LAYOUT["_records"] + S, 1, None),
    ("not collected by the utility", LAYOUT["_records"] + 3, 1 << 160, None),
    ("utility's money", LAYOUT["_utilityEscrow"], -1, 0),
    ("total escrow", LAYOUT["totalEscrow"], 1, None),
    ("total collateral", LAYOUT["totalCollateral"], 1, None),
    ("total claims", LAYOUT["totalClaims"], 1, None),
    ("models", mapped("releaseOf", MODEL), 1, None),
    ("tariffs", mapped("_tariffs", S + 3), 1, None),
    ("energy balance", LAYOUT["_utilityNetWh"], 1, 0),
]


@pytest.mark.parametrize(("check", "at", "what", "member"), WRONG, ids=[wrong[0] for wrong in WRONG])
def test_wrong_words(story: Story, node: BareNode, check: str, at: int, what: int, member: int | None) -> None:
    add(node, story, at, what)
    found = differences(report_of(story))
    assert set(found) - {"utility's money"} == {check} - {"utility's money"}
    assert [difference.member for difference in found[check]] == [member]


def test_wrong_register_and_owner(story: Story, node: BareNode) -> None:
    add(node, story, mapped("_meters", story.members[0].meter.address), 3)  # its export register
    found = differences(report_of(story))
    assert {name: [d.what for d in of] for name, of in found.items()} == {
        "energy balance": ["energy balance"],
        "meter registers": ["export_register_wh"],
    }
    assert [d.by for of in found.values() for d in of] == [3, 3]
    add(node, story, mapped("buildings", 2), 1)
    assert [(d.member, d.what) for d in differences(report_of(story))["owners and meters"]] == [(2, "owner")]


def test_tokens_that_are_gone(story: Story, node: BareNode) -> None:
    contract = story.deployment.contract
    node.call("anvil_setBalance", contract, hex(10**18))
    node.call("anvil_impersonateAccount", contract)
    data = story.ledger._token.encode_abi("transfer", [story.operator.address, 18])
    sent = {"from": contract, "to": story.deployment.token, "data": data, "gas": hex(10**6), "gasPrice": "0x0"}
    node.call("eth_sendTransaction", sent)
    (difference,) = differences(report_of(story))["tokens in the contract"]
    assert difference.by == -1


# ---- falsified trades of the hub


def test_missing_edited_and_invented_trades(story: Story) -> None:
    transfers = story.ledger.transfers()
    edited = transfers[1].model_copy(update={"energy_wh": transfers[1].energy_wh + 7})
    invented = transfers[2].model_copy(update={"tx_hash": "0x" + "1" * 64})
    report = report_of(story, Shown([edited, *transfers[2:], invented]))
    found = differences(report)["trades in the hub"]
    assert [(d.tx_hash, d.by, d.expected is None, d.found is None) for d in found] == [
        (transfers[1].tx_hash, 7, False, False),
        (invented.tx_hash, None, True, False),
        (transfers[0].tx_hash, None, False, True),
    ]
    assert (report.checks[-1].expected, report.checks[-1].found) == (len(transfers), len(transfers) - 2)


def trade(number: int) -> EnergyTransfer:
    names = {"slot": number, "seller": 1, "buyer": 2, "energy_wh": 5, "price": 1, "cost": 1, "proceeds": 0}
    return EnergyTransfer.model_validate({"tx_hash": f"0x{number:064x}", "log_index": 0, "kind": "auction"} | names)


@given(st.sets(st.integers(0, 12)), st.sets(st.integers(0, 12)), st.sets(st.integers(0, 12)))
def test_exactly_what_was_changed_is_named(chain: set[int], shown: set[int], edited: set[int]) -> None:
    trades = [trade(n).model_copy(update={"cost": 1 + (n in edited)}) for n in sorted(shown)]
    check = compare_hub([trade(n) for n in sorted(chain)], trades, Shown(trades))
    assert {d.slot for d in check.differences} == (chain ^ shown) | (chain & edited & shown)
    assert check.found == len(chain & shown - edited)
    assert check.ok == (not check.differences)


def test_the_market_may_go_on_meanwhile(story: Story) -> None:
    """A deposit between the events and the answers is no difference."""
    left = [1, 2, 3]

    def disturb(what: str, *_: int) -> None:
        if what == "blocks read" and left:
            story.members[left.pop() - 1].ledger.fund(1, 1000)

    report = audit(story.ledger, None, disturb)
    assert left == []
    assert report.ok
