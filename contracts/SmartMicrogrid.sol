// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Account, AccountWord, Accounts} from "./Accounts.sol";
import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";
import {MarketClock} from "./MarketClock.sol";
import {Members} from "./Members.sol";
import {Metering} from "./Metering.sol";
import {Fill, OrderTerms, Party, Settlement, SlotRecord, Tariff} from "./Packing.sol";
import {PositionRing} from "./PositionRing.sol";

/// @title SmartMicrogrid
/// @notice See ISmartMicrogrid. No role can move anyone's energy or money: only the owner's signature sells energy or
/// spends money, and only the meter's signature counts energy.
/// @dev MarketClock: roles, time, tariffs. Members: registry and escrow. Metering: readings. Here: trade.
contract SmartMicrogrid is Metering {
    using PositionRing for PositionRing.Ring;
    using Accounts for Account;

    /// @notice What a market is opened with; none of it can be changed later.
    struct Rules {
        IERC20 token;
        address admin;
        uint48 adminDelay; // [s]
        address utility;
        uint96 priceCap; // [base units/kWh]
        uint96 gridFee; // [base units/kWh]
        uint32 settlementWindow; // [slots]
        uint32 firstSlot;
        uint32 slotSeconds; // [s]
        bool auditBatches;
        Tariff tariff;
    }

    /// @dev One exchange of energy and money, after the hash over those before it, and before what all of them leave to the
    /// utility.
    struct Trade {
        uint256 trades;
        uint256 slot;
        uint256 seller;
        uint256 buyer;
        uint256 energyWh;
        uint256 price;
        uint256 cost;
        TradeKind kind;
        uint256 owed;
        Fault fault;
    }

    /// @notice Paid by the buyer of local energy to the utility, on top of the price [base units/kWh].
    uint256 public immutable gridFee;
    /// @notice Whether settling and closing write to the audit array too; their trades are in `tradesHash` in any case.
    bool public immutable auditBatches;

    mapping(bytes32 order => uint256) public filledWh;
    EnergyTransaction[] public transactions;
    bytes32[] public models;
    mapping(bytes32 model => uint256 release) public releaseOf;

    constructor(Rules memory rules)
        MarketClock(
            rules.admin,
            rules.adminDelay,
            rules.settlementWindow,
            rules.firstSlot,
            rules.slotSeconds,
            rules.priceCap,
            rules.tariff
        )
        Members(rules.token, rules.utility)
    {
        if (rules.gridFee > rules.priceCap) revert TooLarge(rules.gridFee, rules.priceCap);
        gridFee = rules.gridFee;
        auditBatches = rules.auditBatches;
    }

    // ---- the auction ------------------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function settle(Settlement settlement, SignedTerms[] calldata orders, Fill[] calldata fills) external {
        bytes[] calldata none;
        assembly {
            none.offset := 0
            none.length := 0
        }
        _settle(settlement, orders, fills, none);
    }

    /// @inheritdoc ISmartMicrogrid
    function settleWithWallets(
        Settlement settlement,
        SignedTerms[] calldata orders,
        Fill[] calldata fills,
        bytes[] calldata walletSignatures
    ) external {
        _settle(settlement, orders, fills, walletSignatures);
    }

    function _settle(
        Settlement settlement,
        SignedTerms[] calldata orders,
        Fill[] calldata fills,
        bytes[] calldata walletSignatures
    ) private {
        SlotRecord record = _openRecord(settlement.slot());
        Trade memory trade = Trade(
            record.trades(),
            settlement.slot(),
            0,
            0,
            0,
            settlement.price(),
            0,
            TradeKind.Auction,
            record.owed(),
            Fault.None
        );
        Party[] memory parties = _parties(settlement, orders, walletSignatures);
        for (uint256 i = 0; i < fills.length; ++i) {
            if (!_fill(parties, settlement.sells(), trade, fills[i])) {
                emit FillRejected(settlement.slot(), fills[i].sellIndex(), fills[i].buyIndex(), trade.fault);
            }
        }
        if (fills.length == 0) emit SlotEmpty(settlement.slot());
        _closeRecord(settlement.slot(), trade.owed, uint160(trade.trades));
    }

    /// @dev Who stands behind each order; nobody behind one that must not be filled.
    function _parties(Settlement settlement, SignedTerms[] calldata orders, bytes[] calldata walletSignatures)
        private
        returns (Party[] memory parties)
    {
        parties = new Party[](orders.length);
        bytes32 domain = _domainSeparatorV4();
        uint256 sells = settlement.sells();
        uint256 last;
        for (uint256 i = 0; i < orders.length; ++i) {
            uint256 terms = OrderTerms.unwrap(orders[i].terms);
            if (terms > last || i == sells) {
                _put(parties, i, _party(domain, settlement, orders[i], i < sells, walletSignatures));
                last = terms;
            } else {
                emit OrderRejected(settlement.slot(), OrderTerms.wrap(terms).member(), 0, Fault.NotRising);
            }
        }
    }

    function _party(
        bytes32 domain,
        Settlement settlement,
        SignedTerms calldata order,
        bool sells,
        bytes[] calldata walletSignatures
    ) private returns (Party) {
        OrderTerms terms = order.terms;
        bytes32 digest = _hashTerms(domain, terms, settlement.slot(), sells);
        address owner =
            order.r == 0 ? _wallet(terms, digest, order.vs, walletSignatures) : _recover(digest, order.r, order.vs);
        Account account = _accounts[owner].word;
        bool fair;
        unchecked {
            // Two 96-bit numbers.
            fair = sells ? terms.limitPrice() <= settlement.price() : terms.limitPrice() >= settlement.price() + gridFee;
        }
        uint256 member = terms.member();
        if (fair && member != UTILITY && account.isPlainly(member)) return terms.toParty(owner);
        Fault fault = fair ? _orderFault(settlement.slot(), terms, digest, account) : Fault.LimitPassed;
        if (fault == Fault.None) return terms.toParty(owner);
        emit OrderRejected(settlement.slot(), member, digest, fault);
        return Party.wrap(0);
    }

    /// @dev The contract wallet of an order's member if it accepts the signature that `vs` counts; zero otherwise.
    function _wallet(OrderTerms terms, bytes32 digest, bytes32 vs, bytes[] calldata walletSignatures)
        private
        view
        returns (address)
    {
        if (uint256(vs) >= walletSignatures.length) return address(0);
        address wallet = buildings[terms.member()].owner;
        return _isAcceptedByWallet(wallet, digest, walletSignatures[uint256(vs)]) ? wallet : address(0);
    }

    function _orderFault(uint32 slot, OrderTerms terms, bytes32 digest, Account account) private view returns (Fault) {
        if (terms.member() == UTILITY || account.member() != terms.member()) return Fault.NotSigned;
        if (account.has(Accounts.INACTIVE)) return Fault.NotActive;
        if (account.isCancelled(slot)) return Fault.Cancelled;
        return account.has(Accounts.CANCELLED_ONE) && filledWh[digest] != 0 ? Fault.Cancelled : Fault.None;
    }

    /// @dev Fills in the trade and carries it out; false, with the reason in the trade, when nothing else has changed.
    function _fill(Party[] memory parties, uint256 sells, Trade memory trade, Fill fill) private returns (bool) {
        (uint256 sell, uint256 buy, uint256 wh) = (fill.sellIndex(), fill.buyIndex(), fill.energyWh());
        if (sell >= sells || buy < sells || buy >= parties.length) return _no(trade, Fault.NoSuchOrder);
        (Party seller, Party buyer) = (_at(parties, sell), _at(parties, buy));
        if (wh == 0 || wh > seller.leftWh() || wh > buyer.leftWh()) return _no(trade, Fault.OverFilled);
        (trade.seller, trade.buyer, trade.energyWh) = (seller.member(), buyer.member(), wh);
        if (trade.seller == trade.buyer) return _no(trade, Fault.SelfTrade);
        if (!_trySwap(trade, seller.account(), buyer.account())) return false;
        _put(parties, sell, seller.less(wh));
        _put(parties, buy, buyer.less(wh));
        _record(trade);
        return true;
    }

    function _no(Trade memory trade, Fault fault) private pure returns (bool) {
        trade.fault = fault;
        return false;
    }

    /// @dev The caller has checked that `i` is below the length, here and below.
    function _at(Party[] memory parties, uint256 i) private pure returns (Party party) {
        assembly ("memory-safe") {
            party := mload(add(add(parties, 0x20), shl(5, i)))
        }
    }

    function _put(Party[] memory parties, uint256 i, Party party) private pure {
        assembly ("memory-safe") {
            mstore(add(add(parties, 0x20), shl(5, i)), party)
        }
    }

    /// @dev Energy to the buyer and money to the seller, or neither, with the reason in the trade. The buyer's cost is rounded up, the
    /// seller's proceeds down; the difference, and the fee, are the utility's.
    function _trySwap(Trade memory trade, address seller, address buyer) private returns (bool) {
        (uint256 wh, uint256 price) = (trade.energyWh, trade.price);
        (AccountWord storage paying, AccountWord storage earning) = (_accounts[buyer], _accounts[seller]);
        unchecked {
            // 64-bit energy times 97-bit prices, money that fits into 96 bits.
            uint256 cost = (wh * (price + gridFee) + WH_PER_KWH - 1) / WH_PER_KWH;
            uint256 proceeds = wh * price / WH_PER_KWH;
            trade.cost = cost;
            if (paying.word.escrow() < cost) return _no(trade, Fault.EscrowShort);
            (bool done, uint256 lackedWh) = _positions.tryMove(trade.slot, trade.seller, trade.buyer, wh);
            if (!done) return _no(trade, Fault.PositionFull);
            if (lackedWh != 0 && !_tryHold(trade, earning, lackedWh)) return false;
            trade.owed += cost - proceeds;
            paying.word = paying.word.debited(cost).traded(int256(wh));
            earning.word = _credited(earning.word, proceeds).traded(-int256(wh));
        }
        return true;
    }

    /// @dev Holds back what the energy that a seller lacks may cost it. False, with the energy moved back, when it cannot
    /// pay that.
    function _tryHold(Trade memory trade, AccountWord storage seller, uint256 lackedWh) private returns (bool) {
        uint256 amount = costRoundedUp(lackedWh, priceCap);
        if (seller.word.escrow() < amount) {
            _positions.tryMove(trade.slot, trade.buyer, trade.seller, trade.energyWh);
            return _no(trade, Fault.CollateralShort);
        }
        seller.word = _holdCollateral(trade.slot, seller.word, amount).flagged(Accounts.HELD, true);
        return true;
    }

    // ---- the settlement window --------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function transferEnergy(Order calldata offer, bytes calldata signature, uint32 buyer, uint64 energyWh)
        external
        whenNotPaused
        onlyOwnerOf(buyer)
    {
        if (!_registered(buyer).active) revert UnknownMember(buyer);
        Building storage seller = _registered(offer.member);
        if (!seller.active) revert UnknownMember(offer.member);
        bytes32 digest = hashOrder(offer);
        Fault fault = _offerFault(offer, digest, buyer, energyWh);
        if (fault == Fault.None && !_isSignedBy(seller.owner, digest, signature)) fault = Fault.NotSigned;
        if (fault != Fault.None) revert OfferInvalid(digest, fault);
        uint256 availableWh = _available(offer.slot, offer.member);
        if (availableWh < energyWh) revert InsufficientEnergy(offer.member, availableWh, energyWh);
        SlotRecord record = _recordOf(offer.slot);
        Trade memory trade;
        (trade.trades, trade.owed) = (record.trades(), record.owed());
        (trade.slot, trade.kind) = (offer.slot, TradeKind.Offer);
        (trade.seller, trade.buyer, trade.energyWh, trade.price) = (offer.member, buyer, energyWh, offer.limitPrice);
        filledWh[digest] += energyWh;
        if (!_trySwap(trade, seller.owner, msg.sender)) {
            if (trade.fault == Fault.EscrowShort) revert InsufficientEscrow(buyer, escrowOf(buyer), trade.cost);
            revert OfferInvalid(digest, trade.fault);
        }
        _record(trade);
        _updateRecord(offer.slot, trade.owed, uint160(trade.trades));
    }

    function _offerFault(Order calldata offer, bytes32 digest, uint32 buyer, uint64 energyWh)
        private
        view
        returns (Fault)
    {
        if (offer.side != Side.Sell || offer.expirySlot <= offer.slot) return Fault.NotAnOffer;
        if (offer.slot >= currentSlot) return Fault.SlotNotOver;
        if (offer.expirySlot < currentSlot || _windowOver(offer.slot)) return Fault.Expired;
        if (offer.member == buyer) return Fault.SelfTrade;
        if (energyWh == 0) return Fault.NoEnergy;
        uint256 filled = filledWh[digest];
        if (filled == type(uint256).max) return Fault.Cancelled;
        return filled + energyWh > offer.energyWh ? Fault.OverFilled : Fault.None;
    }

    /// @dev A seller has what it delivered in the slot and has not sold, and never more than its whole balance.
    function _available(uint32 slot, uint32 member) private view returns (uint256) {
        int256 position = _positions.get(slot, member);
        return position > 0 ? Math.min(uint256(position), storedEnergy(member)) : 0;
    }

    /// @inheritdoc ISmartMicrogrid
    function closeSlot(uint32 slot, uint32[] calldata members) external {
        if (!_windowOver(slot)) revert WindowStillOpen(slot, uint64(slot) + settlementWindow, currentSlot);
        Tariff tariff = _tariffAt(slot);
        SlotRecord record = _recordOf(slot);
        _utilityEscrow += record.owed();
        Trade memory trade;
        (trade.trades, trade.slot, trade.kind) = (record.trades(), slot, TradeKind.Utility);
        for (uint256 i = 0; i < members.length; ++i) {
            _releaseCollateral(slot, members[i]);
            int256 position = _positions.get(slot, members[i]);
            if (position == 0) continue;
            if (position > 0) _sellToUtility(trade, members[i], uint256(position), tariff.feedInPrice());
            else _buyFromUtility(trade, members[i], uint256(-position), tariff.retailPrice());
            _record(trade);
        }
        _updateRecord(slot, 0, uint160(trade.trades));
    }

    function _sellToUtility(Trade memory trade, uint256 member, uint256 energyWh, uint256 price) private {
        (trade.seller, trade.buyer, trade.energyWh, trade.price) = (member, UTILITY, energyWh, price);
        trade.cost = proceedsRoundedDown(energyWh, price);
        address owner = buildings[member].owner;
        Account account = _accounts[owner].word;
        if (_utilityEscrow < trade.cost) {
            claimOf[member] += trade.cost;
            totalClaims += trade.cost;
            emit UtilityShort(uint64(trade.slot), member, trade.cost);
        } else {
            _utilityEscrow -= uint96(trade.cost);
            account = _credited(account, trade.cost);
        }
        _accounts[owner].word = _net(trade.slot, account, -int256(energyWh));
    }

    function _buyFromUtility(Trade memory trade, uint256 member, uint256 energyWh, uint256 price) private {
        (trade.seller, trade.buyer, trade.energyWh, trade.price) = (UTILITY, member, energyWh, price);
        trade.cost = costRoundedUp(energyWh, price);
        address owner = buildings[member].owner;
        Account account = _accounts[owner].word;
        uint256 paid = Math.min(trade.cost, account.escrow());
        _utilityEscrow += uint96(paid);
        account = account.debited(paid);
        if (paid < trade.cost) account = _inDebt(account, trade.cost - paid);
        _accounts[owner].word = _net(trade.slot, account, int256(energyWh));
    }

    /// @dev Brings a position to zero; that always fits.
    function _net(uint256 slot, Account account, int256 energyWh) private returns (Account) {
        uint256 member = account.member();
        _positions.tryAdd(slot, member, energyWh);
        _utilityNetWh -= energyWh;
        emit SlotClosed(uint64(slot), member, -energyWh);
        return account.traded(energyWh);
    }

    // ---- withdrawing orders -----------------------------------------------------------------------------------

    /// @inheritdoc ISmartMicrogrid
    function cancelOrder(Order calldata order) external onlyOwnerOf(order.member) {
        if (order.expirySlot <= order.slot && order.slot <= currentSlot) revert OrderBinding(order.slot, currentSlot);
        bytes32 digest = hashOrder(order);
        filledWh[digest] = type(uint256).max;
        _accounts[msg.sender].word = _accounts[msg.sender].word.flagged(Accounts.CANCELLED_ONE, true);
        emit OrderCancelled(order.member, digest);
    }

    /// @inheritdoc ISmartMicrogrid
    function cancelThrough(uint32 member, uint32 slot) external onlyOwnerOf(member) {
        Account account = _accounts[msg.sender].word;
        (uint32 current, uint32 afterSlot, uint32 before) =
            (currentSlot, account.cancelledAfter(), account.cancelledThrough());
        if (slot <= current) revert OrderBinding(slot, current);
        if (before < current) {
            if (before != 0 && !_windowOver(before)) revert CancelledBefore(before, current);
            afterSlot = current;
        }
        if (slot < before) slot = before;
        _accounts[msg.sender].word = account.cancelled(afterSlot, slot);
        emit OrdersCancelled(member, afterSlot, slot);
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

    /// @inheritdoc ISmartMicrogrid
    function modelCount() external view returns (uint256) {
        return models.length;
    }

    // ---- the record -------------------------------------------------------------------------------------------

    /// @dev Event, audit array, and the hash over the trades of the slot's place.
    function _record(Trade memory trade) private {
        if (auditBatches || trade.kind == TradeKind.Offer) _audit(trade);
        bytes32 topic = EnergyTransferred.selector;
        uint256 trades;
        assembly ("memory-safe") {
            // A trade is eight words: the hash before it, slot, seller, buyer, and the event's four words of data.
            log4(
                add(trade, 0x80),
                0x80,
                topic,
                mload(add(trade, 0x20)),
                mload(add(trade, 0x40)),
                mload(add(trade, 0x60))
            )
            trades := keccak256(trade, 0x100)
        }
        trade.trades = uint160(trades);
    }

    function _audit(Trade memory trade) private {
        transactions.push(
            EnergyTransaction({
                slot: uint32(trade.slot),
                seller: uint32(trade.seller),
                buyer: uint32(trade.buyer),
                energyWh: uint64(trade.energyWh),
                cost: uint96(trade.cost)
            })
        );
    }

    /// @inheritdoc ISmartMicrogrid
    function transactionCount() external view returns (uint256) {
        return transactions.length;
    }
}
