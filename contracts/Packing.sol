// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Each word holds its fields from the highest bits down. Batches carry words and not structs, and storage holds them,
// because a settlement pays for every word that it is sent, reads or writes.

/// @notice Terms of an auction order: member (32 bits) | energyWh (64) | limitPrice (96) | salt (64).
type OrderTerms is uint256;

/// @notice What is settled: unused (96) | price per kWh (96) | slot (32) | how many of the orders sell (32).
type Settlement is uint256;

/// @notice Energy from one order to another: unused (128) | index of the sell order (32) | of the buy order (32) |
/// energyWh (64).
type Fill is uint256;

/// @notice What the utility charges and pays in a slot: unused (64) | retail price (96) | feed-in price (96), per kWh.
type Tariff is uint256;

/// @notice Registers at the end of a slot: unused (32) | member (32) | slot (32) | sequence (32) | imported Wh (64) |
/// exported Wh (64).
type ReadingTerms is uint256;

/// @notice The last reading of a meter and who it belongs to: member (32) | capacityWh (32) | slot (32) | sequence (32)
/// | imported Wh (64) | exported Wh (64).
type MeterState is uint256;

/// @notice Who stands behind an order of a clearing: member (32) | energy left Wh (64) | account (160). 0: nobody.
type Party is uint256;

/// @notice What a place of the slot ring holds: lap of the last settled slot (24) | money owed to the utility (72) |
/// hash over the trades of all slots of this place (160).
type SlotRecord is uint256;

using Packing for OrderTerms global;
using Packing for Settlement global;
using Packing for Fill global;
using Packing for Tariff global;
using Packing for ReadingTerms global;
using Packing for MeterState global;
using Packing for Party global;
using Packing for SlotRecord global;

/// @title The fields of packed words
library Packing {
    uint256 private constant REGISTERS = type(uint192).max;

    function member(OrderTerms terms) internal pure returns (uint32) {
        return uint32(OrderTerms.unwrap(terms) >> 224);
    }

    function energyWh(OrderTerms terms) internal pure returns (uint64) {
        return uint64(OrderTerms.unwrap(terms) >> 160);
    }

    function limitPrice(OrderTerms terms) internal pure returns (uint96) {
        return uint96(OrderTerms.unwrap(terms) >> 64);
    }

    function salt(OrderTerms terms) internal pure returns (uint64) {
        return uint64(OrderTerms.unwrap(terms));
    }

    function price(Settlement settlement) internal pure returns (uint96) {
        return uint96(Settlement.unwrap(settlement) >> 64);
    }

    function slot(Settlement settlement) internal pure returns (uint32) {
        return uint32(Settlement.unwrap(settlement) >> 32);
    }

    function sells(Settlement settlement) internal pure returns (uint32) {
        return uint32(Settlement.unwrap(settlement));
    }

    function sellIndex(Fill fill) internal pure returns (uint32) {
        return uint32(Fill.unwrap(fill) >> 96);
    }

    function buyIndex(Fill fill) internal pure returns (uint32) {
        return uint32(Fill.unwrap(fill) >> 64);
    }

    function energyWh(Fill fill) internal pure returns (uint64) {
        return uint64(Fill.unwrap(fill));
    }

    function retailPrice(Tariff tariff) internal pure returns (uint256) {
        return Tariff.unwrap(tariff) >> 96;
    }

    function feedInPrice(Tariff tariff) internal pure returns (uint256) {
        return uint96(Tariff.unwrap(tariff));
    }

    function member(ReadingTerms terms) internal pure returns (uint32) {
        return uint32(ReadingTerms.unwrap(terms) >> 192);
    }

    function slot(ReadingTerms terms) internal pure returns (uint32) {
        return uint32(ReadingTerms.unwrap(terms) >> 160);
    }

    function sequence(ReadingTerms terms) internal pure returns (uint32) {
        return uint32(ReadingTerms.unwrap(terms) >> 128);
    }

    function importRegisterWh(ReadingTerms terms) internal pure returns (uint64) {
        return uint64(ReadingTerms.unwrap(terms) >> 64);
    }

    function exportRegisterWh(ReadingTerms terms) internal pure returns (uint64) {
        return uint64(ReadingTerms.unwrap(terms));
    }

    function toMeter(uint32 member_, uint32 lastSlot_) internal pure returns (MeterState) {
        return MeterState.wrap((uint256(member_) << 224) | (uint256(lastSlot_) << 160));
    }

    function member(MeterState meter) internal pure returns (uint32) {
        return uint32(MeterState.unwrap(meter) >> 224);
    }

    function capacityWh(MeterState meter) internal pure returns (uint32) {
        return uint32(MeterState.unwrap(meter) >> 192);
    }

    function lastSlot(MeterState meter) internal pure returns (uint32) {
        return uint32(MeterState.unwrap(meter) >> 160);
    }

    function sequence(MeterState meter) internal pure returns (uint32) {
        return uint32(MeterState.unwrap(meter) >> 128);
    }

    function importRegisterWh(MeterState meter) internal pure returns (uint64) {
        return uint64(MeterState.unwrap(meter) >> 64);
    }

    function exportRegisterWh(MeterState meter) internal pure returns (uint64) {
        return uint64(MeterState.unwrap(meter));
    }

    function withCapacity(MeterState meter, uint32 capacity) internal pure returns (MeterState) {
        uint256 word = MeterState.unwrap(meter) & ~(uint256(type(uint32).max) << 192);
        return MeterState.wrap(word | (uint256(capacity) << 192));
    }

    /// @dev A meter and a reading share their lower 192 bits.
    function withReading(MeterState meter, ReadingTerms reading) internal pure returns (MeterState) {
        return MeterState.wrap((MeterState.unwrap(meter) & ~REGISTERS) | (ReadingTerms.unwrap(reading) & REGISTERS));
    }

    /// @dev Terms and party share their upper 96 bits.
    function toParty(OrderTerms terms, address account_) internal pure returns (Party) {
        return Party.wrap(((OrderTerms.unwrap(terms) >> 160) << 160) | uint160(account_));
    }

    function member(Party party) internal pure returns (uint256) {
        return Party.unwrap(party) >> 224;
    }

    function leftWh(Party party) internal pure returns (uint256) {
        return uint64(Party.unwrap(party) >> 160);
    }

    function account(Party party) internal pure returns (address) {
        return address(uint160(Party.unwrap(party)));
    }

    /// @dev The caller has checked that so much is left.
    function less(Party party, uint256 wh) internal pure returns (Party) {
        unchecked {
            return Party.wrap(Party.unwrap(party) - (wh << 160));
        }
    }

    function lap(SlotRecord record) internal pure returns (uint24) {
        return uint24(SlotRecord.unwrap(record) >> 232);
    }

    function owed(SlotRecord record) internal pure returns (uint72) {
        return uint72(SlotRecord.unwrap(record) >> 160);
    }

    function trades(SlotRecord record) internal pure returns (uint160) {
        return uint160(SlotRecord.unwrap(record));
    }

    function toRecord(uint24 lap_, uint72 owed_, uint160 trades_) internal pure returns (SlotRecord) {
        return SlotRecord.wrap((uint256(lap_) << 232) | (uint256(owed_) << 160) | trades_);
    }
}
