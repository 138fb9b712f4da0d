// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PositionRing} from "contracts/PositionRing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice The ring against a plain mapping: what it takes is exact, and what it refuses changes nothing.
contract RingPackingTest is Test {
    using PositionRing for PositionRing.Ring;

    PositionRing.Ring private ring;
    mapping(uint256 slot => mapping(uint256 member => int256)) private model;
    uint32[4] private slots = [uint32(5), 6, 133, 4_294_967_173];
    uint32[5] private members = [uint32(1), 6, 7, 0, type(uint32).max];

    function refused(uint256 slot, uint256 member, int256 sum) private view returns (bool) {
        if (sum < type(int32).min || sum > type(int32).max) return true;
        for (uint256 s = 0; s < 4; ++s) {
            for (uint256 m = 0; m < 5; ++m) {
                bool word = slots[s] % 128 == slot % 128 && members[m] / 7 == member / 7;
                if (word && slots[s] != slot && model[slots[s]][members[m]] != 0) return true;
            }
        }
        return false;
    }

    function check() private view {
        for (uint256 s = 0; s < 4; ++s) {
            for (uint256 m = 0; m < 5; ++m) {
                vm.assertEq(ring.get(slots[s], members[m]), model[slots[s]][members[m]]);
            }
        }
    }

    function testFuzz_ItKeepsWhatAMappingWould(uint256 chance) public {
        for (uint256 i = 0; i < 60; ++i) {
            chance = uint256(keccak256(abi.encode(chance)));
            (uint256 slot, uint256 member) = (slots[chance % 4], members[(chance >> 8) % 5]);
            int256 held = model[slot][member];
            int256 wh = int256(int32(uint32(chance >> 16))) / int256(1 << ((chance >> 48) % 32));
            // Often back to zero, so that words are given to other slots.
            if (chance >> 200 & 1 == 0) wh = -held;
            if ((chance >> 201) % 8 == 0) wh = int256(int64(uint64(chance >> 64)));
            if ((chance >> 208) % 3 == 0) {
                moves(slot, member, members[(chance >> 216) % 5], uint32(chance >> 16) >> ((chance >> 48) % 32));
                check();
                continue;
            }
            (bool done, int256 now_) = ring.tryAdd(slot, member, wh);
            vm.assertEq(done, !refused(slot, member, held + wh));
            vm.assertEq(now_, done ? held + wh : int256(0));
            if (done) model[slot][member] = held + wh;
            check();
        }
    }

    function moves(uint256 slot, uint256 from, uint256 to, uint256 wh) private {
        if (from == to) return;
        (int256 has, int256 gets) = (model[slot][from], model[slot][to]);
        bool possible = !refused(slot, from, has - int256(wh)) && !refused(slot, to, gets + int256(wh));
        (bool done, uint256 lackedWh) = ring.tryMove(slot, from, to, wh);
        vm.assertEq(done, possible);
        if (!done) {
            vm.assertEq(lackedWh, uint256(0));
            return;
        }
        (model[slot][from], model[slot][to]) = (has - int256(wh), gets + int256(wh));
        uint256 had = has > 0 ? uint256(has) : 0;
        vm.assertEq(lackedWh, wh > had ? wh - had : 0);
    }
}
