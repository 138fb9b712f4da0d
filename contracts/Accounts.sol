// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Everything that a trade needs to know of a member, in one word under its owner's address: whoever a signature
/// recovers to is found, checked and paid with one read and one write.
/// tradedWh (int56) | flags (8) | cancelledThrough (32) | cancelledAfter (32) | escrow (96) | member (32), highest bits
/// first. `tradedWh` is bought less sold since registration [Wh], escrow in base units; auction orders for slots after
/// `cancelledAfter` and up to `cancelledThrough` are void.
type Account is uint256;

/// @dev A place in storage that holds an account: it can be passed on, so that its address is computed once.
struct AccountWord {
    Account word;
}

/// @title The fields of an Account
library Accounts {
    uint256 internal constant INACTIVE = 1;
    uint256 internal constant IN_DEBT = 2;
    uint256 internal constant CANCELLED_ONE = 4;
    /// @dev Money was held back for energy that it sold and lacked, perhaps of a slot that is closed by now.
    uint256 internal constant HELD = 8;

    uint256 private constant ESCROW_BIT = 32;
    uint256 private constant AFTER_BIT = 128;
    uint256 private constant THROUGH_BIT = 160;
    uint256 private constant FLAGS_BIT = 192;
    uint256 private constant TRADED_BIT = 200;
    uint256 private constant PLAIN =
        ((uint256(type(uint72).max) << AFTER_BIT) | type(uint32).max) & ~(HELD << FLAGS_BIT);

    function opened(uint32 number) internal pure returns (Account) {
        return Account.wrap(number);
    }

    function member(Account account) internal pure returns (uint32) {
        return uint32(Account.unwrap(account));
    }

    function escrow(Account account) internal pure returns (uint96) {
        return uint96(Account.unwrap(account) >> ESCROW_BIT);
    }

    function tradedWh(Account account) internal pure returns (int56) {
        return int56(uint56(Account.unwrap(account) >> TRADED_BIT));
    }

    function has(Account account, uint256 flag) internal pure returns (bool) {
        return Account.unwrap(account) & (flag << FLAGS_BIT) != 0;
    }

    /// @dev Whether it is the member's and nothing needs a closer look: no cancelled order, not inactive, not in debt.
    function isPlainly(Account account, uint256 number) internal pure returns (bool) {
        return Account.unwrap(account) & PLAIN == number;
    }

    function cancelledAfter(Account account) internal pure returns (uint32) {
        return uint32(Account.unwrap(account) >> AFTER_BIT);
    }

    function cancelledThrough(Account account) internal pure returns (uint32) {
        return uint32(Account.unwrap(account) >> THROUGH_BIT);
    }

    function isCancelled(Account account, uint32 slot) internal pure returns (bool) {
        return cancelledAfter(account) < slot && slot <= cancelledThrough(account);
    }

    /// @dev No overflow into the next field: all money of the market fits into 96 bits.
    function credited(Account account, uint256 amount) internal pure returns (Account) {
        unchecked {
            return Account.wrap(Account.unwrap(account) + (amount << ESCROW_BIT));
        }
    }

    /// @dev The caller has checked that the escrow holds so much.
    function debited(Account account, uint256 amount) internal pure returns (Account) {
        unchecked {
            return Account.wrap(Account.unwrap(account) - (amount << ESCROW_BIT));
        }
    }

    /// @dev The highest field: what overflows leaves the word. Positions bound each step to 2^32 Wh, so that it would
    /// take more than 2^23 slots.
    function traded(Account account, int256 boughtWh) internal pure returns (Account) {
        unchecked {
            return Account.wrap(Account.unwrap(account) + (uint256(boughtWh) << TRADED_BIT));
        }
    }

    function flagged(Account account, uint256 flag, bool set) internal pure returns (Account) {
        uint256 bit = flag << FLAGS_BIT;
        return Account.wrap(set ? Account.unwrap(account) | bit : Account.unwrap(account) & ~bit);
    }

    function cancelled(Account account, uint32 afterSlot, uint32 throughSlot) internal pure returns (Account) {
        uint256 word = Account.unwrap(account) & ~(uint256(type(uint64).max) << AFTER_BIT);
        return Account.wrap(word | (uint256(afterSlot) << AFTER_BIT) | (uint256(throughSlot) << THROUGH_BIT));
    }
}
