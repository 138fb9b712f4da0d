// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Tokens that cheat
/// @notice Which way is set later, so that money can be paid in honestly before.
contract BadToken {
    enum Way {
        Honest,
        TakesFee,
        ReturnsFalse,
        ReturnsNothing,
        Reverts,
        MovesNothing,
        ReEnters
    }

    mapping(address => uint256) public balanceOf;
    Way private _way;
    address private _to;
    bytes private _call;
    bool private _calling;
    /// @notice Whether the call into the market was let through, and what it answered.
    bool public entered;
    bytes public answer;

    function set(Way way) external {
        _way = way;
    }

    /// @notice During each transfer, do this.
    function reEnter(address to, bytes calldata call) external {
        (_way, _to, _call) = (Way.ReEnters, to, call);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (_way == Way.Reverts) revert("no");
        if (_way == Way.ReturnsFalse) return false;
        balanceOf[from] -= amount;
        if (_way != Way.MovesNothing) balanceOf[to] += _way == Way.TakesFee ? amount - amount / 100 : amount;
        if (_way == Way.ReEnters && !_calling) {
            _calling = true;
            (entered, answer) = _to.call(_call);
            _calling = false;
        }
        if (_way == Way.ReturnsNothing) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }
}
