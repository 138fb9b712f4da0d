// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What public energy markets mostly are: a registry that anyone may write to, and a transfer that nobody signs
/// @notice A yardstick for `./microgrid bench settlement`, never to be used: no signature, no payment, no meter.
contract NaiveMarket {
    struct Building {
        uint256 id;
        uint256 storedEnergy;
        bool registered;
    }

    struct EnergyTransaction {
        uint256 from;
        uint256 to;
        uint256 amount;
        uint256 timestamp;
    }

    mapping(uint256 => Building) public buildings;
    EnergyTransaction[] public transactions;

    event EnergyTransferred(uint256 indexed from, uint256 indexed to, uint256 amount);

    function register(uint256 id, uint256 energy) external {
        buildings[id] = Building(id, energy, true);
    }

    function transferEnergy(uint256 from, uint256 to, uint256 amount) external {
        require(buildings[from].registered && buildings[to].registered, "not registered");
        require(buildings[from].storedEnergy >= amount, "not enough energy");
        buildings[from].storedEnergy -= amount;
        buildings[to].storedEnergy += amount;
        transactions.push(EnergyTransaction(from, to, amount, block.timestamp));
        emit EnergyTransferred(from, to, amount);
    }
}
