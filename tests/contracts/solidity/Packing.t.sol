// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account, Accounts} from "contracts/Accounts.sol";
import {
    Fill,
    MeterState,
    OrderTerms,
    Packing,
    Party,
    ReadingTerms,
    Settlement,
    SlotRecord,
    Tariff
} from "contracts/Packing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice Fields of packed words: each comes back as it was put in, at the place that is written down, and touches no other.
contract PackingTest is Test {
    using Accounts for Account;

    function testFuzz_OrderTerms(uint32 member, uint64 wh, uint96 limit, uint64 salt) public pure {
        OrderTerms terms = OrderTerms.wrap(uint256(bytes32(abi.encodePacked(member, wh, limit, salt))));
        vm.assertEq(terms.member(), member);
        vm.assertEq(terms.energyWh(), wh);
        vm.assertEq(terms.limitPrice(), limit);
        vm.assertEq(terms.salt(), salt);
        address who = address(uint160(uint256(keccak256(abi.encode(salt)))));
        Party party = terms.toParty(who);
        vm.assertEq(abi.encode(party), abi.encodePacked(member, wh, who));
        vm.assertEq(party.member(), member);
        vm.assertEq(party.leftWh(), wh);
        vm.assertEq(party.account(), who);
        uint64 part = uint64(bound(salt, 0, wh));
        vm.assertEq(abi.encode(party.less(part)), abi.encodePacked(member, wh - part, who));
    }

    function testFuzz_Settlement(uint96 unused, uint96 price, uint32 slot, uint32 sells) public pure {
        Settlement word = Settlement.wrap(uint256(bytes32(abi.encodePacked(unused, price, slot, sells))));
        vm.assertEq(word.price(), price);
        vm.assertEq(word.slot(), slot);
        vm.assertEq(word.sells(), sells);
    }

    function testFuzz_Fill(uint128 unused, uint32 sell, uint32 buy, uint64 wh) public pure {
        Fill word = Fill.wrap(uint256(bytes32(abi.encodePacked(unused, sell, buy, wh))));
        vm.assertEq(word.sellIndex(), sell);
        vm.assertEq(word.buyIndex(), buy);
        vm.assertEq(word.energyWh(), wh);
    }

    /// @dev What is above the retail price counts as part of it, so that no tariff with dirt there is below a cap.
    function testFuzz_Tariff(uint64 above, uint96 retail, uint96 feedIn) public pure {
        Tariff word = Tariff.wrap(uint256(bytes32(abi.encodePacked(above, retail, feedIn))));
        vm.assertEq(word.retailPrice(), (uint256(above) << 96) | retail);
        vm.assertEq(word.feedInPrice(), feedIn);
    }

    function testFuzz_MetersAndReadings(uint32[5] memory a, uint32[4] memory b, uint64[4] memory registers)
        public
        pure
    {
        bytes memory packed = abi.encodePacked(a[0], a[1], a[2], a[3], registers[0], registers[1]);
        MeterState meter = MeterState.wrap(uint256(bytes32(packed)));
        vm.assertTrue(meter.member() == a[0] && meter.capacityWh() == a[1] && meter.lastSlot() == a[2], "meter");
        vm.assertTrue(meter.sequence() == a[3] && meter.importRegisterWh() == registers[0], "sequence and import");
        vm.assertEq(meter.exportRegisterWh(), registers[1]);
        packed = abi.encodePacked(a[0], a[4], a[2], a[3], registers[0], registers[1]);
        vm.assertEq(abi.encode(meter.withCapacity(a[4])), packed);
        ReadingTerms reading =
            ReadingTerms.wrap(uint256(bytes32(abi.encodePacked(b[0], b[1], b[2], b[3], registers[2], registers[3]))));
        vm.assertTrue(reading.member() == b[1] && reading.slot() == b[2] && reading.sequence() == b[3], "reading");
        vm.assertTrue(
            reading.importRegisterWh() == registers[2] && reading.exportRegisterWh() == registers[3], "registers"
        );
        packed = abi.encodePacked(a[0], a[1], b[2], b[3], registers[2], registers[3]);
        vm.assertEq(abi.encode(meter.withReading(reading)), packed);
        packed = abi.encodePacked(a[0], uint32(0), a[2], uint32(0), uint128(0));
        vm.assertEq(abi.encode(Packing.toMeter(a[0], a[2])), packed);
    }

    function testFuzz_SlotRecord(uint24 lap, uint72 owed, uint160 trades) public pure {
        SlotRecord record = Packing.toRecord(lap, owed, trades);
        vm.assertEq(abi.encode(record), abi.encodePacked(lap, owed, trades));
        vm.assertTrue(record.lap() == lap && record.owed() == owed && record.trades() == trades);
    }

    // ---- accounts ---------------------------------------------------------------------------------------------

    struct Fields {
        int56 traded;
        uint8 flags;
        uint32 through;
        uint32 afterSlot;
        uint96 escrow;
        uint32 member;
    }

    function pack(Fields memory f) private pure returns (Account) {
        bytes memory packed = abi.encodePacked(f.traded, f.flags, f.through, f.afterSlot, f.escrow, f.member);
        return Account.wrap(uint256(bytes32(packed)));
    }

    function same(Account left, Fields memory right) private pure {
        vm.assertEq(Account.unwrap(left), Account.unwrap(pack(right)));
        vm.assertEq(left.tradedWh(), right.traded);
        vm.assertEq(left.escrow(), right.escrow);
        vm.assertEq(left.member(), right.member);
        vm.assertEq(left.cancelledAfter(), right.afterSlot);
        vm.assertEq(left.cancelledThrough(), right.through);
    }

    function testFuzz_Accounts(Fields memory f, uint96 amount, int56 wh, uint8 flag, uint32[3] memory slots)
        public
        pure
    {
        Account account = pack(f);
        same(account, f);
        bool plain = f.flags & 0xf7 == 0 && f.through == 0 && f.afterSlot == 0;
        vm.assertEq(account.isPlainly(f.member), plain);
        vm.assertFalse(account.isPlainly(uint256(f.member) + 1));
        vm.assertEq(account.isCancelled(slots[0]), f.afterSlot < slots[0] && slots[0] <= f.through);
        f.escrow = uint96(bound(f.escrow, 0, type(uint96).max - amount));
        account = pack(f).credited(amount);
        f.escrow += amount;
        same(account, f);
        account = account.debited(amount / 2);
        f.escrow -= amount / 2;
        same(account, f);
        account = account.traded(wh);
        unchecked {
            f.traded += wh;
        }
        same(account, f);
        flag = uint8(1) << (flag % 8);
        account = account.flagged(flag, amount % 2 == 0);
        f.flags = amount % 2 == 0 ? f.flags | flag : f.flags & ~flag;
        same(account, f);
        vm.assertEq(account.has(flag), amount % 2 == 0);
        account = account.cancelled(slots[1], slots[2]);
        (f.afterSlot, f.through) = (slots[1], slots[2]);
        same(account, f);
        same(Accounts.opened(f.member), Fields(0, 0, 0, 0, 0, f.member));
    }
}
