// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Settlement of local energy against money, which nobody can cheat
/// @notice Energy is whole watt-hours, money whole base units of the payment token, prices base units per kWh.
/// Member 0 is the utility: it buys what is left of a slot at feed-in and sells what is missing at retail.
interface ISmartMicrogrid {
    enum Side {
        Buy,
        Sell
    }

    enum SlotState {
        Open,
        Settled
    }

    enum TradeKind {
        Auction,
        Offer,
        Utility
    }

    /// @notice A member: who signs its orders and holds its money, and whose signature credits its energy.
    struct Building {
        address owner;
        address meter;
        bool active;
    }

    /// @notice A limit order, signed by the owner as EIP-712 typed data.
    struct Order {
        uint256 member;
        uint64 slot;
        Side side;
        uint64 energyWh;
        uint128 limitPrice;
        uint64 expirySlot;
        uint256 salt;
    }

    /// @notice Energy of one slot, signed by the meter key as EIP-712 typed data.
    struct MeterReading {
        uint256 member;
        uint64 slot;
        uint64 importedWh;
        uint64 exportedWh;
        uint64 sequence;
    }

    struct SignedOrder {
        Order order;
        bytes signature;
    }

    struct SignedReading {
        MeterReading reading;
        bytes signature;
    }

    /// @notice `energyWh` from the sell order at index `sell` to the buy order at index `buy`.
    struct Fill {
        uint32 sell;
        uint32 buy;
        uint64 energyWh;
    }

    /// @notice What the auction of one slot came to.
    struct Clearing {
        uint64 slot;
        uint128 pricePerKwh;
        SignedOrder[] sells;
        SignedOrder[] buys;
        Fill[] fills;
    }

    /// @notice One entry of the audit array, packed into one storage slot.
    struct EnergyTransaction {
        uint32 slot;
        uint32 seller;
        uint32 buyer;
        uint64 energyWh;
        uint96 cost;
    }

    event MemberRegistered(uint256 indexed member, address indexed owner, address indexed meter);
    event Deposited(uint256 indexed member, address indexed from, uint256 amount);
    event Withdrawn(uint256 indexed member, address indexed to, uint256 amount);
    event SlotAdvanced(uint64 indexed slot);
    event EnergyMetered(uint256 indexed member, uint64 indexed slot, uint64 importedWh, uint64 exportedWh);
    event ReadingRejected(uint256 indexed member, uint64 indexed slot, string reason);
    event FillRejected(bytes32 indexed sell, bytes32 indexed buy, string reason);
    event SlotSettled(uint64 indexed slot, uint128 pricePerKwh);
    event SlotClosed(uint64 indexed slot, uint256 indexed member, int256 positionWh);
    event OrderCancelled(bytes32 indexed order);
    event DebtRecorded(uint256 indexed member, uint256 amount);
    event ModelAnchored(uint256 indexed release, bytes32 indexed model);
    event UtilityShort(uint64 indexed slot, uint256 indexed member, uint256 owed);

    /// @notice Energy changed hands: the buyer paid `cost`, the seller received `proceeds`, the utility keeps the dust.
    event EnergyTransferred(
        uint64 indexed slot,
        uint256 indexed seller,
        uint256 indexed buyer,
        uint64 energyWh,
        uint128 pricePerKwh,
        uint256 cost,
        uint256 proceeds,
        TradeKind kind
    );

    error ZeroAddress();
    error UnknownMember(uint256 member);
    error AlreadyRegistered(uint256 member, address owner);
    error WalletTaken(address owner, uint256 member);
    error NotOwner(uint256 member, address caller);
    error InsufficientEscrow(uint256 member, uint256 available, uint256 needed);
    error InsufficientEnergy(uint256 member, uint256 availableWh, uint256 neededWh);
    error ReceivedLess(uint256 expected, uint256 received);
    error SlotNotInFuture(uint64 current, uint64 requested);
    error SlotNotOver(uint64 slot, uint64 current);
    error SlotAlreadySettled(uint64 slot);
    error SlotWindowOver(uint64 slot, uint64 current);
    error SettlerFirst(uint64 slot, uint64 openFrom);
    error WindowStillOpen(uint64 slot, uint64 closesAfter, uint64 current);
    error OfferInvalid(bytes32 order, string reason);
    error AlreadyAnchored(bytes32 model, uint256 release);
    error TooLarge(uint256 value, uint256 limit);

    /// @notice Register a member. Only the registrar; an existing member is never changed.
    function register(uint256 member, address owner, address meter) external;

    /// @notice Put `amount` of the payment token into a member's escrow; anyone may pay.
    function deposit(uint256 member, uint256 amount) external;

    /// @notice Take `amount` out of escrow. Only the member's owner, at any time.
    function withdraw(uint256 member, uint256 amount) external;

    /// @notice Move the market's clock forwards. Only the clock role.
    function advanceTo(uint64 slot) external;

    /// @notice Credit metered energy. Anyone may relay; a bad or repeated reading is left out with an event.
    function submitReadings(SignedReading[] calldata readings) external;

    /// @notice Settle the auction of one slot, once, after the slot. Everything is checked here.
    /// @dev During the first half of the window the settler goes first, so that nobody can spoil a slot with an empty
    /// clearing; after that anyone may settle, so that an absent settler cannot either.
    /// @dev A bad fill is left out with `FillRejected`; it cannot block the others.
    function settle(Clearing calldata clearing) external;

    /// @notice Buy delivered energy at the price that its owner signed: one atomic swap of energy and money.
    function transferEnergy(Order calldata offer, bytes calldata signature, uint256 buyer, uint64 energyWh) external;

    /// @notice After the settlement window, net the members' positions of a slot with the utility. Anyone may call.
    function closeSlot(uint64 slot, uint256[] calldata members) external;

    /// @notice Withdraw an order of one's own.
    function cancelOrder(Order calldata order) external;

    /// @notice Note the hash of a forecaster that is released to the buildings; it can never be changed. Only the model role.
    /// @return release Its number, from 1.
    function anchorModel(bytes32 model) external returns (uint256 release);

    /// @notice The EIP-712 digest of an order: its identity.
    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @notice The EIP-712 digest of a reading.
    function hashReading(MeterReading calldata reading) external view returns (bytes32);

    /// @notice The positive part of a member's energy balance [Wh].
    function storedEnergy(uint256 member) external view returns (uint256);

    /// @notice Number of models that were anchored.
    function modelCount() external view returns (uint256);

    /// @notice Entries in the audit array.
    function transactionCount() external view returns (uint256);
}
