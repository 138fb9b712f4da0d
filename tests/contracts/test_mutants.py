"""Each fault that is put into a contract is noticed by a test; a mutant that lives is a test that is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.mutants import Bench, Mutant, edit, open_bench
from tests.contracts.tool_environment import TOOLS

MARKET, MEMBERS, CLOCK, METERS, SIGNS = (
    f"{name}.sol" for name in ("SmartMicrogrid", "Members", "MarketClock", "Metering", "Signatures")
)


def by(contract: str, test: str = "") -> tuple[str, ...]:
    """Those that have to notice: few, because a mutant costs a compilation already."""
    return ("--match-contract", contract, *(("--match-test", test) if test else ()))


MUTANTS = (
    # What a member signs.
    Mutant(
        "orders are not signed",
        MARKET,
        ": _recover(digest, order.r, order.vs);",
        ": buildings[terms.member()].owner;",
        by("BookAuction", "NobodySigns"),
    ),
    Mutant(
        "anyone signs for a member",
        MARKET,
        "member != UTILITY && account.isPlainly(member)",
        "member != UTILITY && account.isPlainly(account.member())",
        by("BookAuction", "NobodySigns"),
    ),
    Mutant(
        "high s counts",
        SIGNS,
        "if iszero(gt(s, HALF_ORDER)) {",
        "if iszero(gt(s, not(0))) {",
        by("ReplayWallets", "Twin|HighS"),
    ),
    Mutant(
        "a wallet gets too little gas",
        SIGNS,
        "if (gasleft() < needed) revert GasTooLow(gasleft(), needed);",
        "",
        by("WalletsTest", "Gas"),
    ),
    Mutant(
        "the seller's limit",
        MARKET,
        "sells ? terms.limitPrice() <= settlement.price() :",
        "sells ? true :",
        by("Auction", "BothLimits"),
    ),
    Mutant(
        "the buyer's limit without the fee",
        MARKET,
        "terms.limitPrice() >= settlement.price() + gridFee;",
        "terms.limitPrice() >= settlement.price();",
        by("Auction", "BothLimits"),
    ),
    Mutant("a sell order over-filled", MARKET, "wh > seller.leftWh() || ", "", by("AuctionTest", "OverFilled")),
    Mutant(
        "an order listed twice",
        MARKET,
        "if (terms > last || i == sells) {",
        "if (terms >= last || i == sells) {",
        by("BookAuction", "Often"),
    ),
    Mutant(
        "cancelled too late",
        MARKET,
        "if (order.expirySlot <= order.slot && order.slot <= currentSlot) "
        "revert OrderBinding(order.slot, currentSlot);",
        "",
        by("BookAuction", "Binding"),
    ),
    # When.
    Mutant(
        "settled twice",
        CLOCK,
        "if (record.lap() == _lap(slot)) revert SlotAlreadySettled(slot);",
        "",
        by("SettlementAuction", "Once"),
    ),
    Mutant(
        "settled after the window",
        CLOCK,
        "if (current > uint256(slot) + settlementWindow) revert SlotWindowOver(slot, uint64(current));",
        "",
        by("SettlementAuction"),
    ),
    Mutant(
        "settled before the slot is over",
        CLOCK,
        "if (slot >= current) revert SlotNotOver(slot, uint64(current));",
        "",
        by("SettlementAuction", "NotOver"),
    ),
    Mutant("the settler is not first", CLOCK, "if (msg.sender != first) {", "if (false) {", by("SettlementAuction")),
    Mutant(
        "the clock runs ahead",
        CLOCK,
        "if (slot > latest) revert ClockTooFast(slot, uint64(latest));",
        "",
        by("ClockTest", "Ahead"),
    ),
    Mutant(
        "tariffs at once",
        CLOCK,
        "if (slot < uint256(currentSlot) + TARIFF_NOTICE) revert TariffTooLate(slot);",
        "",
        by("ClosingWindow", "Tariffs"),
    ),
    Mutant(
        "anyone has every role",
        CLOCK,
        "if (!_hasRole(role)) revert IAccessControl.AccessControlUnauthorizedAccount(msg.sender, role);",
        "role;",
        by("RolesRegistration", "Strangers"),
    ),
    # Money and energy.
    Mutant(
        "the buyer need not be able to pay",
        MARKET,
        "if (paying.word.escrow() < cost) return _no(trade, Fault.EscrowShort);",
        "",
        by("SettlementAuction", "PaysInFull"),
    ),
    Mutant("the buyer does not pay", MARKET, "paying.word.debited(cost)", "paying.word", by("Auction", "Exact")),
    Mutant(
        "the seller keeps its energy",
        MARKET,
        "_credited(earning.word, proceeds).traded(-int256(wh));",
        "_credited(earning.word, proceeds);",
        by("MarketInvariant", "EverythingHappens"),
    ),
    Mutant(
        "costs are rounded down",
        MARKET,
        "(wh * (price + gridFee) + WH_PER_KWH - 1) / WH_PER_KWH;",
        "wh * (price + gridFee) / WH_PER_KWH;",
        by("AuctionTest", "Rounding"),
    ),
    Mutant(
        "nothing is held back for lacking energy",
        MARKET,
        "if (lackedWh != 0 && !_tryHold",
        "if (lackedWh > type(uint64).max && !_tryHold",
        by("SettlementAuction", "HeldBack"),
    ),
    Mutant(
        "an owner takes what it owes for energy",
        MEMBERS,
        "return Math.saturatingSub(escrowOf(member), reserve);",
        "reserve; return escrowOf(member);",
        by("MoneyTest", "Free"),
    ),
    Mutant(
        "anyone withdraws",
        MEMBERS,
        "external nonReentrant onlyOwnerOf(member) {",
        "external nonReentrant {",
        by("MoneyTest", "OnlyTheOwner"),
    ),
    Mutant(
        "re-entering",
        MEMBERS,
        "function deposit(uint256 member, uint256 amount) external nonReentrant whenNotPaused {",
        "function deposit(uint256 member, uint256 amount) external whenNotPaused {",
        by("BadTokensMoney", "ReEntering"),
    ),
    Mutant(
        "a fee on transfer",
        MEMBERS,
        "if (received != amount) revert ReceivedLess(amount, received);",
        "",
        by("BadTokensMoney", "Fee"),
    ),
    # Meters.
    Mutant("any meter counts", METERS, "meter.member() != member || ", "", by("MeteringTest", "Sign|Forged")),
    Mutant(
        "the sequence does not rise",
        METERS,
        "terms.sequence() <= meter.sequence() || ",
        "",
        by("MeteringTest", "Sequence"),
    ),
    Mutant(
        "a register may fall",
        METERS,
        "if (terms.exportRegisterWh() < meter.exportRegisterWh()) return Fault.RegisterFell;",
        "",
        by("MeteringTest", "Fall"),
    ),
    Mutant(
        "more than the connection carries",
        METERS,
        "if (importedWh > mostWh || exportedWh > mostWh) return Fault.AboveCapacity;",
        "",
        by("MeteringTest"),
    ),
    # The window.
    Mutant(
        "offers are not signed",
        MARKET,
        "if (fault == Fault.None && !_isSignedBy(seller.owner, digest, signature)) fault = Fault.NotSigned;",
        "",
        by("WindowTest", "Word"),
    ),
    Mutant(
        "offers of energy that is not there",
        MARKET,
        "if (availableWh < energyWh) revert InsufficientEnergy(offer.member, availableWh, energyWh);",
        "",
        by("WindowTest", "WhatIsThere"),
    ),
    Mutant(
        "closed while the window is open",
        MARKET,
        "if (!_windowOver(slot)) revert WindowStillOpen(slot, uint64(slot) + settlementWindow, currentSlot);",
        "",
        by("ClosingWindow", "NotBefore"),
    ),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(TOOLS, tmp_path_factory.mktemp("mutants")) as bench:
        yield bench


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_mutant_is_noticed(mutant: Mutant, bench: Bench) -> None:
    assert bench.kill(mutant), f"no test notices: {mutant.name}"


@pytest.mark.slow
def test_a_harmless_change_is_not_noticed(bench: Bench) -> None:
    """Or a run that fails for another reason would count as noticed."""
    harmless = Mutant("other name", "TestToken.sol", 'ERC20("Test Euro"', 'ERC20("Test Euros"', by("SmokeTest"))
    assert bench.kill(harmless) == []


@pytest.mark.slow
def test_a_mutant_that_does_not_compile_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="does not compile"):
        bench.kill(Mutant("broken", "TestToken.sol", "_mint(to, amount);", "_mint(to amount);"))


def test_the_old_text_must_be_unique() -> None:
    with pytest.raises(AssertionError, match="occurs 2 times"):
        edit("a a", Mutant("twice", "X.sol", "a", "b"))
