// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {MarketRoles} from "contracts/MarketRoles.sol";

/// @notice What tests call: the market's interface and its public variables.
interface IGrid is ISmartMicrogrid {
    function roles() external view returns (MarketRoles);
    function settlementWindow() external view returns (uint32);
    function slotSeconds() external view returns (uint32);
    function priceCap() external view returns (uint256);
    function gridFee() external view returns (uint256);
    function auditBatches() external view returns (bool);
    function token() external view returns (address);
    function paused() external view returns (bool);
    function currentSlot() external view returns (uint32);
    function settler() external view returns (address);
    function totalEscrow() external view returns (uint256);
    function totalCollateral() external view returns (uint256);
    function totalClaims() external view returns (uint256);
    function claimOf(uint256 member) external view returns (uint256);
    function debtOf(uint256 member) external view returns (uint256);
    function filledWh(bytes32 order) external view returns (uint256);
    function buildings(uint256 member) external view returns (address, address, bool, uint32);
    function releaseOf(bytes32 model) external view returns (uint256);
    function models(uint256 index) external view returns (bytes32);
    function transactions(uint256 index) external view returns (uint32, uint32, uint32, uint64, uint96);
}
