// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Account} from "contracts/Accounts.sol";
import {Fill, MeterState, OrderTerms, Settlement, Tariff} from "contracts/Packing.sol";
import {SmartMicrogrid} from "contracts/SmartMicrogrid.sol";
import {TestToken} from "contracts/TestToken.sol";
import {vm} from "./support/Vm.sol";

/// @notice A contract wallet that signs everything.
contract Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return Wallet.isValidSignature.selector;
    }
}

/// @notice Play money without a limit.
contract ProofToken is TestToken {
    function give(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title A market of two members, A and B, with any money, traded energy and positions that fit into it
/// @dev Proofs inherit the market, so that they can write its state: they begin in any, not only in those that somebody
/// knows how to reach. What is not a parameter is fixed: the rules below, the slots, and members that are active, cancelled
/// nothing and have no debt, claim or collateral unless a proof gives them some.
/// Members and slots are immutable, not constant: the compiler would compute the places of constant keys in a mapping, and
/// the prover takes these for other places than those that the market computes.
/// The prover does not multiply and divide: it takes both for any functions. What is needed of them is assumed,
/// not proved: see `prices` and `assumeMinimum`.
abstract contract MarketState is SmartMicrogrid {
    struct Member {
        uint96 escrow;
        int40 tradedWh;
        int32 positionWh;
    }

    uint256 internal constant IN_DEBT = 2 << 192;
    uint256 internal constant HELD = 8 << 192;
    uint32 internal constant CURRENT = 1000;
    uint96 internal constant RETAIL = 400_000;
    uint96 internal constant FEED_IN = 80_000;
    uint64 internal constant EXPORTED = 7;
    uint32 internal immutable OPEN = 999;
    uint32 internal immutable OVER = 995;
    uint32 internal immutable A = 1;
    uint32 internal immutable B = 2;
    address internal immutable OWNER_A = address(0xa1);
    address internal immutable METER_A = address(0xa2);
    address internal immutable OWNER_B = address(0xb1);
    address internal immutable METER_B = address(0xb2);

    constructor()
        SmartMicrogrid(Rules({
                token: new ProofToken(),
                admin: address(0xad),
                adminDelay: 0,
                utility: address(0x0717),
                priceCap: 1_000_000,
                gridFee: 10_000,
                settlementWindow: 4,
                firstSlot: CURRENT,
                slotSeconds: 900,
                auditBatches: false,
                tariff: Tariff.wrap(uint256(RETAIL) << 96 | FEED_IN)
            }))
    {
        settler = address(this);
        vm.etch(OWNER_A, address(new Wallet()).code);
        vm.etch(OWNER_B, OWNER_A.code);
    }

    function begin(Member memory a, Member memory b, uint32 slot, uint72 owed, uint96 utility) internal {
        unchecked {
            totalEscrow = uint256(a.escrow) + b.escrow + owed + utility;
        }
        vm.assume(totalEscrow <= type(uint96).max);
        _utilityEscrow = utility;
        _updateRecord(slot, owed, 0);
        uint256 word = uint256(uint32(a.positionWh)) << 64 | uint256(uint32(b.positionWh)) << 96;
        _positions.words[uint256(slot % 128) << 32] = word | slot;
        put(a, A, OWNER_A, METER_A);
        put(b, B, OWNER_B, METER_B);
    }

    function put(Member memory m, uint32 member, address owner, address meter) internal {
        buildings[member] = Building(owner, meter, true, 5000);
        _accounts[owner].word =
            Account.wrap(uint256(uint56(int56(m.tradedWh))) << 200 | uint256(m.escrow) << 32 | member);
        _meters[meter] = MeterState.wrap(uint256(member) << 224 | uint256(5000) << 192 | EXPORTED);
    }

    function flag(address owner, uint256 flags) internal {
        _accounts[owner].word = Account.wrap(Account.unwrap(_accounts[owner].word) | flags);
    }

    function positionOf(uint32 slot, uint32 member) internal view returns (int256) {
        uint256 word = _positions.words[uint256(slot % 128) << 32];
        return uint32(word) == slot ? int32(uint32(word >> (32 * (member + 1)))) : int256(0);
    }

    function escrow(address owner) internal view returns (uint256) {
        return uint96(Account.unwrap(_accounts[owner].word) >> 32);
    }

    function traded(address owner) internal view returns (int256) {
        return int56(uint56(Account.unwrap(_accounts[owner].word) >> 200));
    }

    /// @dev OpenZeppelin's minimum multiplies by 0 or 1.
    function assumeMinimum(uint256 left, uint256 right) internal pure {
        uint256 least = left;
        if (right < left) least = right;
        vm.assume(Math.min(left, right) == least);
    }

    /// @dev What energy costs and earns. Rounding down less is less than rounding up more.
    function prices(uint256 wh, uint256 price) internal view returns (uint256 cost, uint256 proceeds) {
        unchecked {
            cost = (wh * (price + gridFee) + WH_PER_KWH - 1) / WH_PER_KWH;
            proceeds = wh * price / WH_PER_KWH;
            vm.assume(proceeds <= cost);
        }
    }

    /// @dev Zero if A sold so much to B, by the fields below. Each part is compared by itself: what A, B and the utility
    /// have gained is `proceeds`, `-cost` and `cost - proceeds`, and so no money was made; nor energy, `-wh` and `wh`.
    function exact(
        Member memory a,
        Member memory b,
        uint256 owed,
        int256 wh,
        uint256 cost,
        uint256 proceeds,
        uint256 held
    ) internal view returns (uint256 different) {
        unchecked {
            different = escrow(OWNER_A) ^ (a.escrow + proceeds - held);
            different |= escrow(OWNER_B) ^ (b.escrow - cost);
            different |= (_utilityEscrow + _recordOf(OPEN).owed()) ^ (owed + (cost - proceeds));
            different |= collateralOf[OPEN][A] ^ held;
            different |= totalCollateral ^ held;
            different |= totalEscrow ^ (uint256(a.escrow) + b.escrow + owed);
            different |= uint256(positionOf(OPEN, A) ^ (a.positionWh - wh));
            different |= uint256(positionOf(OPEN, B) ^ (b.positionWh + wh));
            different |= uint256(traded(OWNER_A) ^ (a.tradedWh - wh));
            different |= uint256(traded(OWNER_B) ^ (b.tradedWh + wh));
        }
    }
}

/// @notice Trade moves money and energy from one to the other, and makes or destroys none: settling of two orders, and
/// buying of an offer.
/// @dev Calls that revert are no part of it: they change nothing.
/// @custom:halmos --solver-timeout-branching 10
contract TradeProof is MarketState {
    /// @dev One order of each, signed and fair, and one fill within both, of any energy at any price. The money or the energy
    /// may be missing: then nothing moves, or some of the seller's money is held back. How much, and when, is not checked here.
    function check_SettlingAPairMovesWhatItSays(
        Member memory a,
        Member memory b,
        uint72 owed,
        uint64[2] memory energyWh,
        uint96[2] memory limits,
        uint96 price,
        uint64 wh
    ) public {
        vm.assume(wh != 0 && wh <= energyWh[0] && wh <= energyWh[1]);
        vm.assume(limits[0] <= price && limits[1] >= uint256(price) + gridFee);
        (uint256 cost, uint256 proceeds) = prices(wh, price);
        begin(a, b, OPEN, owed, 0);
        SignedTerms[] memory orders = new SignedTerms[](2);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 terms = (i + 1) << 224 | uint256(energyWh[i]) << 160 | uint256(limits[i]) << 64;
            orders[i] = SignedTerms(OrderTerms.wrap(terms), 0, 0);
        }
        Fill[] memory fills = new Fill[](1);
        fills[0] = Fill.wrap(1 << 64 | uint256(wh));
        Settlement settlement = Settlement.wrap(uint256(price) << 64 | uint256(OPEN) << 32 | 1);
        this.settleWithWallets(settlement, orders, fills, new bytes[](1));
        if (positionOf(OPEN, B) == b.positionWh) (wh, cost, proceeds) = (0, 0, 0);
        assert(exact(a, b, owed, int256(uint256(wh)), cost, proceeds, collateralOf[OPEN][A]) == 0);
    }

    /// @dev Any offer of A for the slot, of which any part is sold.
    function check_BuyingAnOfferMovesWhatItSays(
        Member memory a,
        Member memory b,
        uint72 owed,
        uint64 offeredWh,
        uint64 filled,
        uint96 price,
        uint64 wh
    ) public {
        (uint256 cost, uint256 proceeds) = prices(wh, price);
        begin(a, b, OPEN, owed, 0);
        Order memory offer = Order(A, OPEN, Side.Sell, offeredWh, price, CURRENT, 0);
        filledWh[this.hashOrder(offer)] = filled;
        vm.prank(OWNER_B);
        this.transferEnergy(offer, "", B, wh);
        uint256 different = exact(a, b, owed, int256(uint256(wh)), cost, proceeds, 0);
        unchecked {
            different |= filledWh[this.hashOrder(offer)] ^ (uint256(filled) + wh);
        }
        assert(different == 0 && uint256(filled) + wh <= offeredWh);
    }
}
