// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";

/// @title SmartMicrogrid
/// @notice See ISmartMicrogrid. No role can move anyone's energy or money: only the owner's signature sells energy or
/// spends money, and only the meter's signature credits energy.
contract SmartMicrogrid is ISmartMicrogrid, AccessControl, EIP712, ReentrancyGuard {
    using SafeERC20 for IERC20;

    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
    bytes32 public constant CLOCK_ROLE = keccak256("CLOCK_ROLE");
    bytes32 public constant SETTLER_ROLE = keccak256("SETTLER_ROLE");
    bytes32 public constant MODEL_ROLE = keccak256("MODEL_ROLE");
    uint256 public constant UTILITY = 0;
    uint256 private constant WH_PER_KWH = 1000;
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(uint256 member,uint64 slot,uint8 side,uint64 energyWh,uint128 limitPrice,uint64 expirySlot,uint256 salt)"
    );
    bytes32 private constant READING_TYPEHASH = keccak256(
        "MeterReading(uint256 member,uint64 slot,uint64 importedWh,uint64 exportedWh,uint64 sequence)"
    );

    IERC20 public immutable token;
    uint128 public immutable retailPrice;
    uint128 public immutable feedInPrice;
    uint64 public immutable settlementWindow;

    uint64 public currentSlot;
    mapping(uint256 member => Building) public buildings;
    mapping(address owner => uint256 member) public memberOf;
    mapping(uint256 member => uint256) public escrowOf;
    mapping(uint256 member => uint256) public debtOf;
    mapping(uint256 member => int256) public energyBalance;
    mapping(uint64 slot => mapping(uint256 member => int256)) public positions;
    mapping(uint256 member => uint64) public lastSequence;
    mapping(uint64 slot => SlotState) public slotStates;
    mapping(bytes32 order => uint256) public filledWh;
    int256 public totalMeteredNet;
    int256 public utilityNetWh;
    int256 public sumOfBalances;
    uint256 public sumOfEscrows;
    EnergyTransaction[] public transactions;
    bytes32[] public models;
    mapping(bytes32 model => uint256 release) public releaseOf;

    constructor(address admin, IERC20 token_, uint128 retail, uint128 feedIn, uint64 window, uint64 firstSlot)
        EIP712("SmartMicrogrid", "1")
    {
        if (admin == address(0) || address(token_) == address(0)) revert ZeroAddress();
        if (feedIn >= retail) revert TooLarge(feedIn, retail);
        token = token_;
        retailPrice = retail;
        feedInPrice = feedIn;
        settlementWindow = window;
        currentSlot = firstSlot;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(REGISTRAR_ROLE, admin);
        _grantRole(CLOCK_ROLE, admin);
        _grantRole(SETTLER_ROLE, admin);
        _grantRole(MODEL_ROLE, admin);
    }

    // ---- members and money ------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function register(uint256 member, address owner, address meter) external onlyRole(REGISTRAR_ROLE) {
        if (owner == address(0)) revert ZeroAddress();
        if (member > type(uint32).max) revert TooLarge(member, type(uint32).max);
        Building storage building = buildings[member];
        if (member == UTILITY || building.active) revert AlreadyRegistered(member, building.owner);
        if (memberOf[owner] != 0) revert WalletTaken(owner, memberOf[owner]);
        buildings[member] = Building(owner, meter, true);
        memberOf[owner] = member;
        emit MemberRegistered(member, owner, meter);
    }

    /// @inheritdoc ISmartMicrogrid
    function deposit(uint256 member, uint256 amount) external nonReentrant {
        if (member != UTILITY && !buildings[member].active) revert UnknownMember(member);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert ReceivedLess(amount, received);
        sumOfEscrows += amount;
        uint256 repaid = Math.min(debtOf[member], amount);
        debtOf[member] -= repaid;
        escrowOf[UTILITY] += repaid;
        escrowOf[member] += amount - repaid;
        emit Deposited(member, msg.sender, amount);
    }

    /// @inheritdoc ISmartMicrogrid
    function withdraw(uint256 member, uint256 amount) external nonReentrant {
        if (buildings[member].owner != msg.sender) revert NotOwner(member, msg.sender);
        if (escrowOf[member] < amount) revert InsufficientEscrow(member, escrowOf[member], amount);
        escrowOf[member] -= amount;
        sumOfEscrows -= amount;
        emit Withdrawn(member, msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // ---- time and metering ------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function advanceTo(uint64 slot) external onlyRole(CLOCK_ROLE) {
        if (slot <= currentSlot) revert SlotNotInFuture(currentSlot, slot);
        currentSlot = slot;
        emit SlotAdvanced(slot);
    }

    /// @inheritdoc ISmartMicrogrid
    function submitReadings(SignedReading[] calldata readings) external {
        for (uint256 i = 0; i < readings.length; ++i) {
            MeterReading calldata reading = readings[i].reading;
            string memory reason = _readingFault(reading, readings[i].signature);
            if (bytes(reason).length != 0) {
                emit ReadingRejected(reading.member, reading.slot, reason);
            } else {
                _credit(reading);
            }
        }
    }

    function _readingFault(MeterReading calldata reading, bytes calldata signature)
        private
        view
        returns (string memory)
    {
        if (!buildings[reading.member].active) return "unknown member";
        if (reading.slot >= currentSlot) return "slot not over";
        if (_windowOver(reading.slot)) return "settlement window over";
        if (reading.sequence <= lastSequence[reading.member]) return "sequence not new";
        address meter = buildings[reading.member].meter;
        if (meter == address(0)) return "no meter";
        if (!SignatureChecker.isValidSignatureNow(meter, hashReading(reading), signature)) return "not signed by the meter";
        return "";
    }

    function _credit(MeterReading calldata reading) private {
        int256 netWh = int256(uint256(reading.exportedWh)) - int256(uint256(reading.importedWh));
        lastSequence[reading.member] = reading.sequence;
        totalMeteredNet += netWh;
        _move(reading.slot, reading.member, netWh);
        emit EnergyMetered(reading.member, reading.slot, reading.importedWh, reading.exportedWh);
    }

    // ---- the auction ------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function settle(Clearing calldata clearing) external nonReentrant {
        (uint64 slot, uint128 price) = (clearing.slot, clearing.pricePerKwh);
        if (slot >= currentSlot) revert SlotNotOver(slot, currentSlot);
        if (_windowOver(slot)) revert SlotWindowOver(slot, currentSlot);
        uint64 openFrom = slot + settlementWindow / 2 + 1;
        if (currentSlot < openFrom && !hasRole(SETTLER_ROLE, msg.sender)) revert SettlerFirst(slot, openFrom);
        if (slotStates[slot] != SlotState.Open) revert SlotAlreadySettled(slot);
        slotStates[slot] = SlotState.Settled;
        bytes32[] memory sellHashes = _checkOrders(clearing.sells, slot, Side.Sell, price);
        bytes32[] memory buyHashes = _checkOrders(clearing.buys, slot, Side.Buy, price);
        for (uint256 i = 0; i < clearing.fills.length; ++i) {
            _fill(clearing, clearing.fills[i], sellHashes, buyHashes);
        }
        emit SlotSettled(slot, price);
    }

    /// @dev The hash of each order, or zero where the order must not be filled.
    function _checkOrders(SignedOrder[] calldata orders, uint64 slot, Side side, uint128 price)
        private
        view
        returns (bytes32[] memory hashes)
    {
        hashes = new bytes32[](orders.length);
        for (uint256 i = 0; i < orders.length; ++i) {
            Order calldata order = orders[i].order;
            bool fair = side == Side.Sell ? order.limitPrice <= price : order.limitPrice >= price;
            if (fair && order.slot == slot && order.expirySlot == slot && order.side == side) {
                hashes[i] = _signedHash(order, orders[i].signature);
            }
        }
    }

    function _signedHash(Order calldata order, bytes calldata signature) private view returns (bytes32 hash) {
        if (!buildings[order.member].active) return bytes32(0);
        hash = hashOrder(order);
        if (!SignatureChecker.isValidSignatureNow(buildings[order.member].owner, hash, signature)) return bytes32(0);
    }

    function _fill(
        Clearing calldata clearing,
        Fill calldata fill,
        bytes32[] memory sellHashes,
        bytes32[] memory buyHashes
    ) private {
        if (fill.sell >= sellHashes.length || fill.buy >= buyHashes.length) {
            emit FillRejected(0, 0, "no such order");
            return;
        }
        Order calldata sell = clearing.sells[fill.sell].order;
        Order calldata buy = clearing.buys[fill.buy].order;
        (bytes32 sellHash, bytes32 buyHash) = (sellHashes[fill.sell], buyHashes[fill.buy]);
        string memory reason = _fillFault(sell, buy, sellHash, buyHash, fill.energyWh, clearing.pricePerKwh);
        if (bytes(reason).length != 0) {
            emit FillRejected(hashOrder(sell), hashOrder(buy), reason);
            return;
        }
        filledWh[sellHash] += fill.energyWh;
        filledWh[buyHash] += fill.energyWh;
        _swap(clearing.slot, sell.member, buy.member, fill.energyWh, clearing.pricePerKwh, TradeKind.Auction);
    }

    function _fillFault(
        Order calldata sell,
        Order calldata buy,
        bytes32 sellHash,
        bytes32 buyHash,
        uint64 energyWh,
        uint128 price
    ) private view returns (string memory) {
        if (sellHash == 0) return "sell order invalid";
        if (buyHash == 0) return "buy order invalid";
        if (energyWh == 0) return "no energy";
        if (sell.member == buy.member) return "self trade";
        if (filledWh[sellHash] + energyWh > sell.energyWh) return "sell order over-filled";
        if (filledWh[buyHash] + energyWh > buy.energyWh) return "buy order over-filled";
        if (escrowOf[buy.member] < costRoundedUp(energyWh, price)) return "buyer lacks escrow";
        return "";
    }

    // ---- the settlement window --------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function transferEnergy(Order calldata offer, bytes calldata signature, uint256 buyer, uint64 energyWh)
        external
        nonReentrant
    {
        if (!buildings[buyer].active) revert UnknownMember(buyer);
        if (buildings[buyer].owner != msg.sender) revert NotOwner(buyer, msg.sender);
        if (!buildings[offer.member].active) revert UnknownMember(offer.member);
        bytes32 hash = _validOffer(offer, signature, buyer, energyWh);
        uint256 availableWh = _available(offer.slot, offer.member);
        if (availableWh < energyWh) revert InsufficientEnergy(offer.member, availableWh, energyWh);
        uint256 cost = costRoundedUp(energyWh, offer.limitPrice);
        if (escrowOf[buyer] < cost) revert InsufficientEscrow(buyer, escrowOf[buyer], cost);
        filledWh[hash] += energyWh;
        _swap(offer.slot, offer.member, buyer, energyWh, offer.limitPrice, TradeKind.Offer);
    }

    function _validOffer(Order calldata offer, bytes calldata signature, uint256 buyer, uint64 energyWh)
        private
        view
        returns (bytes32 hash)
    {
        hash = _signedHash(offer, signature);
        if (hash == 0) revert OfferInvalid(hashOrder(offer), "not signed by the seller");
        if (offer.side != Side.Sell) revert OfferInvalid(hash, "not a sell order");
        if (offer.slot >= currentSlot) revert SlotNotOver(offer.slot, currentSlot);
        if (offer.expirySlot < currentSlot || _windowOver(offer.slot)) revert OfferInvalid(hash, "expired");
        if (offer.member == buyer) revert OfferInvalid(hash, "self trade");
        if (energyWh == 0) revert OfferInvalid(hash, "no energy");
        if (filledWh[hash] + energyWh > offer.energyWh) revert OfferInvalid(hash, "more than is offered");
    }

    /// @dev A seller has what it delivered in the slot and has not sold, and never more than its whole balance.
    function _available(uint64 slot, uint256 member) private view returns (uint256) {
        int256 position = positions[slot][member];
        return position > 0 ? Math.min(uint256(position), storedEnergy(member)) : 0;
    }

    /// @inheritdoc ISmartMicrogrid
    function closeSlot(uint64 slot, uint256[] calldata members) external nonReentrant {
        if (!_windowOver(slot)) revert WindowStillOpen(slot, slot + settlementWindow, currentSlot);
        for (uint256 i = 0; i < members.length; ++i) {
            int256 position = positions[slot][members[i]];
            if (position > 0) _sellToUtility(slot, members[i], _atMostUint64(position));
            if (position < 0) _buyFromUtility(slot, members[i], _atMostUint64(-position));
        }
    }

    /// @dev Whatever is above 2^64 Wh is left for the next call.
    function _atMostUint64(int256 energyWh) private pure returns (uint64) {
        return uint64(Math.min(uint256(energyWh), type(uint64).max));
    }

    function _sellToUtility(uint64 slot, uint256 member, uint64 energyWh) private {
        uint256 owed = proceedsRoundedDown(energyWh, feedInPrice);
        if (escrowOf[UTILITY] < owed) {
            emit UtilityShort(slot, member, owed);
            return;
        }
        _move(slot, member, -int256(uint256(energyWh)));
        utilityNetWh += int256(uint256(energyWh));
        escrowOf[UTILITY] -= owed;
        escrowOf[member] += owed;
        _record(slot, member, UTILITY, energyWh, feedInPrice, owed, owed, TradeKind.Utility);
        emit SlotClosed(slot, member, int256(uint256(energyWh)));
    }

    function _buyFromUtility(uint64 slot, uint256 member, uint64 energyWh) private {
        uint256 cost = costRoundedUp(energyWh, retailPrice);
        uint256 paid = Math.min(cost, escrowOf[member]);
        _move(slot, member, int256(uint256(energyWh)));
        utilityNetWh -= int256(uint256(energyWh));
        escrowOf[member] -= paid;
        escrowOf[UTILITY] += paid;
        if (paid < cost) {
            debtOf[member] += cost - paid;
            emit DebtRecorded(member, cost - paid);
        }
        _record(slot, UTILITY, member, energyWh, retailPrice, cost, paid, TradeKind.Utility);
        emit SlotClosed(slot, member, -int256(uint256(energyWh)));
    }

    /// @inheritdoc ISmartMicrogrid
    function cancelOrder(Order calldata order) external {
        if (buildings[order.member].owner != msg.sender) revert NotOwner(order.member, msg.sender);
        bytes32 hash = hashOrder(order);
        filledWh[hash] = type(uint128).max;
        emit OrderCancelled(hash);
    }

    // ---- the shared forecaster --------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function anchorModel(bytes32 model) external onlyRole(MODEL_ROLE) returns (uint256 release) {
        if (releaseOf[model] != 0) revert AlreadyAnchored(model, releaseOf[model]);
        models.push(model);
        release = models.length;
        releaseOf[model] = release;
        emit ModelAnchored(release, model);
    }

    // ---- views ------------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function hashOrder(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc ISmartMicrogrid
    function hashReading(MeterReading calldata reading) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(READING_TYPEHASH, reading)));
    }

    /// @inheritdoc ISmartMicrogrid
    function storedEnergy(uint256 member) public view returns (uint256) {
        int256 balance = energyBalance[member];
        return balance > 0 ? uint256(balance) : 0;
    }

    /// @inheritdoc ISmartMicrogrid
    function transactionCount() external view returns (uint256) {
        return transactions.length;
    }

    /// @inheritdoc ISmartMicrogrid
    function modelCount() external view returns (uint256) {
        return models.length;
    }

    /// @notice What the buyer pays: rounded up to a whole base unit.
    function costRoundedUp(uint256 energyWh, uint256 pricePerKwh) public pure returns (uint256) {
        return Math.ceilDiv(energyWh * pricePerKwh, WH_PER_KWH);
    }

    /// @notice What the seller receives: rounded down to a whole base unit. The dust is the utility's.
    function proceedsRoundedDown(uint256 energyWh, uint256 pricePerKwh) public pure returns (uint256) {
        return energyWh * pricePerKwh / WH_PER_KWH;
    }

    // ---- the two places where balances move -------------------------------------------------------------------

    function _swap(uint64 slot, uint256 seller, uint256 buyer, uint64 energyWh, uint128 price, TradeKind kind) private {
        uint256 cost = costRoundedUp(energyWh, price);
        uint256 proceeds = proceedsRoundedDown(energyWh, price);
        escrowOf[buyer] -= cost;
        escrowOf[seller] += proceeds;
        escrowOf[UTILITY] += cost - proceeds;
        _move(slot, seller, -int256(uint256(energyWh)));
        _move(slot, buyer, int256(uint256(energyWh)));
        _record(slot, seller, buyer, energyWh, price, cost, proceeds, kind);
    }

    function _move(uint64 slot, uint256 member, int256 energyWh) private {
        positions[slot][member] += energyWh;
        energyBalance[member] += energyWh;
        sumOfBalances += energyWh;
    }

    function _record(
        uint64 slot,
        uint256 seller,
        uint256 buyer,
        uint64 energyWh,
        uint128 price,
        uint256 cost,
        uint256 proceeds,
        TradeKind kind
    ) private {
        transactions.push(EnergyTransaction(uint32(slot), uint32(seller), uint32(buyer), energyWh, uint96(cost)));
        emit EnergyTransferred(slot, seller, buyer, energyWh, price, cost, proceeds, kind);
    }

    function _windowOver(uint64 slot) private view returns (bool) {
        return currentSlot > slot + settlementWindow;
    }
}
