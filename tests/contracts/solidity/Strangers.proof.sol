// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fill, OrderTerms, Settlement} from "contracts/Packing.sol";
import {MarketState, ProofToken} from "./Market.proof.sol";
import {vm} from "./support/Vm.sol";

/// @notice A contract wallet that signs nothing.
contract Refuser {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// @notice The prover's own cheat codes.
interface Svm {
    /// @dev A call of any function of the contract that may write, with any arguments.
    function createCalldata(string calldata contractName) external returns (bytes memory);
}

/// @notice Only its owner can lose what a member has: whoever calls, with whatever roles and signatures, but without A's.
/// @dev A is a plain key. Of ECDSA the prover knows nothing: what a signature recovers to may be anybody, and the proofs
/// assume that it is not A. B and C are contract wallets that sign everything. A member has no debt and proposed no owner,
/// and no meter was proposed to it. The meter's own readings, and closing, which trades with the utility what is left, are
/// not of these: `submitReadings` and `closeSlot` are left out.
/// @custom:halmos --solver-timeout-branching 10
contract StrangersProof is MarketState {
    Svm private constant SVM = Svm(address(uint160(uint256(keccak256("svm cheat code")))));
    uint96 private constant MUCH = 1 << 90;
    uint32 private immutable C = 3;
    address private immutable OWNER_C = address(0xc1);

    bytes private _refuser = address(new Refuser()).code;

    constructor() {
        vm.etch(OWNER_C, OWNER_A.code);
        vm.etch(OWNER_A, "");
    }

    /// @dev All other functions that can write, with arrays of up to two items. The caller has money to deposit.
    function check_NoOtherCallTakesAnything(Member memory a, Member memory b, uint96 claim, address caller) public {
        start(a, b, caller);
        claimOf[A] = totalClaims = claim;
        bytes memory data = SVM.createCalldata("SmartMicrogrid");
        bytes4 selector = bytes4(data);
        vm.assume(selector != this.settle.selector && selector != this.settleWithWallets.selector);
        vm.assume(selector != this.transferEnergy.selector && selector != this.closeSlot.selector);
        vm.assume(selector != this.submitReadings.selector);
        // The proofs themselves are no functions of a market.
        vm.assume(selector != this.check_NoOtherCallTakesAnything.selector);
        vm.assume(selector != this.check_ForgedOrdersAreNotSettled.selector);
        vm.assume(selector != this.check_AForgedOfferIsNotSold.selector);
        vm.prank(caller);
        (bool done,) = address(this).call(data);
        vm.assume(done);
        hasAll(a);
    }

    /// @dev One order, a sale or a purchase, in A's name, with any energy, limit and signature; and any of C on the other side. Here
    /// A may be a contract wallet too, one that does not accept the signature.
    function check_ForgedOrdersAreNotSettled(
        Member memory a,
        bool isWallet,
        bool sells,
        bytes32 r,
        bytes32 vs,
        uint64[2] memory energyWh,
        uint96[2] memory limits,
        uint96 price,
        uint64 wh
    ) public {
        Member memory b;
        start(a, b, OWNER_C);
        if (isWallet) {
            vm.etch(OWNER_A, _refuser);
            (r, vs) = (0, 0);
        } else {
            vm.assume(r != 0);
        }
        SignedTerms[] memory orders = new SignedTerms[](2);
        for (uint256 i = 0; i < 2; ++i) {
            bool forged = sells == (i == 0);
            uint256 terms = uint256(energyWh[i]) << 160 | uint256(limits[i]) << 64;
            terms |= uint256(forged ? A : C) << 224;
            orders[i] = SignedTerms(OrderTerms.wrap(terms), forged ? r : bytes32(0), forged ? vs : bytes32(0));
        }
        SignedTerms memory ofA = orders[sells ? 0 : 1];
        assumeForged(_hashTerms(_domainSeparatorV4(), ofA.terms, OPEN, sells), r, vs);
        Fill[] memory fills = new Fill[](1);
        fills[0] = Fill.wrap(1 << 64 | uint256(wh));
        Settlement settlement = Settlement.wrap(uint256(price) << 64 | uint256(OPEN) << 32 | 1);
        this.settleWithWallets(settlement, orders, fills, new bytes[](1));
        hasAll(a);
    }

    /// @dev An offer in A's name, or an honest one of B that somebody else buys for A; with any terms and signature.
    function check_AForgedOfferIsNotSold(
        Member memory a,
        Member memory b,
        bool ofA,
        bool forA,
        bytes32[2] memory signature,
        uint64[2] memory energyWh,
        uint96 price,
        uint32 expirySlot,
        address caller
    ) public {
        start(a, b, caller);
        Order memory offer = Order(ofA ? A : B, OPEN, Side.Sell, energyWh[0], price, expirySlot, 0);
        assumeForged(this.hashOrder(offer), signature[0], signature[1]);
        vm.prank(caller);
        this.transferEnergy(offer, abi.encodePacked(signature), forA ? A : C, energyWh[1]);
        hasAll(a);
    }

    function start(Member memory a, Member memory b, address caller) private {
        vm.assume(caller != OWNER_A && caller != address(0) && caller != address(this));
        begin(a, b, OPEN, 0, MUCH);
        vm.assume(totalEscrow <= type(uint96).max - MUCH);
        totalEscrow += MUCH;
        Member memory c;
        c.escrow = MUCH;
        put(c, C, OWNER_C, address(0xc2));
        ProofToken(address(token)).give(address(this), totalEscrow);
        ProofToken(address(token)).give(caller, MUCH);
        vm.prank(caller);
        token.approve(address(this), MUCH);
    }

    function assumeForged(bytes32 digest, bytes32 r, bytes32 vs) private view {
        uint8 v = 27 + uint8(uint256(vs) >> 255);
        vm.assume(ecrecover(digest, v, r, bytes32(uint256(vs) << 1 >> 1)) != OWNER_A);
    }

    /// @dev Its owner and meter, money, position and energy; and nothing was held back.
    function hasAll(Member memory a) private view {
        unchecked {
            uint256 different = uint256(positionOf(OPEN, A) ^ a.positionWh);
            different |= uint256(traded(OWNER_A) ^ a.tradedWh);
            different |= uint256(energyBalance(A) ^ (int256(a.tradedWh) + int256(uint256(EXPORTED))));
            different |= uint160(buildings[A].owner) ^ uint160(OWNER_A);
            different |= uint160(buildings[A].meter) ^ uint160(METER_A);
            different |= collateralOf[OPEN][A] | debtOf[A];
            assert(different == 0 && escrow(OWNER_A) >= a.escrow);
        }
    }
}
