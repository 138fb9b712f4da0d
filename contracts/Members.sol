// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, AccountWord, Accounts} from "./Accounts.sol";
import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";
import {MarketClock} from "./MarketClock.sol";
import {MeterState, Packing} from "./Packing.sol";

/// @title Who takes part, and their money
abstract contract Members is MarketClock, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Accounts for Account;

    struct MeterProposal {
        address meter;
        uint32 capacityWh;
        bool made;
    }

    uint256 internal constant WH_PER_KWH = 1000;

    IERC20 public immutable token;

    mapping(uint256 member => Building) public buildings;
    mapping(uint256 member => address) private _proposedOwner;
    mapping(uint256 member => MeterProposal) private _proposedMeter;
    mapping(uint256 member => uint256) public debtOf;
    mapping(address owner => AccountWord) internal _accounts;
    mapping(address meter => MeterState) internal _meters;
    /// @notice Money of all members and the utility: the contract holds at least so much [base units].
    uint256 public totalEscrow;
    /// @notice Part of it that is held back for energy which was sold and lacking [base units].
    uint256 public totalCollateral;
    mapping(uint256 slot => mapping(uint256 member => uint256)) public collateralOf;
    /// @notice What the utility owes to members since it could not pay [base units].
    uint256 public totalClaims;
    mapping(uint256 member => uint256) public claimOf;
    /// @dev What the utility bought less what it sold [Wh].
    int256 internal _utilityNetWh;

    constructor(IERC20 token_, address utility) {
        if (address(token_) == address(0) || utility == address(0)) revert ZeroAddress();
        token = token_;
        buildings[UTILITY].owner = utility;
        emit OwnerChanged(UTILITY, address(0), utility);
    }

    modifier onlyOwnerOf(uint256 member) {
        if (buildings[member].owner != msg.sender) revert NotOwner(member, msg.sender);
        _;
    }

    // ---- registration -----------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function register(uint256 member, address owner, address meter, uint32 capacityWh)
        external
        onlyRole(REGISTRAR_ROLE)
    {
        if (owner == address(0)) revert ZeroAddress();
        if (member > type(uint32).max) revert TooLarge(member, type(uint32).max);
        if (buildings[member].owner != address(0)) revert AlreadyRegistered(member, buildings[member].owner);
        _checkWalletFree(owner);
        buildings[member] = Building(owner, meter, true, capacityWh);
        _accounts[owner].word = Accounts.opened(uint32(member));
        _installMeter(uint32(member), address(0), meter, capacityWh);
        emit MemberRegistered(member, owner, meter, capacityWh);
    }

    /// @inheritdoc ISmartMicrogrid
    function setActive(uint256 member, bool active) external onlyRole(REGISTRAR_ROLE) {
        Building storage building = _registered(member);
        building.active = active;
        _accounts[building.owner].word = _accounts[building.owner].word.flagged(Accounts.INACTIVE, !active);
        if (building.meter != address(0)) {
            _meters[building.meter] = _meters[building.meter].withCapacity(active ? building.capacityWh : 0);
        }
        emit MemberActive(member, active);
    }

    /// @inheritdoc ISmartMicrogrid
    function proposeOwner(uint256 member, address owner) external onlyOwnerOf(member) {
        _proposedOwner[member] = owner;
        emit OwnerProposed(member, owner);
    }

    /// @inheritdoc ISmartMicrogrid
    function acceptOwner(uint256 member) external {
        if (_proposedOwner[member] != msg.sender) revert NothingProposed(member);
        address previous = buildings[member].owner;
        delete _proposedOwner[member];
        buildings[member].owner = msg.sender;
        if (member != UTILITY) {
            _checkWalletFree(msg.sender);
            _accounts[msg.sender].word = _accounts[previous].word.cancelled(0, 0);
            _accounts[previous].word = Account.wrap(0);
        }
        emit OwnerChanged(member, previous, msg.sender);
    }

    /// @inheritdoc ISmartMicrogrid
    function proposeMeter(uint256 member, address meter, uint32 capacityWh) external onlyRole(REGISTRAR_ROLE) {
        _registered(member);
        _proposedMeter[member] = MeterProposal(meter, capacityWh, true);
        emit MeterProposed(member, meter, capacityWh);
    }

    /// @inheritdoc ISmartMicrogrid
    function acceptMeter(uint256 member) external onlyOwnerOf(member) {
        MeterProposal memory proposal = _proposedMeter[member];
        if (!proposal.made) revert NothingProposed(member);
        delete _proposedMeter[member];
        Building storage building = buildings[member];
        address previous = building.meter;
        (building.meter, building.capacityWh) = (proposal.meter, proposal.capacityWh);
        _installMeter(uint32(member), previous, proposal.meter, building.active ? proposal.capacityWh : 0);
        emit MeterChanged(member, previous, proposal.meter, proposal.capacityWh);
    }

    /// @dev Registers, sequence and last slot of the old meter go on in the new one, so that nothing counts twice.
    function _installMeter(uint32 member, address previous, address meter, uint32 capacityWh) private {
        if (meter == address(0)) {
            if (capacityWh != 0 || previous != address(0)) revert CapacityWithoutMeter(member);
            return;
        }
        MeterState state = _meters[previous];
        if (meter != previous) {
            if (_meters[meter].member() != 0) revert AddressTaken(meter, _meters[meter].member());
            _meters[previous] = MeterState.wrap(0);
        }
        if (state.member() == 0) state = Packing.toMeter(member, currentSlot == 0 ? 0 : currentSlot - 1);
        _meters[meter] = state.withCapacity(capacityWh);
    }

    function _checkWalletFree(address owner) private view {
        if (_accounts[owner].word.member() != 0) revert AddressTaken(owner, _accounts[owner].word.member());
    }

    function _registered(uint256 member) internal view returns (Building storage building) {
        building = buildings[member];
        if (member == UTILITY || building.owner == address(0)) revert UnknownMember(member);
    }

    // ---- money ------------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function deposit(uint256 member, uint256 amount) external nonReentrant whenNotPaused {
        _deposit(member, amount);
    }

    /// @inheritdoc ISmartMicrogrid
    function depositWithPermit(uint256 member, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
    {
        // Somebody may have relayed the permit already; then the allowance is there and the deposit goes on.
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(member, amount);
    }

    function _deposit(uint256 member, uint256 amount) private {
        // All money fits in 96 bits, so no member's can overflow, and no credit can fail for that.
        if (amount > type(uint96).max - totalEscrow) revert TooLarge(amount, type(uint96).max - totalEscrow);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert ReceivedLess(amount, received);
        totalEscrow += amount;
        if (member == UTILITY) _utilityEscrow += uint96(amount);
        else _credit(_registered(member).owner, amount);
        emit Deposited(member, msg.sender, amount);
    }

    /// @inheritdoc ISmartMicrogrid
    function withdraw(uint256 member, uint256 amount) external nonReentrant onlyOwnerOf(member) {
        uint256 free = freeFunds(member);
        if (free < amount) revert InsufficientEscrow(member, free, amount);
        if (member == UTILITY) _utilityEscrow -= uint96(amount);
        else _accounts[msg.sender].word = _accounts[msg.sender].word.debited(amount);
        totalEscrow -= amount;
        emit Withdrawn(member, msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @dev Money that comes to a member repays its debt first.
    function _credit(address owner, uint256 amount) internal {
        _accounts[owner].word = _credited(_accounts[owner].word, amount);
    }

    function _credited(Account account, uint256 amount) internal returns (Account) {
        if (account.has(Accounts.IN_DEBT)) (account, amount) = _repay(account, amount);
        return account.credited(amount);
    }

    function _repay(Account account, uint256 amount) private returns (Account, uint256 left) {
        uint256 member = account.member();
        uint256 debt = debtOf[member];
        uint256 repaid = Math.min(debt, amount);
        debtOf[member] = debt - repaid;
        _utilityEscrow += uint96(repaid);
        emit DebtRepaid(member, repaid);
        return (account.flagged(Accounts.IN_DEBT, debt > repaid), amount - repaid);
    }

    function _holdCollateral(uint256 slot, Account account, uint256 amount) internal returns (Account) {
        collateralOf[slot][account.member()] += amount;
        totalCollateral += amount;
        emit CollateralHeld(uint64(slot), account.member(), amount);
        return account.debited(amount);
    }

    function _releaseCollateral(uint256 slot, uint256 member) internal {
        address owner = buildings[member].owner;
        if (!_accounts[owner].word.has(Accounts.HELD)) return;
        uint256 amount = collateralOf[slot][member];
        if (amount == 0) return;
        delete collateralOf[slot][member];
        totalCollateral -= amount;
        _credit(owner, amount);
        emit CollateralReleased(uint64(slot), member, amount);
    }

    /// @inheritdoc ISmartMicrogrid
    function payClaim(uint256 member) external {
        uint256 amount = Math.min(claimOf[member], _utilityEscrow);
        claimOf[member] -= amount;
        totalClaims -= amount;
        _utilityEscrow -= uint96(amount);
        _credit(buildings[member].owner, amount);
        emit ClaimPaid(member, amount);
    }

    function _inDebt(Account account, uint256 amount) internal returns (Account) {
        debtOf[account.member()] += amount;
        emit DebtRecorded(account.member(), amount);
        return account.flagged(Accounts.IN_DEBT, true);
    }

    // ---- views ------------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function memberOf(address owner) external view returns (uint256) {
        return _accounts[owner].word.member();
    }

    /// @inheritdoc ISmartMicrogrid
    function escrowOf(uint256 member) public view returns (uint256) {
        return member == UTILITY ? _utilityEscrow : _accounts[buildings[member].owner].word.escrow();
    }

    /// @inheritdoc ISmartMicrogrid
    function freeFunds(uint256 member) public view returns (uint256) {
        int256 balance = energyBalance(member);
        uint256 reserve = balance < 0 ? costRoundedUp(uint256(-balance), priceCap) : 0;
        if (member == UTILITY) reserve = totalClaims;
        return Math.saturatingSub(escrowOf(member), reserve);
    }

    /// @inheritdoc ISmartMicrogrid
    function meterOf(uint256 member) external view returns (Meter memory) {
        MeterState state = _meters[buildings[member].meter];
        return Meter({
            member: state.member(),
            lastSlot: state.lastSlot(),
            sequence: state.sequence(),
            capacityWh: state.capacityWh(),
            importRegisterWh: state.importRegisterWh(),
            exportRegisterWh: state.exportRegisterWh()
        });
    }

    /// @inheritdoc ISmartMicrogrid
    function energyBalance(uint256 member) public view returns (int256) {
        if (member == UTILITY) return _utilityNetWh;
        Building storage building = buildings[member];
        MeterState state = _meters[building.meter];
        int256 netWh = int256(uint256(state.exportRegisterWh())) - int256(uint256(state.importRegisterWh()));
        return netWh + _accounts[building.owner].word.tradedWh();
    }

    /// @inheritdoc ISmartMicrogrid
    function storedEnergy(uint256 member) public view returns (uint256) {
        int256 balance = energyBalance(member);
        return balance > 0 ? uint256(balance) : 0;
    }

    /// @notice What energy costs: rounded up to a whole base unit.
    function costRoundedUp(uint256 energyWh, uint256 pricePerKwh) internal pure returns (uint256) {
        return Math.ceilDiv(energyWh * pricePerKwh, WH_PER_KWH);
    }

    /// @notice What energy earns: rounded down to a whole base unit.
    function proceedsRoundedDown(uint256 energyWh, uint256 pricePerKwh) internal pure returns (uint256) {
        return energyWh * pricePerKwh / WH_PER_KWH;
    }
}
