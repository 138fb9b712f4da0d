// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "./Test.sol";

/// @title Base of invariant tests: forge asks it which calls to make up
/// @dev Call `target` in `setUp`; without it forge would call every contract that exists. The public functions have the
/// names and the shape that forge looks for.
abstract contract InvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    FuzzSelector[] private _selectors;
    address[] private _targets;
    address[] private _excluded;

    function targetContracts() public view returns (address[] memory) {
        return _targets;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory) {
        return _selectors;
    }

    function excludeSenders() public view returns (address[] memory) {
        return _excluded;
    }

    /// @notice Call all public functions of this handler.
    function target(address handler) internal {
        _targets.push(handler);
    }

    /// @notice Call only these functions of this handler; one that is listed twice is called twice as often.
    function target(address handler, bytes4[] memory selectors) internal {
        _targets.push(handler);
        _selectors.push(FuzzSelector(handler, selectors));
    }

    /// @notice Never call from this account.
    function excludeSender(address sender) internal {
        _excluded.push(sender);
    }
}
