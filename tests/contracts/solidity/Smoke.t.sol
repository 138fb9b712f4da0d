// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITestToken, Test} from "./support/Test.sol";
import {InvariantTest} from "./support/InvariantTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice That the tools work: one test of each kind, on the test euro.
contract SmokeTest is Test {
    error MintTooLarge(uint256 amount, uint256 limit);

    uint256 private constant LIMIT = 1e12;
    ITestToken private token;

    function setUp() public {
        token = deployToken();
    }

    function test_MintAboveTheLimitReverts() public {
        vm.expectRevert(abi.encodeWithSelector(MintTooLarge.selector, LIMIT + 1, LIMIT));
        token.mint(address(this), LIMIT + 1);
    }

    function testFuzz_MintAddsToTheBalance(address to, uint256 amount) public {
        vm.assume(to != address(0));
        amount = bound(amount, 0, LIMIT);
        token.mint(to, amount);
        vm.assertEq(token.balanceOf(to), amount);
    }
}

/// @notice Moves test euros between a few accounts, and counts what it minted.
contract SmokeHandler is Test {
    ITestToken public immutable token;
    uint256 public minted;

    constructor(ITestToken token_) {
        token = token_;
    }

    function mint(uint256 to, uint256 amount) external {
        amount = bound(amount, 0, 1e12);
        token.mint(account(to), amount);
        minted += amount;
    }

    function send(uint256 from, uint256 to, uint256 amount) external {
        vm.prank(account(from));
        require(token.transfer(account(to), amount));
    }

    function account(uint256 number) public pure returns (address) {
        return address(uint160(1000 + number % 3));
    }
}

contract SmokeInvariantTest is InvariantTest {
    SmokeHandler private handler;

    function setUp() public {
        handler = new SmokeHandler(deployToken());
        bytes4[] memory selectors = new bytes4[](2);
        (selectors[0], selectors[1]) = (SmokeHandler.mint.selector, SmokeHandler.send.selector);
        target(address(handler), selectors);
    }

    function invariant_NoMoneyAppearsOrVanishes() public view {
        ITestToken token = handler.token();
        uint256 sum;
        for (uint256 i = 0; i < 3; ++i) {
            sum += token.balanceOf(handler.account(i));
        }
        vm.assertEq(sum, handler.minted());
        vm.assertEq(sum, token.totalSupply());
    }
}
