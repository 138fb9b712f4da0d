// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";
import {Members} from "./Members.sol";
import {MeterState, ReadingTerms} from "./Packing.sol";
import {PositionRing} from "./PositionRing.sol";
import {Signatures} from "./Signatures.sol";

/// @title From signed meter registers to energy in slots
abstract contract Metering is Members, Signatures {
    using PositionRing for PositionRing.Ring;

    PositionRing.Ring internal _positions;

    /// @inheritdoc ISmartMicrogrid
    function submitReadings(SignedReading[] calldata readings) external {
        bytes32 domain = _domainSeparatorV4();
        uint256 current = currentSlot;
        for (uint256 i = 0; i < readings.length; ++i) {
            ReadingTerms terms = readings[i].terms;
            address signer = _recover(_hashReading(domain, terms), readings[i].r, readings[i].vs);
            Fault fault = _count(terms, signer, current);
            if (fault != Fault.None) emit ReadingRejected(terms.member(), terms.slot(), fault);
        }
    }

    /// @dev Counts a reading, or says why not and changes nothing.
    function _count(ReadingTerms terms, address signer, uint256 current) private returns (Fault) {
        MeterState meter = _meters[signer];
        (uint256 member, uint256 slot) = (terms.member(), terms.slot());
        if (meter.member() != member || member == UTILITY) return Fault.NotSigned;
        if (slot >= current) return Fault.SlotNotOver;
        if (current > slot + settlementWindow) return Fault.WindowOver;
        if (terms.sequence() <= meter.sequence() || slot <= meter.lastSlot()) return Fault.NotNew;
        if (terms.importRegisterWh() < meter.importRegisterWh()) return Fault.RegisterFell;
        if (terms.exportRegisterWh() < meter.exportRegisterWh()) return Fault.RegisterFell;
        uint256 importedWh;
        uint256 exportedWh;
        unchecked {
            // Neither register fell, and the slot is newer.
            importedWh = terms.importRegisterWh() - meter.importRegisterWh();
            exportedWh = terms.exportRegisterWh() - meter.exportRegisterWh();
            uint256 mostWh = meter.capacityWh() * (slot - meter.lastSlot());
            if (importedWh > mostWh || exportedWh > mostWh) return Fault.AboveCapacity;
        }
        (bool done,) = _positions.tryAdd(slot, member, int256(exportedWh) - int256(importedWh));
        if (!done) return Fault.PositionFull;
        _meters[signer] = meter.withReading(terms);
        emit EnergyMetered(member, uint64(slot), uint64(importedWh), uint64(exportedWh));
        return Fault.None;
    }

    /// @inheritdoc ISmartMicrogrid
    function positions(uint256 slot, uint256 member) external view returns (int256) {
        return _positions.get(slot, member);
    }
}
