// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {vm} from "./Vm.sol";

/// @notice What tests use of the test euro.
interface ITestToken is IERC20 {
    function mint(address to, uint256 amount) external;
}

/// @title Base of all tests: the shipped artifacts, and numbers within bounds
/// @dev Tests know the contracts by their interfaces only, so a change of a contract compiles no test again.
abstract contract Test {
    function deployToken() internal returns (ITestToken) {
        return ITestToken(deploy("shipped/TestToken.json", ""));
    }

    /// @dev `arguments` are the constructor's, ABI encoded.
    function deployGrid(bytes memory arguments) internal returns (address) {
        return deploy("shipped/SmartMicrogrid.json", arguments);
    }

    /// @dev Not by forge's `deployCode`, which halmos does not know. Reverts as the constructor does.
    function deploy(string memory artifact, bytes memory arguments) internal returns (address made) {
        bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    /// @notice A number from `low` to `high`, both included; one that is already there stays as it is.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        require(low <= high, "bounds are the wrong way round");
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        return size == 0 ? value : low + value % size;
    }

    /// @notice The same for whole numbers with a sign.
    function bound(int256 value, int256 low, int256 high) internal pure returns (int256) {
        uint256 shift = 1 << 255;
        uint256 moved = bound(uint256(value) ^ shift, uint256(low) ^ shift, uint256(high) ^ shift);
        return int256(moved ^ shift);
    }
}
