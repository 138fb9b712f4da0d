// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Slots that have a place of their own in storage before the first one's is used again.
uint256 constant RING_SLOTS = 1 << RING_BITS;
uint256 constant RING_BITS = 7;

/// @title Signed energy of each member in each open slot
/// @notice Seven members share a storage word with the number of the slot that it is for; 128 slots share the words in
/// turn. So the storage of a market does not grow, and a reading costs a write to a word in use, not to a new one.
/// @dev A word is given to a later slot only when all its positions are zero: a slot that nobody closed blocks the one
/// that comes 128 later, and anyone can close it.
library PositionRing {
    uint256 private constant LANES = 7;
    uint256 private constant LANE_BITS = 32;
    uint256 private constant LANE_MASK = type(uint32).max;

    struct Ring {
        uint256[2 ** 39] words;
    }

    /// @notice Energy of `member` in `slot` [Wh]; 0 when the word holds another slot.
    function get(Ring storage ring, uint256 slot, uint256 member) internal view returns (int256) {
        (uint256 place, uint256 shift) = _place(slot, member);
        uint256 word = ring.words[place];
        return word & LANE_MASK == slot ? int256(int32(uint32(word >> shift))) : int256(0);
    }

    /// @notice Add `energyWh` to the position. Not `done`, and nothing happens, when it would not fit or when the word
    /// still holds energy of an earlier slot.
    function tryAdd(Ring storage ring, uint256 slot, uint256 member, int256 energyWh)
        internal
        returns (bool done, int256 positionWh)
    {
        (uint256 place, uint256 shift) = _place(slot, member);
        uint256 word = ring.words[place];
        if (word & LANE_MASK != slot) {
            if (word >> LANE_BITS != 0) return (false, 0);
            word = slot;
        }
        unchecked {
            // |energyWh| is below 2^255 - 2^31: the callers' energies are 64-bit.
            positionWh = int256(int32(uint32(word >> shift))) + energyWh;
            if (positionWh != int256(int32(positionWh))) return (false, 0);
            ring.words[place] = (word & ~(LANE_MASK << shift)) | (uint256(uint32(int32(positionWh))) << shift);
        }
        return (true, positionWh);
    }

    /// @notice Move energy between two positions of a slot. Not `done`, and nothing happens, when one does not take it.
    /// @return done Whether it was moved.
    /// @return lackedWh How much of it `from` did not have.
    function tryMove(Ring storage ring, uint256 slot, uint256 from, uint256 to, uint256 wh)
        internal
        returns (bool done, uint256 lackedWh)
    {
        int256 left;
        (done, left) = tryAdd(ring, slot, from, -int256(wh));
        if (!done) return (false, 0);
        (done,) = tryAdd(ring, slot, to, int256(wh));
        if (!done) tryAdd(ring, slot, from, int256(wh));
        else if (left < 0) lackedWh = uint256(-left) < wh ? uint256(-left) : wh;
    }

    function _place(uint256 slot, uint256 member) private pure returns (uint256 place, uint256 shift) {
        unchecked {
            // Both are 32-bit, so the place is below 2^39.
            place = ((slot % RING_SLOTS) << LANE_BITS) | (member / LANES);
            shift = LANE_BITS * (member % LANES + 1);
        }
    }
}
