// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account, Accounts} from "contracts/Accounts.sol";
import {MeterState, OrderTerms, Packing, Party, ReadingTerms, SlotRecord} from "contracts/Packing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice Each operation on an account changes its own field, by exactly what it says, and no other: for all words.
contract AccountsProof is Test {
    using Accounts for Account;

    uint256 private constant MEMBER = type(uint32).max;
    uint256 private constant ESCROW = uint256(type(uint96).max) << 32;
    uint256 private constant CANCELLED = uint256(type(uint64).max) << 128;
    uint256 private constant FLAGS = uint256(type(uint8).max) << 192;
    uint256 private constant TRADED = uint256(type(uint56).max) << 200;

    function check_AnAccountIsOpenedEmpty(uint32 number) public pure {
        vm.assertEq(Account.unwrap(Accounts.opened(number)), number);
    }

    function check_CreditedIsExact(Account account, uint96 amount) public pure {
        vm.assume(account.escrow() <= type(uint96).max - amount);
        Account changed = account.credited(amount);
        vm.assertEq(changed.escrow(), uint256(account.escrow()) + amount);
        others(account, changed, ESCROW);
    }

    function check_DebitedIsExact(Account account, uint96 amount) public pure {
        vm.assume(amount <= account.escrow());
        Account changed = account.debited(amount);
        vm.assertEq(changed.escrow(), uint256(account.escrow()) - amount);
        others(account, changed, ESCROW);
    }

    function check_TradedIsExact(Account account, int56 boughtWh) public pure {
        int256 sum = int256(account.tradedWh()) + boughtWh;
        vm.assume(sum >= type(int56).min && sum <= type(int56).max);
        Account changed = account.traded(boughtWh);
        vm.assertEq(changed.tradedWh(), sum);
        others(account, changed, TRADED);
    }

    /// @dev Too much leaves the word; it never reaches another field, whatever the sum.
    function check_TradedStaysInItsField(Account account, int256 boughtWh) public pure {
        others(account, account.traded(boughtWh), TRADED);
    }

    function check_FlaggedIsExact(Account account, uint8 flag, bool set) public pure {
        vm.assume(flag != 0 && flag & (flag - 1) == 0);
        Account changed = account.flagged(flag, set);
        vm.assertEq(changed.has(flag), set);
        others(account, changed, uint256(flag) << 192);
    }

    function check_CancelledIsExact(Account account, uint32 afterSlot, uint32 throughSlot, uint32 slot) public pure {
        Account changed = account.cancelled(afterSlot, throughSlot);
        vm.assertEq(changed.isCancelled(slot), afterSlot < slot && slot <= throughSlot);
        vm.assertEq(changed.cancelledAfter(), afterSlot);
        vm.assertEq(changed.cancelledThrough(), throughSlot);
        others(account, changed, CANCELLED);
    }

    /// @dev The short way through `settle` is taken only where the long one finds nothing.
    function check_PlainMeansNoFlagThatMattersAndNoCancelledSlot(Account account, uint32 number, uint32 slot)
        public
        pure
    {
        vm.assume(account.isPlainly(number));
        vm.assertEq(account.member(), number);
        vm.assertFalse(account.isCancelled(slot));
        vm.assertFalse(account.has(type(uint8).max - Accounts.HELD));
    }

    function check_FieldsDoNotOverlapAndFillTheWord(Account account) public pure {
        uint256 word = uint256(uint56(account.tradedWh())) << 200 | uint256(account.cancelledThrough()) << 160;
        word |= uint256(account.cancelledAfter()) << 128 | uint256(account.escrow()) << 32 | account.member();
        vm.assertEq(Account.unwrap(account) & ~FLAGS, word);
        vm.assertEq(MEMBER | ESCROW | CANCELLED | FLAGS | TRADED, type(uint256).max);
    }

    function others(Account before, Account changed, uint256 field) private pure {
        vm.assertEq(Account.unwrap(before) & ~field, Account.unwrap(changed) & ~field);
    }
}

/// @notice Packed words give back what was put into them, and nothing else of them changes: for all words.
contract PackingProof is Test {
    uint256 private constant CAPACITY = uint256(type(uint32).max) << 192;

    function check_ANewMeterIsItsMembersAndEmpty(uint32 member, uint32 slot) public pure {
        MeterState meter = Packing.toMeter(member, slot);
        vm.assertEq(meter.member(), member);
        vm.assertEq(meter.lastSlot(), slot);
        vm.assertEq(
            MeterState.unwrap(meter) & ~(uint256(type(uint32).max) << 224) & ~(type(uint192).max >> 32 << 32), 0
        );
        registers(meter, 0, 0, 0);
    }

    function check_CapacityIsExact(MeterState meter, uint32 capacity) public pure {
        MeterState changed = meter.withCapacity(capacity);
        vm.assertEq(changed.capacityWh(), capacity);
        vm.assertEq(MeterState.unwrap(changed) & ~CAPACITY, MeterState.unwrap(meter) & ~CAPACITY);
    }

    function check_AReadingReplacesRegistersOnly(MeterState meter, ReadingTerms reading) public pure {
        MeterState changed = meter.withReading(reading);
        vm.assertEq(changed.member(), meter.member());
        vm.assertEq(changed.capacityWh(), meter.capacityWh());
        vm.assertEq(changed.lastSlot(), reading.slot());
        registers(changed, reading.sequence(), reading.importRegisterWh(), reading.exportRegisterWh());
    }

    function check_APartyIsTheOrdersMemberAndEnergy(OrderTerms terms, address account) public pure {
        Party party = terms.toParty(account);
        vm.assertEq(party.member(), terms.member());
        vm.assertEq(party.leftWh(), terms.energyWh());
        vm.assertEq(party.account(), account);
    }

    function check_LessIsExact(Party party, uint64 wh) public pure {
        vm.assume(wh <= party.leftWh());
        Party changed = party.less(wh);
        vm.assertEq(changed.leftWh(), party.leftWh() - wh);
        vm.assertEq(changed.member(), party.member());
        vm.assertEq(changed.account(), party.account());
    }

    function check_ARecordGivesBackItsFields(uint24 lap, uint72 owed, uint160 trades) public pure {
        SlotRecord record = Packing.toRecord(lap, owed, trades);
        vm.assertEq(record.lap(), lap);
        vm.assertEq(record.owed(), owed);
        vm.assertEq(record.trades(), trades);
    }

    function registers(MeterState meter, uint256 sequence, uint256 imported, uint256 exported) private pure {
        vm.assertEq(meter.sequence(), sequence);
        vm.assertEq(meter.importRegisterWh(), imported);
        vm.assertEq(meter.exportRegisterWh(), exported);
    }
}
