// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A contract wallet that accepts the digests it was told, and nothing else (ERC-1271).
contract GoodWallet {
    mapping(bytes32 digest => bytes32 signatureHash) private _accepted;

    function accept(bytes32 digest, bytes calldata signature) external {
        _accepted[digest] = keccak256(signature);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return _accepted[digest] == keccak256(signature) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @notice A wallet calls the market as its owner tells it.
    function execute(address to, bytes calldata call) external {
        (bool done, bytes memory answer) = to.call(call);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}

/// @notice Wallets that want to spoil the batch they are in.
contract BadWallet {
    enum Way {
        BurnGas,
        HugeAnswer,
        ChangeState,
        Revert,
        RevertHuge,
        ShortAnswer,
        WrongAnswer,
        DirtyAnswer
    }

    Way private _way;
    uint256 private _state;

    function setWay(Way way) external {
        _way = way;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        bytes memory good = abi.encode(bytes4(0x1626ba7e));
        if (_way == Way.BurnGas) {
            while (true) {}
        }
        if (_way == Way.ChangeState) _state = 1;
        if (_way == Way.Revert) revert("no");
        if (_way == Way.HugeAnswer || _way == Way.RevertHuge) spill(_way == Way.RevertHuge);
        if (_way == Way.ShortAnswer) return hex"1626ba7e";
        if (_way == Way.WrongAnswer) return abi.encode(bytes4(0x1626ba7f));
        if (_way == Way.DirtyAnswer) return abi.encode(uint256(bytes32(bytes4(0x1626ba7e))) | 1);
        return good;
    }

    /// @dev As much as its gas pays for, with the good answer first: who copies it all pays again.
    function spill(bool reverts) private pure {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            if reverts { revert(0, 200000) }
            return(0, 200000)
        }
    }
}
