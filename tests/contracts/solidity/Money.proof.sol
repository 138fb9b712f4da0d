// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {MarketState, ProofToken} from "./Market.proof.sol";
import {vm} from "./support/Vm.sol";

/// @notice Money that comes, goes or changes hands with the utility is counted exactly.
/// @dev Of A; each check compares all parts of the sum, and so no money is made.
/// @custom:halmos --solver-timeout-branching 10
contract MoneyProof is MarketState {
    struct Money {
        uint256 escrow;
        uint256 utility;
        uint256 claim;
        uint256 debt;
    }

    /// @dev One member with any position; its collateral comes back first. It has no debt before.
    /// Costs are computed by the market's own functions, which are not checked here.
    function check_ClosingBringsAPositionToZero(
        Member memory a,
        uint96 collateral,
        uint96 utility,
        uint96 claim,
        uint72 owed
    ) public {
        Member memory b;
        begin(a, b, OVER, owed, utility);
        vm.assume(totalEscrow <= type(uint96).max - collateral);
        collateralOf[OVER][A] = totalCollateral = collateral;
        claimOf[A] = totalClaims = claim;
        flag(OWNER_A, HELD);
        Money memory m;
        unchecked {
            m = Money(uint256(a.escrow) + collateral, uint256(utility) + owed, claim, 0);
        }
        expect(a.positionWh, m);
        uint32[] memory members = new uint32[](1);
        members[0] = A;
        this.closeSlot(OVER, members);
        unchecked {
            uint256 different = (escrow(OWNER_A) ^ m.escrow) | (_utilityEscrow ^ m.utility) | (debtOf[A] ^ m.debt);
            different |= (claimOf[A] ^ m.claim) | (totalClaims ^ m.claim) | collateralOf[OVER][A] | totalCollateral;
            different |= uint256(positionOf(OVER, A)) | _recordOf(OVER).owed();
            different |= uint256(
                (traded(OWNER_A) ^ (int256(a.tradedWh) - a.positionWh)) | (_utilityNetWh ^ a.positionWh)
            );
            assert(different == 0);
        }
    }

    function expect(int256 wh, Money memory m) private pure {
        unchecked {
            uint256 earned = proceedsRoundedDown(wh > 0 ? uint256(wh) : 0, FEED_IN);
            uint256 cost = costRoundedUp(wh < 0 ? uint256(-wh) : 0, RETAIL);
            assumeMinimum(cost, m.escrow);
            if (wh > 0) {
                if (earned > m.utility) m.claim += earned;
                else (m.escrow, m.utility) = (m.escrow + earned, m.utility - earned);
            } else if (wh < 0) {
                uint256 paid = Math.min(cost, m.escrow);
                (m.escrow, m.utility, m.debt) = (m.escrow - paid, m.utility + paid, cost - paid);
            }
        }
    }

    /// @dev For a member with or without a debt.
    function check_DepositingIsExact(Member memory a, uint96 utility, uint96 debt, bool inDebt, uint96 amount) public {
        Member memory b;
        begin(a, b, OPEN, 0, utility);
        uint256 total = totalEscrow;
        if (inDebt) {
            debtOf[A] = debt;
            flag(OWNER_A, IN_DEBT);
        }
        assumeMinimum(debt, amount);
        give(OWNER_B, amount);
        vm.prank(OWNER_B);
        token.approve(address(this), amount);
        vm.prank(OWNER_B);
        this.deposit(A, amount);
        unchecked {
            uint256 repaid = inDebt ? Math.min(debt, amount) : 0;
            uint256 different = escrow(OWNER_A) ^ (uint256(a.escrow) + (amount - repaid));
            different |= _utilityEscrow ^ (uint256(utility) + repaid);
            different |= debtOf[A] ^ (inDebt ? debt - repaid : 0);
            different |= token.balanceOf(address(this)) ^ amount;
            different |= (totalEscrow ^ (total + amount)) | token.balanceOf(OWNER_B);
            different |= uint256(traded(OWNER_A) ^ a.tradedWh);
            assert(different == 0);
        }
    }

    /// @dev The market holds just what it owes.
    function check_WithdrawingIsExact(Member memory a, Member memory b, uint256 amount) public {
        begin(a, b, OPEN, 0, 0);
        uint256 total = totalEscrow;
        give(address(this), total);
        int256 balance = energyBalance(A);
        uint256 reserve = balance < 0 ? costRoundedUp(uint256(-balance), priceCap) : 0;
        uint256 free = reserve < a.escrow ? a.escrow - reserve : 0;
        vm.assume(Math.saturatingSub(a.escrow, reserve) == free);
        vm.prank(OWNER_A);
        this.withdraw(A, amount);
        unchecked {
            uint256 different = escrow(OWNER_A) ^ (a.escrow - amount);
            different |= (escrow(OWNER_B) ^ b.escrow) | (totalEscrow ^ (total - amount));
            different |= token.balanceOf(address(this)) ^ (total - amount);
            different |= token.balanceOf(OWNER_A) ^ amount;
            different |= uint256(traded(OWNER_A) ^ a.tradedWh);
            assert(different == 0 && amount <= free);
        }
    }

    function check_PayingAClaimIsExact(Member memory a, uint96 utility, uint96 claim) public {
        Member memory b;
        begin(a, b, OPEN, 0, utility);
        claimOf[A] = totalClaims = claim;
        assumeMinimum(claim, utility);
        this.payClaim(A);
        unchecked {
            uint256 paid = Math.min(claim, utility);
            uint256 different = escrow(OWNER_A) ^ (uint256(a.escrow) + paid);
            different |= (_utilityEscrow ^ (utility - paid)) | (claimOf[A] ^ (claim - paid))
                | (totalClaims ^ (claim - paid));
            assert(different == 0);
        }
    }

    function give(address to, uint256 amount) private {
        ProofToken(address(token)).give(to, amount);
    }
}
