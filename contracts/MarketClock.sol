// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";
import {MarketRoles} from "./MarketRoles.sol";
import {Packing, SlotRecord, Tariff} from "./Packing.sol";
import {RING_BITS, RING_SLOTS} from "./PositionRing.sol";

/// @title The market's clock and the utility's tariffs
abstract contract MarketClock is ISmartMicrogrid {
    bytes32 private constant ADMIN_ROLE = 0x00;
    bytes32 internal constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
    bytes32 private constant CLOCK_ROLE = keccak256("CLOCK_ROLE");
    bytes32 private constant TARIFF_ROLE = keccak256("TARIFF_ROLE");
    bytes32 internal constant MODEL_ROLE = keccak256("MODEL_ROLE");
    bytes32 private constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    uint256 internal constant UTILITY = 0;
    uint32 private constant USED = 1 << 23;
    uint256 private constant MAX_WINDOW = 96;
    /// @notice A clock that stood still so long may be moved by anyone [s].
    uint256 private constant CLOCK_STALL = 7 days;
    /// @notice A tariff is posted at least so many slots ahead: orders for the next slot are being signed already.
    uint32 private constant TARIFF_NOTICE = 2;

    /// @notice Who may do what.
    MarketRoles public immutable roles;
    /// @notice Slots after delivery in which energy can be metered, settled and bought.
    uint32 public immutable settlementWindow;
    /// @notice Wall time of one slot, rounded down; 0 for simulated time that runs faster than one slot a second [s].
    uint32 public immutable slotSeconds;
    /// @notice The utility can never charge more [base units/kWh].
    uint256 public immutable priceCap;
    uint32 private immutable _firstSlot;
    uint256 private immutable _openedAt;

    // One storage word: what every settlement reads.
    /// @notice Whether new deposits, settlements and purchases are stopped.
    bool public paused;
    /// @notice The slot that is running.
    uint32 public currentSlot;
    uint32 private _clockMovedAt;
    /// @notice Who may settle in the first half of the window.
    address public settler;

    /// @dev The utility's money in the contract [base units].
    uint96 internal _utilityEscrow;

    /// @dev By slot % 128: whether the slot was settled, its trades, and what the utility has not collected.
    SlotRecord[RING_SLOTS] private _records;
    /// @dev The tariff of slots for which none was posted.
    Tariff private immutable _defaultTariff;
    mapping(uint256 slot => Tariff) private _tariffs;

    constructor(
        address admin,
        uint48 adminDelay,
        uint32 window,
        uint32 firstSlot,
        uint32 slotSeconds_,
        uint256 cap,
        Tariff tariff
    ) {
        if (window == 0 || firstSlot == 0) revert TooSmall();
        if (window > MAX_WINDOW) revert TooLarge(window, MAX_WINDOW);
        if (cap > type(uint96).max) revert TooLarge(cap, type(uint96).max);
        settlementWindow = window;
        slotSeconds = slotSeconds_;
        priceCap = cap;
        _firstSlot = firstSlot;
        _openedAt = block.timestamp;
        _checkTariff(tariff);
        _defaultTariff = tariff;
        currentSlot = firstSlot;
        _clockMovedAt = uint32(block.timestamp);
        roles = new MarketRoles(admin, adminDelay);
        settler = admin;
    }

    modifier onlyRole(bytes32 role) {
        _checkRole(role);
        _;
    }

    function _checkRole(bytes32 role) private view {
        if (!_hasRole(role)) revert IAccessControl.AccessControlUnauthorizedAccount(msg.sender, role);
    }

    function _hasRole(bytes32 role) private view returns (bool) {
        return roles.hasRole(role, msg.sender);
    }

    modifier whenNotPaused() {
        if (paused) revert MarketPaused();
        _;
    }

    /// @inheritdoc ISmartMicrogrid
    function setPaused(bool paused_) external onlyRole(PAUSER_ROLE) {
        paused = paused_;
        emit PauseChanged(paused_);
    }

    /// @inheritdoc ISmartMicrogrid
    function setSettler(address settler_) external onlyRole(ADMIN_ROLE) {
        settler = settler_;
        emit SettlerChanged(settler_);
    }

    // ---- clock ------------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function advanceTo(uint32 slot) external {
        if (!_hasRole(CLOCK_ROLE)) _checkStalled();
        uint32 current = currentSlot;
        if (slot <= current) revert SlotNotInFuture(current, slot);
        uint256 latest = _latestSlot();
        if (slot > latest) revert ClockTooFast(slot, uint64(latest));
        currentSlot = slot;
        _clockMovedAt = uint32(block.timestamp);
        emit SlotAdvanced(slot);
    }

    function _checkStalled() private view {
        uint256 since = _clockMovedAt;
        if (slotSeconds == 0 || block.timestamp <= since + CLOCK_STALL) revert ClockNotStalled(since, block.timestamp);
    }

    /// @dev The first slot was running already when the market opened, so one more than have passed may have begun.
    function _latestSlot() private view returns (uint256) {
        if (slotSeconds == 0) return type(uint32).max;
        return _firstSlot + 1 + (block.timestamp - _openedAt) / slotSeconds;
    }

    function _windowOver(uint32 slot) internal view returns (bool) {
        return uint256(currentSlot) > uint256(slot) + settlementWindow;
    }

    /// @dev Reverts unless the slot is over, its window open, it was not settled before, and it is the caller's turn;
    /// and while the market is paused.
    function _openRecord(uint32 slot) internal view returns (SlotRecord record) {
        // One read of their word.
        (bool stopped, uint256 current, address first) = (paused, currentSlot, settler);
        if (stopped) revert MarketPaused();
        if (slot >= current) revert SlotNotOver(slot, uint64(current));
        if (current > uint256(slot) + settlementWindow) revert SlotWindowOver(slot, uint64(current));
        if (msg.sender != first) {
            uint256 openFrom = uint256(slot) + settlementWindow / 2 + 1;
            if (current < openFrom) revert SettlerFirst(slot, uint64(openFrom));
        }
        record = _records[slot & (RING_SLOTS - 1)];
        if (record.lap() == _lap(slot)) revert SlotAlreadySettled(slot);
    }

    /// @dev Note that a slot is settled, its trades, and what it leaves to the utility.
    function _closeRecord(uint32 slot, uint256 owed, uint160 trades) internal {
        _writeRecord(slot, _lap(slot), owed, trades);
    }

    /// @dev The hash over the trades of a slot's place grows by what happens outside of the auction.
    function _recordOf(uint32 slot) internal view returns (SlotRecord) {
        return _records[slot & (RING_SLOTS - 1)];
    }

    function _updateRecord(uint32 slot, uint256 owed, uint160 trades) internal {
        _writeRecord(slot, _recordOf(slot).lap(), owed, trades);
    }

    function _writeRecord(uint32 slot, uint24 lap, uint256 owed, uint160 trades) private {
        if (owed > type(uint72).max) {
            _utilityEscrow += uint96(owed);
            owed = 0;
        }
        _records[slot & (RING_SLOTS - 1)] = Packing.toRecord(lap, uint72(owed), trades);
    }

    /// @dev Tells the slots of one place apart for 2^23 laps; never 0, which is an unused place.
    function _lap(uint32 slot) private pure returns (uint24) {
        return uint24(USED | (slot >> RING_BITS));
    }

    /// @inheritdoc ISmartMicrogrid
    function slotState(uint32 slot) external view returns (SlotState) {
        if (slot >= currentSlot) return SlotState.Open;
        if (_windowOver(slot)) return SlotState.Closed;
        return _recordOf(slot).lap() == _lap(slot) ? SlotState.Settled : SlotState.Open;
    }

    /// @inheritdoc ISmartMicrogrid
    function tradesHash(uint256 place) external view returns (uint160) {
        return _records[place].trades();
    }

    /// @inheritdoc ISmartMicrogrid
    function uncollected() external view returns (uint256 amount) {
        for (uint256 place = 0; place < RING_SLOTS; ++place) {
            amount += _records[place].owed();
        }
    }

    // ---- tariffs ----------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function postTariffs(uint32 fromSlot, Tariff[] calldata tariffs) external onlyRole(TARIFF_ROLE) {
        uint256 slot = fromSlot;
        if (slot < uint256(currentSlot) + TARIFF_NOTICE) revert TariffTooLate(slot);
        for (uint256 i = 0; i < tariffs.length; ++i) {
            _checkTariff(tariffs[i]);
            if (Tariff.unwrap(_tariffs[slot]) != 0) revert TariffTooLate(slot);
            _tariffs[slot] = tariffs[i];
            emit TariffPosted(slot, tariffs[i].retailPrice(), tariffs[i].feedInPrice());
            ++slot;
        }
    }

    function _checkTariff(Tariff tariff) private view {
        uint256 retail = tariff.retailPrice();
        if (retail == 0) revert TooSmall();
        if (retail > priceCap || tariff.feedInPrice() > retail) revert TariffTooHigh(retail, tariff.feedInPrice());
    }

    /// @inheritdoc ISmartMicrogrid
    function tariffAt(uint32 slot) external view returns (uint256 retailPrice, uint256 feedInPrice) {
        Tariff tariff = _tariffAt(slot);
        return (tariff.retailPrice(), tariff.feedInPrice());
    }

    function _tariffAt(uint256 slot) internal view returns (Tariff tariff) {
        tariff = _tariffs[slot];
        if (Tariff.unwrap(tariff) == 0) tariff = _defaultTariff;
    }
}
