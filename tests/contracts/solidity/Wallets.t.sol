// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {BadWallet, GoodWallet} from "./support/Wallets.sol";

/// @notice Members whose owner is a contract, good or bad.
contract WalletsTest is Bench {
    GoodWallet private good;
    BadWallet private bad;

    function setUp() public {
        openBench();
        (good, bad) = (new GoodWallet(), new BadWallet());
        grid.register(4, address(good), address(0), 0);
        grid.register(5, address(bad), address(0), 0);
        depositFor(4, FUNDS);
        depositFor(5, FUNDS);
    }

    /// @dev An order of a wallet: `r` is zero, `vs` counts the signature in the list.
    function ofWallet(uint32 member, uint256 index) private pure returns (ISmartMicrogrid.SignedTerms memory) {
        return ISmartMicrogrid.SignedTerms(terms(member, 1000, PRICE + FEE, 1), 0, bytes32(index));
    }

    function settleWallets(ISmartMicrogrid.SignedTerms memory buy, bytes[] memory signatures) private {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](3);
        (orders[0], orders[1], orders[2]) = (sold(2000, 1), bought(2, 1000, 1), buy);
        Fill[] memory fills = new Fill[](2);
        (fills[0], fills[1]) = (fill(0, 2, 1000), fill(0, 1, 1000));
        grid.settleWithWallets(clearing(FIRST, PRICE, 1), orders, fills, signatures);
        vm.assertEq(grid.positions(FIRST, 2), int256(1000), "others trade");
    }

    function one(bytes memory signature) private pure returns (bytes[] memory signatures) {
        signatures = new bytes[](1);
        signatures[0] = signature;
    }

    function testFuzz_AWalletTradesWithWhatItAccepts(bytes calldata signature, bytes calldata told) public {
        ISmartMicrogrid.SignedTerms memory buy = ofWallet(4, 0);
        bool same = signature.length % 2 == 0;
        good.accept(digestOf(buy, BUY), same ? signature : told);
        settleWallets(buy, one(signature));
        same = same || keccak256(signature) == keccak256(told);
        vm.assertEq(grid.positions(FIRST, 4), same ? int256(1000) : int256(0));
        vm.assertEq(grid.escrowOf(4), same ? FUNDS - 110_000 : FUNDS);
    }

    function testFuzz_NoSignatureBeyondTheList(uint256 index) public {
        ISmartMicrogrid.SignedTerms memory buy = ofWallet(4, index == 0 ? 1 : index);
        good.accept(digestOf(buy, BUY), "yes");
        expectRefusal(buy, BUY, ISmartMicrogrid.Fault.NotSigned);
        settleWallets(buy, one("yes"));
        vm.assertEq(grid.positions(FIRST, 4), int256(0));
    }

    /// @dev A wallet's acceptance is for itself: neither for another wallet's member nor for a plain key's.
    function test_AWalletSignsForItselfOnly() public {
        good.accept(digestOf(ofWallet(4, 0), BUY), "yes");
        settleWallets(ofWallet(5, 0), one("yes"));
        vm.assertEq(grid.positions(FIRST, 5), int256(0));
        vm.assertEq(grid.escrowOf(3), FUNDS);
    }

    function test_APlainKeyHasNoWalletSignature() public {
        expectRefusal(ofWallet(3, 0), BUY, ISmartMicrogrid.Fault.NotSigned);
        settleWallets(ofWallet(3, 0), one(""));
        vm.assertEq(grid.positions(FIRST, 3), int256(0));
    }

    function testFuzz_ABadWalletCostsOthersLittle(uint8 way) public {
        BadWallet.Way which = BadWallet.Way(way % 8);
        bad.setWay(which);
        ISmartMicrogrid.SignedTerms memory buy = ofWallet(5, 0);
        // A huge answer that begins well is an answer, and is not copied.
        bool fine = which == BadWallet.Way.HugeAnswer;
        if (!fine) expectRefusal(buy, BUY, ISmartMicrogrid.Fault.NotSigned);
        uint256 before = gasleft();
        settleWallets(buy, one("x"));
        vm.assertLt(before - gasleft(), uint256(500_000), "gas");
        vm.assertEq(grid.positions(FIRST, 5), fine ? int256(1000) : int256(0));
    }

    /// @dev Who sends the batch cannot make a good wallet's signature fail by sending little gas: all or nothing.
    function testFuzz_LittleGasMakesNoSignatureFail(uint256 gas) public {
        gas = bound(gas, 30_000, 700_000);
        ISmartMicrogrid.SignedTerms[] memory orders = pair(sold(1000, 1), ofWallet(4, 0));
        good.accept(digestOf(orders[1], BUY), "yes");
        try grid.settleWithWallets{gas: gas}(clearing(FIRST, PRICE, 1), orders, fillsOf(fill(0, 1, 1000)), one("yes")) {
            vm.assertEq(grid.positions(FIRST, 4), int256(1000));
        } catch {
            vm.assertTrue(grid.slotState(FIRST) == ISmartMicrogrid.SlotState.Open);
        }
    }

    function test_TooLittleGasForAWalletIsNamed() public {
        ISmartMicrogrid.SignedTerms[] memory orders = pair(sold(1000, 1), ofWallet(4, 0));
        good.accept(digestOf(orders[1], BUY), "yes");
        vm.expectPartialRevert(ISmartMicrogrid.GasTooLow.selector);
        grid.settleWithWallets{gas: 100_000}(clearing(FIRST, PRICE, 1), orders, fillsOf(fill(0, 1, 1000)), one("yes"));
    }

    /// @dev With many burning wallets, the settler's loss is bounded: a cap for each.
    function test_GasOfManyBurningWalletsIsBounded() public {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](12);
        (orders[0], orders[1]) = (sold(1000, 1), bought(2, 1000, 1));
        for (uint256 i = 2; i < 12; ++i) {
            orders[i] = ISmartMicrogrid.SignedTerms(terms(5, 1000, PRICE + FEE, uint64(i)), 0, 0);
        }
        uint256 before = gasleft();
        grid.settleWithWallets(clearing(FIRST, PRICE, 1), orders, fillsOf(fill(0, 1, 1000)), one("x"));
        vm.assertLt(before - gasleft(), uint256(10 * 115_000 + 300_000), "gas");
        vm.assertEq(grid.positions(FIRST, 2), int256(1000));
    }

    function test_AWalletSellsAnOfferAndOwnsItsMoney() public {
        ISmartMicrogrid.Order memory offer = ISmartMicrogrid.Order(4, FIRST, SELL, 500, PRICE, FIRST + 5, 1);
        settleWallets(acceptedBuy(), one("yes"));
        good.accept(Typed.order(domain, offer), "offer");
        vm.prank(ownerOf(3));
        grid.transferEnergy(offer, "offer", 3, 400);
        vm.assertEq(grid.positions(FIRST, 4), int256(600));
        good.execute(address(grid), abi.encodeCall(grid.withdraw, (4, 1000)));
        vm.assertEq(token.balanceOf(address(good)), uint256(1000));
    }

    function acceptedBuy() private returns (ISmartMicrogrid.SignedTerms memory buy) {
        buy = ofWallet(4, 0);
        good.accept(digestOf(buy, BUY), "yes");
    }
}
