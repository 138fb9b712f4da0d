// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fill, OrderTerms, ReadingTerms, Settlement, Tariff} from "./Packing.sol";

/// @title Settlement of local energy against money, which nobody can cheat
/// @notice Energy is whole watt-hours [Wh], money whole base units of the payment token, prices base units per kWh.
/// Member 0 is the utility: it buys what is left of a slot at feed-in and sells what is missing at retail.
/// @dev Batches carry packed words (Packing.sol) and short signatures (EIP-2098: `r`, and `vs` = s with v in its highest
/// bit), because they pay for every byte.
interface ISmartMicrogrid {
    enum Side {
        Buy,
        Sell
    }

    enum SlotState {
        Open,
        Settled,
        Closed
    }

    enum TradeKind {
        Auction,
        Offer,
        Utility
    }

    /// @notice Why an order, a fill or a reading was left out of a batch, or an offer refused.
    enum Fault {
        None,
        NotSigned,
        NotActive,
        LimitPassed,
        Cancelled,
        NotRising,
        NoSuchOrder,
        NoEnergy,
        SelfTrade,
        OverFilled,
        EscrowShort,
        CollateralShort,
        PositionFull,
        SlotNotOver,
        WindowOver,
        NotNew,
        RegisterFell,
        AboveCapacity,
        NotAnOffer,
        Expired
    }

    /// @notice A member: who signs its orders and holds its money, and whose signature counts its energy.
    struct Building {
        address owner;
        address meter;
        bool active;
        uint32 capacityWh;
    }

    /// @notice A limit order, signed by the owner as EIP-712 typed data.
    /// @dev One for the auction expires with its slot; an offer of delivered energy expires later. A buyer's limit
    /// includes the grid fee.
    struct Order {
        uint32 member;
        uint32 slot;
        Side side;
        uint64 energyWh;
        uint96 limitPrice;
        uint32 expirySlot;
        uint64 salt;
    }

    /// @notice An auction order as a settlement carries it: slot, side and expiry are the settlement's.
    /// @dev A contract wallet's signature does not fit: then `r` is 0 and `vs` its index in `walletSignatures`.
    struct SignedTerms {
        OrderTerms terms;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A meter's two registers at the end of a slot, signed by the meter's key as EIP-712 typed data.
    /// @dev Registers only rise, so a reading that is withheld or lost is made up for by the next one.
    struct SignedReading {
        ReadingTerms terms;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice What the contract knows of a meter: the registers it last signed, and the most it may count in a slot.
    struct Meter {
        uint32 member;
        uint32 lastSlot;
        uint32 sequence;
        uint32 capacityWh;
        uint64 importRegisterWh;
        uint64 exportRegisterWh;
    }

    /// @notice One entry of the audit array, packed into one storage slot.
    struct EnergyTransaction {
        uint32 slot;
        uint32 seller;
        uint32 buyer;
        uint64 energyWh;
        uint96 cost;
    }

    // ---- events -----------------------------------------------------------------------------------------------

    event MemberRegistered(uint256 indexed member, address indexed owner, address indexed meter, uint32 capacityWh);
    event MemberActive(uint256 indexed member, bool active);
    event OwnerProposed(uint256 indexed member, address indexed owner);
    event OwnerChanged(uint256 indexed member, address indexed previous, address indexed owner);
    event MeterProposed(uint256 indexed member, address indexed meter, uint32 capacityWh);
    event MeterChanged(uint256 indexed member, address indexed previous, address indexed meter, uint32 capacityWh);
    event Deposited(uint256 indexed member, address indexed from, uint256 amount);
    event Withdrawn(uint256 indexed member, address indexed to, uint256 amount);
    event DebtRecorded(uint256 indexed member, uint256 amount);
    event DebtRepaid(uint256 indexed member, uint256 amount);
    event SlotAdvanced(uint64 indexed slot);
    event PauseChanged(bool paused);
    event SettlerChanged(address indexed settler);
    event TariffPosted(uint256 indexed slot, uint256 retailPrice, uint256 feedInPrice);
    event EnergyMetered(uint256 indexed member, uint64 indexed slot, uint64 importedWh, uint64 exportedWh);
    event ReadingRejected(uint256 indexed member, uint64 indexed slot, Fault fault);
    event OrderRejected(uint64 indexed slot, uint256 indexed member, bytes32 order, Fault fault);
    event FillRejected(uint64 indexed slot, uint32 sell, uint32 buy, Fault fault);
    /// @notice A slot was settled without a trade; one with trades is known by them.
    event SlotEmpty(uint64 indexed slot);
    event SlotClosed(uint64 indexed slot, uint256 indexed member, int256 positionWh);
    event CollateralHeld(uint64 indexed slot, uint256 indexed member, uint256 amount);
    event CollateralReleased(uint64 indexed slot, uint256 indexed member, uint256 amount);
    /// @notice The utility could not pay: the member has a claim on it.
    event UtilityShort(uint64 indexed slot, uint256 indexed member, uint256 owed);
    event ClaimPaid(uint256 indexed member, uint256 amount);
    event OrderCancelled(uint256 indexed member, bytes32 indexed order);
    event OrdersCancelled(uint256 indexed member, uint64 afterSlot, uint64 throughSlot);
    event ModelAnchored(uint256 indexed release, bytes32 indexed model);

    /// @notice Energy changed hands. The buyer pays `cost`; a seller among the members receives
    /// `energyWh * pricePerKwh / 1000`, rounded down. What lies between, grid fee and dust, is the utility's.
    /// @dev What a member could not pay of a purchase from the utility is in `DebtRecorded` before it.
    event EnergyTransferred(
        uint64 indexed slot,
        uint256 indexed seller,
        uint256 indexed buyer,
        uint64 energyWh,
        uint96 pricePerKwh,
        uint256 cost,
        TradeKind kind
    );

    // ---- errors -----------------------------------------------------------------------------------------------

    error MarketPaused();
    error ZeroAddress();
    error TooSmall();
    error TooLarge(uint256 value, uint256 limit);
    error UnknownMember(uint256 member);
    error AlreadyRegistered(uint256 member, address owner);
    error AddressTaken(address taken, uint256 member);
    error CapacityWithoutMeter(uint256 member);
    error NothingProposed(uint256 member);
    error NotOwner(uint256 member, address caller);
    error InsufficientEscrow(uint256 member, uint256 available, uint256 needed);
    error InsufficientEnergy(uint256 member, uint256 availableWh, uint256 neededWh);
    error ReceivedLess(uint256 expected, uint256 received);
    error SlotNotInFuture(uint64 current, uint64 requested);
    error ClockTooFast(uint64 requested, uint64 latest);
    error ClockNotStalled(uint256 since, uint256 now_);
    error TariffTooLate(uint256 slot);
    error TariffTooHigh(uint256 retailPrice, uint256 feedInPrice);
    error SlotNotOver(uint64 slot, uint64 current);
    error SlotAlreadySettled(uint64 slot);
    error SlotWindowOver(uint64 slot, uint64 current);
    error SettlerFirst(uint64 slot, uint64 openFrom);
    error WindowStillOpen(uint64 slot, uint64 closesAfter, uint64 current);
    error OfferInvalid(bytes32 order, Fault fault);
    error OrderBinding(uint64 slot, uint64 current);
    error CancelledBefore(uint64 throughSlot, uint64 current);
    error AlreadyAnchored(bytes32 model, uint256 release);
    error GasTooLow(uint256 left, uint256 needed);

    // ---- members and money ------------------------------------------------------------------------------------

    /// @notice Register a member. Only the registrar; an existing member is never changed by it.
    /// @param meter Key of its meter; zero, with zero capacity, for a guest who only buys.
    /// @param capacityWh The most that its connection can carry in one slot in each direction [Wh].
    function register(uint256 member, address owner, address meter, uint32 capacityWh) external;

    /// @notice Take a member out of trade and metering, or back. Only the registrar. Its money stays its own.
    function setActive(uint256 member, bool active) external;

    /// @notice Hand a member over to another wallet, which must accept. Only the owner.
    function proposeOwner(uint256 member, address owner) external;

    /// @notice Take over a member that was offered to the caller: its money, energy and registers come with it.
    function acceptOwner(uint256 member) external;

    /// @notice Certify another meter or capacity for a member, which its owner must accept. Only the registrar.
    function proposeMeter(uint256 member, address meter, uint32 capacityWh) external;

    /// @notice Accept the certified meter. Only the owner. The registers go on where the old meter's ended.
    function acceptMeter(uint256 member) external;

    /// @notice Put `amount` of the payment token into a member's escrow; anyone may pay. A debt is repaid first.
    function deposit(uint256 member, uint256 amount) external;

    /// @notice `deposit` with an ERC-2612 permit of the caller, in one transaction.
    function depositWithPermit(uint256 member, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Take `amount` of the free funds out. Only the member's owner, at any time, also while paused.
    function withdraw(uint256 member, uint256 amount) external;

    // ---- time, tariffs, metering ------------------------------------------------------------------------------

    /// @notice Move the market's clock forwards, never ahead of wall time by more than a slot.
    /// Only the clock role; when that has been silent for a week, anyone.
    function advanceTo(uint32 slot) external;

    /// @notice Stop new deposits, settlements and purchases, or go on. Withdrawing, metering and closing never stop.
    /// Only the pauser.
    function setPaused(bool paused) external;

    /// @notice Say who settles first. Only the admin.
    function setSettler(address settler) external;

    /// @notice Post the tariffs of `fromSlot` and the slots after it. Only the tariff role; a posted tariff is never changed.
    function postTariffs(uint32 fromSlot, Tariff[] calldata tariffs) external;

    /// @notice Count metered energy. Anyone may relay; a bad or repeated reading is left out with an event.
    function submitReadings(SignedReading[] calldata readings) external;

    // ---- trade ------------------------------------------------------------------------------------------------

    /// @notice Settle the auction of one slot, once, after the slot. Everything is checked here.
    /// @dev During the first half of the window the settler goes first, so that nobody can spoil a slot with an empty
    /// clearing; after that anyone may settle, so that an absent settler cannot either.
    /// @dev A bad order or fill is left out with an event; it cannot block the others.
    /// @dev Orders of each side come in rising order of their terms, so that none is listed twice.
    /// @dev Who sells energy that it lacks in the slot, has its price at the cap held back until the slot is closed.
    /// @param settlement Slot, price, and how many of the orders sell: these come first.
    /// @param fills Pairs of orders, by their index in `orders`, and the energy between them.
    function settle(Settlement settlement, SignedTerms[] calldata orders, Fill[] calldata fills) external;

    /// @notice `settle` with orders of contract wallets (ERC-1271).
    function settleWithWallets(
        Settlement settlement,
        SignedTerms[] calldata orders,
        Fill[] calldata fills,
        bytes[] calldata walletSignatures
    ) external;

    /// @notice Buy delivered energy at the price that its owner signed: one atomic swap of energy and money.
    function transferEnergy(Order calldata offer, bytes calldata signature, uint32 buyer, uint64 energyWh) external;

    /// @notice After the settlement window, net the members' positions of a slot with the utility. Anyone may call.
    function closeSlot(uint32 slot, uint32[] calldata members) external;

    /// @notice Pay a member what the utility could not pay before. Anyone may call.
    function payClaim(uint256 member) external;

    /// @notice Withdraw an order of one's own. An auction order is binding as soon as its slot runs.
    function cancelOrder(Order calldata order) external;

    /// @notice Withdraw all auction orders of one's own for the slots after the running one and up to `slot`.
    function cancelThrough(uint32 member, uint32 slot) external;

    // ---- the shared forecaster --------------------------------------------------------------------------------

    /// @notice Note the hash of a forecaster that is released to the buildings; it can never be changed. Only the model role.
    /// @return release Its number, from 1.
    function anchorModel(bytes32 model) external returns (uint256 release);

    // ---- views ------------------------------------------------------------------------------------------------

    /// @notice The EIP-712 digest of an order: its identity.
    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @notice Member number of a wallet; 0 for a stranger.
    function memberOf(address owner) external view returns (uint256);

    /// @notice Money of a member in the contract [base units].
    function escrowOf(uint256 member) external view returns (uint256);

    /// @notice What a member may withdraw now: its escrow less a reserve, at the price cap, for the energy it lacks.
    function freeFunds(uint256 member) external view returns (uint256);

    /// @notice The meter of a member.
    function meterOf(uint256 member) external view returns (Meter memory);

    /// @notice A member's signed energy balance over all slots that are not closed for it [Wh].
    function energyBalance(uint256 member) external view returns (int256);

    /// @notice The positive part of a member's energy balance [Wh].
    function storedEnergy(uint256 member) external view returns (uint256);

    /// @notice A member's signed energy in one slot [Wh].
    function positions(uint256 slot, uint256 member) external view returns (int256);

    /// @notice Whether a slot was settled, and whether its window is over.
    function slotState(uint32 slot) external view returns (SlotState);

    /// @notice The utility's tariff in a slot: the posted one, or else the one with which the market was opened.
    function tariffAt(uint32 slot) external view returns (uint256 retailPrice, uint256 feedInPrice);

    /// @notice Money that is held back for energy which a member sold in a slot and lacked [base units].
    function collateralOf(uint256 slot, uint256 member) external view returns (uint256);

    /// @notice Number of models that were anchored.
    function modelCount() external view returns (uint256);

    /// @notice Hash over all trades, in their order, of the slots that have this place (`slot % 128`):
    /// uint160(uint256(keccak256(previous, slot, seller, buyer, Wh, price, cost, kind))), each as one word.
    function tradesHash(uint256 place) external view returns (uint160);

    /// @notice Grid fees and dust of settlements that `closeSlot` has not given to the utility yet [base units].
    function uncollected() external view returns (uint256);

    /// @notice Entries in the audit array.
    function transactionCount() external view returns (uint256);
}
