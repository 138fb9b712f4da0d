// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITestToken, Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice That proofs work: halmos follows each `check_` function for all inputs at once.
/// @dev A call that reverts proves nothing and fails nothing; only a comparison or an `assert` can fail.
contract SmokeProof is Test {
    ITestToken private token;

    function setUp() public {
        token = deployToken();
    }

    function check_MintAddsToTheBalance(address to, uint256 amount) public {
        token.mint(to, amount);
        vm.assertEq(token.balanceOf(to), amount);
    }

    function check_SendingKeepsTheSum(address from, address to, uint256 minted, uint256 amount) public {
        token.mint(from, minted);
        vm.prank(from);
        require(token.transfer(to, amount));
        vm.assertEq(token.totalSupply(), minted);
        if (from != to) vm.assertEq(token.balanceOf(from) + token.balanceOf(to), minted);
    }
}
