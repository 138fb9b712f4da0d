// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PositionRing} from "contracts/PositionRing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice Energy is added in one lane of one word, or nothing happens: for all contents of the words and all energies.
/// @dev The places are written out, or the prover would have to invert divisions: seven members of one word and one of
/// the next, and all slots with one remainder by 128.
contract PositionRingProof is Test {
    using PositionRing for PositionRing.Ring;

    PositionRing.Ring private ring;

    function check_AddingIsExactOrNothing(uint256 word, uint24 lap, uint8 pick, int72 wh) public {
        (uint256 slot, uint256 member) = (slotOf(lap), memberOf(pick));
        write(slot, member, word);
        int256 sum = ring.get(slot, member) + wh;
        (bool added, int256 positionWh) = ring.tryAdd(slot, member, wh);
        vm.assertEq(added, sum == int32(sum) && (uint32(word) == slot || word >> 32 == 0));
        vm.assertEq(positionWh, added ? sum : int256(0));
        if (added) vm.assertEq(ring.get(slot, member), sum);
        else vm.assertEq(read(slot, member), word);
    }

    function check_AddingLeavesOthersAlone(
        uint256[2] memory words,
        uint24[2] memory laps,
        uint8[2] memory picks,
        int72 wh
    ) public {
        (uint256 slot, uint256 member) = (slotOf(laps[0]), memberOf(picks[0]));
        (uint256 otherSlot, uint256 other) = (slotOf(laps[1]), memberOf(picks[1]));
        vm.assume(slot != otherSlot || member != other);
        write(otherSlot, other, words[1]);
        write(slot, member, words[0]);
        int256 before = ring.get(otherSlot, other);
        ring.tryAdd(slot, member, wh);
        vm.assertEq(ring.get(otherSlot, other), before);
    }

    function check_MovingKeepsTheSum(uint256[2] memory words, uint24 lap, uint8[2] memory picks, uint64 wh) public {
        // First and last lane, and another word.
        for (uint256 i = 0; i < 2; ++i) {
            vm.assume(picks[i] == 0 || picks[i] == 6 || picks[i] == 7);
        }
        vm.assume(picks[0] != picks[1]);
        (uint256 slot, uint256 from, uint256 to) = (slotOf(lap), memberOf(picks[0]), memberOf(picks[1]));
        write(slot, from, words[0]);
        write(slot, to, words[1]);
        (int256 left, int256 right) = (ring.get(slot, from), ring.get(slot, to));
        (bool done, uint256 lackedWh) = ring.tryMove(slot, from, to, wh);
        int256 moved = done ? int256(uint256(wh)) : int256(0);
        vm.assertEq(ring.get(slot, from), left - moved);
        vm.assertEq(ring.get(slot, to), right + moved);
        int256 hadWh = left > 0 ? left : int256(0);
        vm.assertEq(lackedWh, moved > hadWh ? uint256(moved - hadWh) : 0);
    }

    function slotOf(uint24 lap) private pure returns (uint256) {
        return uint256(lap) << 7 | 5;
    }

    function memberOf(uint8 pick) private pure returns (uint256) {
        if (pick == 0) return 14;
        if (pick == 1) return 15;
        if (pick == 2) return 16;
        if (pick == 3) return 17;
        if (pick == 4) return 18;
        if (pick == 5) return 19;
        if (pick == 6) return 20;
        return 21;
    }

    function read(uint256 slot, uint256 member) private view returns (uint256) {
        return ring.words[(slot % 128) << 32 | member / 7];
    }

    function write(uint256 slot, uint256 member, uint256 word) private {
        ring.words[(slot % 128) << 32 | member / 7] = word;
    }
}
