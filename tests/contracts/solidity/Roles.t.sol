// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {MarketRoles} from "contracts/MarketRoles.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the operator may do, and how it is handed over.
contract RolesRegistrationTest is Bench {
    address private constant NEXT = address(0x1234);

    function setUp() public {
        openBench();
    }

    function unauthorized(address caller, string memory role) private pure returns (bytes memory) {
        bytes32 id = bytes(role).length == 0 ? bytes32(0) : keccak256(bytes(role));
        return abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, id);
    }

    function testFuzz_StrangersHaveNoRole(address caller, uint32 slot) public {
        vm.assume(caller != address(this));
        vm.startPrank(caller);
        vm.expectRevert(unauthorized(caller, ""));
        grid.setSettler(caller);
        vm.expectRevert(unauthorized(caller, "PAUSER_ROLE"));
        grid.setPaused(true);
        vm.expectRevert(unauthorized(caller, "MODEL_ROLE"));
        grid.anchorModel("model");
        vm.expectRevert(
            abi.encodeWithSelector(ISmartMicrogrid.ClockNotStalled.selector, block.timestamp, block.timestamp)
        );
        grid.advanceTo(slot);
        MarketRoles roles = grid.roles();
        vm.expectRevert(unauthorized(caller, ""));
        roles.grantRole(keccak256("REGISTRAR_ROLE"), caller);
    }

    /// @dev Each role opens its own door and no other.
    function testFuzz_ARoleOpensItsOwnDoorOnly(uint8 which) public {
        string[5] memory names = ["REGISTRAR_ROLE", "CLOCK_ROLE", "TARIFF_ROLE", "MODEL_ROLE", "PAUSER_ROLE"];
        which %= 5;
        grid.roles().grantRole(keccak256(bytes(names[which])), NEXT);
        bytes[5] memory calls;
        calls[0] = abi.encodeCall(grid.register, (9, NEXT, address(0), 0));
        calls[1] = abi.encodeCall(grid.advanceTo, (FIRST + 2));
        calls[2] = abi.encodeWithSelector(grid.postTariffs.selector, FIRST + 9, new uint256[](0));
        calls[3] = abi.encodeCall(grid.anchorModel, ("model"));
        calls[4] = abi.encodeCall(grid.setPaused, (true));
        for (uint256 i = 0; i < 5; ++i) {
            vm.prank(NEXT);
            (bool done,) = address(grid).call(calls[i]);
            vm.assertEq(done, i == which, names[i]);
        }
        grid.roles().revokeRole(keccak256(bytes(names[which])), NEXT);
        vm.assertFalse(grid.roles().hasRole(keccak256(bytes(names[which])), NEXT));
    }

    /// @dev Two steps, a day apart, and the first admin cannot be made two.
    function testFuzz_TheAdminHandsOverAfterTheDelay(uint32 wait) public {
        wait = uint32(bound(wait, 0, 3 days));
        MarketRoles roles = grid.roles();
        roles.beginDefaultAdminTransfer(NEXT);
        uint256 due = block.timestamp + 1 days;
        vm.warp(block.timestamp + wait);
        vm.prank(NEXT);
        if (wait <= 1 days) {
            vm.expectRevert(abi.encodeWithSignature("AccessControlEnforcedDefaultAdminDelay(uint48)", uint48(due)));
        }
        roles.acceptDefaultAdminTransfer();
        vm.assertEq(roles.defaultAdmin(), wait <= 1 days ? address(this) : NEXT);
    }

    function testFuzz_TheAdminNamesTheSettler(address settler) public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.SettlerChanged(settler);
        grid.setSettler(settler);
        vm.assertEq(grid.settler(), settler);
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        if (settler != address(this)) {
            vm.expectRevert(
                abi.encodeWithSelector(ISmartMicrogrid.SettlerFirst.selector, FIRST, FIRST + WINDOW / 2 + 1)
            );
        }
        settlePair(sell, buy, 1000);
        if (settler == address(this)) return;
        vm.prank(settler);
        settlePair(sell, buy, 1000);
        vm.assertEq(grid.positions(FIRST, 2), int256(1000));
    }

    function testFuzz_ModelsAreAnchoredOnce(bytes32[4] memory models) public {
        uint256 count;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 known = grid.releaseOf(models[i]);
            if (known != 0) {
                vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AlreadyAnchored.selector, models[i], known));
                grid.anchorModel(models[i]);
                continue;
            }
            vm.expectEmit(address(grid));
            emit ISmartMicrogrid.ModelAnchored(++count, models[i]);
            vm.assertEq(grid.anchorModel(models[i]), count);
            vm.assertEq(grid.models(count - 1), models[i]);
        }
        vm.assertEq(grid.modelCount(), count);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AlreadyAnchored.selector, models[0], 1));
        grid.anchorModel(models[0]);
    }

    // ---- opening ----------------------------------------------------------------------------------------------

    function test_ImpossibleRulesOpenNoMarket() public {
        Rules memory bad = rules();
        bad.token = address(0);
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.ZeroAddress.selector));
        bad = rules();
        bad.utility = address(0);
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.ZeroAddress.selector));
        bad = rules();
        bad.settlementWindow = 0;
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TooSmall.selector));
        bad.settlementWindow = 97;
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TooLarge.selector, 97, 96));
        bad = rules();
        bad.firstSlot = 0;
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TooSmall.selector));
        bad = rules();
        bad.gridFee = CAP + 1;
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TooLarge.selector, CAP + 1, CAP));
        bad = rules();
        bad.tariff = tariffOf(CAP + 1, 0);
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TariffTooHigh.selector, CAP + 1, 0));
        bad.tariff = tariffOf(100, 101);
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TariffTooHigh.selector, 100, 101));
        bad.tariff = tariffOf(0, 0);
        refuse(bad, abi.encodeWithSelector(ISmartMicrogrid.TooSmall.selector));
    }

    function refuse(Rules memory bad, bytes memory why) private {
        try this.open(bad) {
            vm.assertTrue(false, "opened");
        } catch (bytes memory answer) {
            vm.assertEq(answer, why);
        }
    }

    function open(Rules memory these) external {
        deployGrid(abi.encode(these));
    }
}
