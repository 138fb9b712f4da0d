// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Tariff} from "contracts/Packing.sol";
import {IGrid} from "./Grid.sol";
import {MarketModel} from "./MarketModel.sol";
import {ITestToken} from "./Test.sol";
import {Typed} from "./Typed.sol";
import {World} from "./World.sol";
import {vm} from "./Vm.sol";

/// @title The people of a made-up market: their keys, meters and rights, and chance
/// @notice Members 1 to 4 have meters and money, 5 is a guest with little money, 6 has a meter and no money.
abstract contract MarketPeople is World, MarketModel {
    mapping(uint256 member => uint256) internal ownerKey;
    mapping(uint256 member => uint256) internal formerKey;
    mapping(uint256 member => uint256) internal meterKey;
    mapping(uint256 member => bool) internal active;
    mapping(uint256 member => uint32) internal certifiedWh;
    mapping(uint256 member => Typed.Reading) internal registers;
    mapping(uint256 member => ISmartMicrogrid.SignedReading) internal lastReading;
    uint32 public current = FIRST;
    bool internal stopped;
    uint256 private _chance;
    uint256 private _keys = 10_000;

    constructor() {
        token = deployToken();
        Rules memory these = rules();
        these.settlementWindow = SLOTS_OPEN;
        openMarket(these);
        for (uint32 m = 1; m <= MEMBERS; ++m) {
            (ownerKey[m], formerKey[m], active[m]) = (newKey(), 666, true);
            if (m != 5) (meterKey[m], certifiedWh[m]) = (newKey(), 3000);
            registers[m] = Typed.Reading(m, FIRST - 1, 0, 0, 0);
            grid.register(m, vm.addr(ownerKey[m]), m == 5 ? address(0) : vm.addr(meterKey[m]), certifiedWh[m]);
        }
        ownerKey[0] = UTILITY_KEY;
        uint256[6] memory funds = [uint256(200_000), 10_000_000, 10_000_000, 2_000_000, 2_000_000, 1_000_000];
        for (uint256 m = 0; m < funds.length; ++m) {
            depositFor(m, funds[m]);
            money[m] = funds[m];
        }
    }

    // ---- chance -----------------------------------------------------------------------------------------------

    modifier by(uint256 chance) {
        _chance = chance;
        _;
    }

    /// @dev A number below `sides`.
    function draw(uint256 sides) internal returns (uint256) {
        _chance = uint256(keccak256(abi.encode(_chance)));
        return _chance % sides;
    }

    function drawMember() internal returns (uint32) {
        return uint32(1 + draw(MEMBERS));
    }

    /// @dev From one before the oldest that is open to the running one.
    function drawSlot() internal returns (uint32) {
        return uint32(current + draw(SLOTS_OPEN + 2) - SLOTS_OPEN - 1);
    }

    function newKey() internal returns (uint256) {
        return ++_keys;
    }

    /// @dev Mostly who may do it; else somebody else.
    function drawCaller(uint256 member) internal returns (address) {
        uint256 luck = draw(8);
        if (luck == 0) return STRANGER;
        if (luck == 1 && formerKey[member] != 0) return vm.addr(formerKey[member]);
        if (luck == 2) return vm.addr(ownerKey[drawMember()]);
        return owner(member);
    }

    function owner(uint256 member) internal view returns (address) {
        return ownerKey[member] == 0 ? address(0xdead) : vm.addr(ownerKey[member]);
    }

    function attempt(address caller, bytes memory call) internal returns (bool done) {
        vm.prank(caller);
        (done,) = address(grid).call(call);
    }

    /// @dev The market and the model agree on whether something is allowed.
    function expect(string memory what, bool done, bool allowed) internal {
        vm.assertEq(done, allowed, what);
        if (done) ++happened[what];
    }

    function windowPassed(uint256 slot) internal view returns (bool) {
        return current > slot + SLOTS_OPEN;
    }

    function market() external view returns (IGrid, ITestToken) {
        return (grid, token);
    }

    // ---- rights -----------------------------------------------------------------------------------------------

    function people(uint256 chance) external by(chance) {
        uint256 luck = draw(3);
        if (luck == 0) rotateMeter();
        else if (luck == 1) changeOwner();
        else activate();
    }

    function rotateMeter() private {
        uint256 m = drawMember();
        uint256 key = draw(4) == 0 ? meterKey[drawMember()] : 0;
        if (key == 0) key = newKey();
        uint32 capacity = uint32(1000 * (1 + draw(4)));
        bool taken = key != meterKey[m] && usedMeter(key);
        grid.proposeMeter(m, vm.addr(key), capacity);
        address caller = drawCaller(m);
        bool done = attempt(caller, abi.encodeCall(grid.acceptMeter, (m)));
        expect("meter changed", done, caller == owner(m) && !taken);
        if (!done) return;
        if (meterKey[m] == 0) registers[m].slot = current - 1;
        (meterKey[m], certifiedWh[m]) = (key, capacity);
    }

    function usedMeter(uint256 key) private view returns (bool) {
        for (uint256 m = 1; m <= MEMBERS; ++m) {
            if (meterKey[m] == key) return true;
        }
        return false;
    }

    function changeOwner() private {
        uint256 m = drawMember();
        uint256 key = newKey();
        address caller = drawCaller(m);
        bool done = attempt(caller, abi.encodeCall(grid.proposeOwner, (m, vm.addr(key))));
        expect("owner proposed", done, caller == owner(m));
        bool stranger = draw(4) == 0;
        bool taken = attempt(stranger ? STRANGER : vm.addr(key), abi.encodeCall(grid.acceptOwner, (m)));
        expect("owner changed", taken, done && !stranger);
        if (!taken) return;
        (formerKey[m], ownerKey[m]) = (ownerKey[m], key);
    }

    function activate() private {
        uint256 m = drawMember();
        active[m] = draw(6) != 0;
        grid.setActive(m, active[m]);
    }

    // ---- the operator -----------------------------------------------------------------------------------------

    function pause(uint256 chance) external by(chance) {
        stopped = draw(8) == 0;
        grid.setPaused(stopped);
    }

    function advance(uint256 chance) external by(chance) {
        uint256 luck = draw(40);
        current += luck == 0 ? 124 : luck < 3 ? uint32(luck) : 1;
        grid.advanceTo(current);
    }

    function post(uint256 chance) external by(chance) {
        uint32 slot = uint32(current + 1 + draw(6));
        uint256 price = draw(8) == 0 ? PRICE_CAP + draw(2) : 1 + draw(PRICE_CAP / 2);
        uint256 pay = draw(price + 1);
        Tariff[] memory tariffs = new Tariff[](1);
        tariffs[0] = tariffOf(price, pay);
        bool done = attempt(address(this), abi.encodeCall(grid.postTariffs, (slot, tariffs)));
        expect("tariff posted", done, slot >= current + 2 && postedRetail[slot] == 0 && price <= PRICE_CAP);
        if (done) (postedRetail[slot], postedFeedIn[slot]) = (price, pay);
    }

    /// @dev What only a role may do, by somebody who has none.
    function intrude(uint256 chance) external by(chance) {
        address caller = draw(2) == 0 ? STRANGER : owner(draw(MEMBERS + 1));
        uint256 m = draw(MEMBERS + 2);
        bytes[8] memory calls;
        calls[0] = abi.encodeCall(grid.register, (m, caller, address(0), 0));
        calls[1] = abi.encodeCall(grid.setActive, (m, draw(2) == 0));
        calls[2] = abi.encodeCall(grid.setPaused, (draw(2) == 0));
        calls[3] = abi.encodeCall(grid.advanceTo, (current + 1));
        calls[4] = abi.encodeCall(grid.setSettler, (caller));
        calls[5] = abi.encodeCall(grid.postTariffs, (current + 3, new Tariff[](1)));
        calls[6] = abi.encodeCall(grid.proposeMeter, (m, caller, 1000));
        calls[7] = abi.encodeCall(grid.anchorModel, (bytes32(m)));
        vm.assertFalse(attempt(caller, calls[draw(8)]), "only a role may");
        (bool moved,) = address(grid).call(abi.encodeCall(grid.register, (1 + m % MEMBERS, caller, address(0), 0)));
        vm.assertFalse(moved, "no member is overwritten");
        ++happened["intruder refused"];
    }
}
