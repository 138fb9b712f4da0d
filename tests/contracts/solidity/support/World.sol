// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms, ReadingTerms, Settlement, Tariff} from "contracts/Packing.sol";
import {IGrid} from "./Grid.sol";
import {ITestToken, Test} from "./Test.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";

/// @title A market with members who have keys and money; this contract is its admin, and slot 100 is running
abstract contract World is Test {
    /// @dev The constructor's one argument, written again here.
    struct Rules {
        address token;
        address admin;
        uint48 adminDelay;
        address utility;
        uint96 priceCap;
        uint96 gridFee;
        uint32 settlementWindow;
        uint32 firstSlot;
        uint32 slotSeconds;
        bool auditBatches;
        Tariff tariff;
    }

    uint32 internal constant FIRST = 100;
    uint32 internal constant WINDOW = 8;
    uint32 internal constant CAPACITY = 20_000;
    uint96 internal constant CAP = 1_000_000;
    uint96 internal constant FEE = 10_000;
    uint96 internal constant RETAIL = 300_000;
    uint96 internal constant FEED_IN = 80_000;
    uint256 internal constant FUNDS = 50_000_000;
    uint256 internal constant OWNER_KEYS = 1000;
    uint256 internal constant METER_KEYS = 2000;
    uint256 internal constant UTILITY_KEY = 999;
    address internal constant STRANGER = address(0xbad);
    ISmartMicrogrid.Side internal constant BUY = ISmartMicrogrid.Side.Buy;
    ISmartMicrogrid.Side internal constant SELL = ISmartMicrogrid.Side.Sell;

    ITestToken internal token;
    IGrid internal grid;
    bytes32 internal domain;

    // ---- opening ----------------------------------------------------------------------------------------------

    function rules() internal view returns (Rules memory) {
        return Rules({
            token: address(token),
            admin: address(this),
            adminDelay: 1 days,
            utility: vm.addr(UTILITY_KEY),
            priceCap: CAP,
            gridFee: FEE,
            settlementWindow: WINDOW,
            firstSlot: FIRST,
            slotSeconds: 0,
            auditBatches: false,
            tariff: tariffOf(RETAIL, FEED_IN)
        });
    }

    function tariffOf(uint256 retail, uint256 feedIn) internal pure returns (Tariff) {
        return Tariff.wrap((retail << 96) | feedIn);
    }

    function openMarket() internal {
        token = deployToken();
        openMarket(rules());
        depositFor(0, FUNDS);
    }

    function openMarket(Rules memory these) internal {
        grid = IGrid(deployGrid(abi.encode(these)));
        domain = Typed.domain(block.chainid, address(grid));
    }

    function ownerOf(uint256 member) internal pure returns (address) {
        return vm.addr(member == 0 ? UTILITY_KEY : OWNER_KEYS + member);
    }

    function meterOf(uint256 member) internal pure returns (address) {
        return vm.addr(METER_KEYS + member);
    }

    function join(uint32 member) internal {
        grid.register(member, ownerOf(member), meterOf(member), CAPACITY);
        depositFor(member, FUNDS);
    }

    function depositFor(uint256 member, uint256 amount) internal {
        token.mint(address(this), amount);
        require(token.approve(address(grid), amount));
        grid.deposit(member, amount);
    }

    // ---- orders -----------------------------------------------------------------------------------------------

    function terms(uint32 member, uint64 wh, uint96 limit, uint64 salt) internal pure returns (OrderTerms) {
        return OrderTerms.wrap((uint256(member) << 224) | (uint256(wh) << 160) | (uint256(limit) << 64) | salt);
    }

    /// @notice The order that these terms mean in a settlement.
    function orderOf(OrderTerms these, uint32 slot, ISmartMicrogrid.Side side)
        internal
        pure
        returns (ISmartMicrogrid.Order memory)
    {
        uint256 word = OrderTerms.unwrap(these);
        return ISmartMicrogrid.Order({
            member: uint32(word >> 224),
            slot: slot,
            side: side,
            energyWh: uint64(word >> 160),
            limitPrice: uint96(word >> 64),
            expirySlot: slot,
            salt: uint64(word)
        });
    }

    function signTerms(uint256 key, OrderTerms these, uint32 slot, ISmartMicrogrid.Side side)
        internal
        view
        returns (ISmartMicrogrid.SignedTerms memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, Typed.order(domain, orderOf(these, slot, side)));
        return ISmartMicrogrid.SignedTerms(these, r, vs);
    }

    /// @notice An auction order for the slot FIRST, signed by its owner.
    function signed(ISmartMicrogrid.Side side, uint32 member, uint64 wh, uint96 limit, uint64 salt)
        internal
        view
        returns (ISmartMicrogrid.SignedTerms memory)
    {
        return signTerms(OWNER_KEYS + member, terms(member, wh, limit, salt), FIRST, side);
    }

    function clearing(uint32 slot, uint96 price, uint32 sells) internal pure returns (Settlement) {
        return Settlement.wrap((uint256(price) << 64) | (uint256(slot) << 32) | sells);
    }

    function fill(uint32 sell, uint32 buy, uint64 wh) internal pure returns (Fill) {
        return Fill.wrap((uint256(sell) << 96) | (uint256(buy) << 64) | wh);
    }

    function fillsOf(Fill one) internal pure returns (Fill[] memory fills) {
        fills = new Fill[](1);
        fills[0] = one;
    }

    function pair(ISmartMicrogrid.SignedTerms memory sell, ISmartMicrogrid.SignedTerms memory buy)
        internal
        pure
        returns (ISmartMicrogrid.SignedTerms[] memory orders)
    {
        orders = new ISmartMicrogrid.SignedTerms[](2);
        (orders[0], orders[1]) = (sell, buy);
    }

    // ---- readings ---------------------------------------------------------------------------------------------

    function signReading(uint256 key, Typed.Reading memory m)
        internal
        view
        returns (ISmartMicrogrid.SignedReading memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, Typed.reading(domain, m));
        uint256 word = (uint256(m.member) << 192) | (uint256(m.slot) << 160) | (uint256(m.sequence) << 128)
            | (uint256(m.importRegisterWh) << 64) | m.exportRegisterWh;
        return ISmartMicrogrid.SignedReading(ReadingTerms.wrap(word), r, vs);
    }

    function submit(ISmartMicrogrid.SignedReading memory one) internal {
        ISmartMicrogrid.SignedReading[] memory readings = new ISmartMicrogrid.SignedReading[](1);
        readings[0] = one;
        grid.submitReadings(readings);
    }

    /// @notice The meter of `member` counts up to these registers by the end of `slot`; the slot is the sequence.
    function meter(uint32 member, uint32 slot, uint64 imported, uint64 exported) internal {
        submit(signReading(METER_KEYS + member, Typed.Reading(member, slot, slot, imported, exported)));
    }

    // ---- closing ----------------------------------------------------------------------------------------------

    function close(uint32 slot, uint32 first, uint32 last) internal {
        uint32[] memory members = new uint32[](last - first + 1);
        for (uint32 i = 0; i < members.length; ++i) {
            members[i] = first + i;
        }
        grid.closeSlot(slot, members);
    }

    function windowOver(uint32 slot) internal {
        if (grid.currentSlot() <= slot + WINDOW) grid.advanceTo(slot + WINDOW + 1);
    }
}
