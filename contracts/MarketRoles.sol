// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";

/// @title Who may do what in a market
/// @notice One admin, who hands over in two steps and after a delay, gives and takes the other roles. None of them has
/// power over a member's energy or money.
/// @dev A contract of its own, because the market's must stay below 24,576 bytes; the market makes it when it is made.
contract MarketRoles is AccessControlDefaultAdminRules {
    /// @notice Registers members and certifies meters.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
    /// @notice Moves the market's clock.
    bytes32 public constant CLOCK_ROLE = keccak256("CLOCK_ROLE");
    /// @notice Posts the utility's tariffs.
    bytes32 public constant TARIFF_ROLE = keccak256("TARIFF_ROLE");
    /// @notice Anchors released forecasters.
    bytes32 public constant MODEL_ROLE = keccak256("MODEL_ROLE");
    /// @notice Stops new trade.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    constructor(address admin, uint48 adminDelay) AccessControlDefaultAdminRules(adminDelay, admin) {
        _grantRole(REGISTRAR_ROLE, admin);
        _grantRole(CLOCK_ROLE, admin);
        _grantRole(TARIFF_ROLE, admin);
        _grantRole(MODEL_ROLE, admin);
        _grantRole(PAUSER_ROLE, admin);
    }
}
