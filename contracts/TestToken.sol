// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Test euro
/// @notice Play money for development chains: anyone may mint, so it is worth nothing. Never use it elsewhere.
contract TestToken is ERC20Permit {
    uint256 public constant MINT_LIMIT = 1_000_000_000_000;

    error MintTooLarge(uint256 amount, uint256 limit);

    constructor() ERC20("Test Euro", "tEUR") ERC20Permit("Test Euro") {}

    /// @notice Six decimals, as common euro tokens have.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Mint up to a million test euros at once.
    function mint(address to, uint256 amount) external {
        if (amount > MINT_LIMIT) revert MintTooLarge(amount, MINT_LIMIT);
        _mint(to, amount);
    }
}
