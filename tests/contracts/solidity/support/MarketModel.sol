// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a market's money and energy ought to be, by plain mappings and checked arithmetic
/// @notice Money falls in four places only: a withdrawal by the owner, a trade that the owner signed, collateral for its
/// own sale, and a purchase from the utility of what is missing in a slot. The caller says who signed.
abstract contract MarketModel {
    uint256 public constant MEMBERS = 6;
    uint256 internal constant PRICE_CAP = 1_000_000;
    uint256 internal constant GRID_FEE = 10_000;
    uint32 internal constant SLOTS_OPEN = 4;

    mapping(uint256 member => uint256) public money;
    mapping(uint256 member => uint256) public debt;
    mapping(uint256 member => uint256) public claim;
    mapping(uint256 slot => mapping(uint256 member => uint256)) public collateral;
    mapping(uint256 slot => mapping(uint256 member => int256)) public position;
    mapping(uint256 member => int256) public balance;
    mapping(uint256 slot => bool) public settled;
    mapping(uint256 slot => uint256) internal postedRetail;
    mapping(uint256 slot => uint256) internal postedFeedIn;
    /// @notice Grid fees and dust, by place in the ring, until a slot of that place is closed.
    mapping(uint256 place => uint256) public fees;
    uint256 public held;
    /// @notice How often things happened: what never happens is not tested.
    mapping(string what => uint256) public happened;
    /// @notice Exported less imported, of all accepted readings [Wh].
    int256 public meteredWh;
    mapping(uint256 slot => mapping(uint256 member => int256)) internal meteredIn;
    /// @notice What the meter's own imports have cost at most: more debt than that nobody can have.
    mapping(uint256 member => uint256) public consumption;

    /// @notice All slots in which there ever was energy.
    uint32[] public touched;
    mapping(uint256 slot => bool) private _touched;
    mapping(uint256 place => uint256) private _usedBy;
    mapping(uint256 place => uint256) private _used;

    function retail(uint256 slot) internal view returns (uint256) {
        return postedRetail[slot] == 0 ? 300_000 : postedRetail[slot];
    }

    function feedIn(uint256 slot) internal view returns (uint256) {
        return postedRetail[slot] == 0 ? 80_000 : postedFeedIn[slot];
    }

    function touchedCount() external view returns (uint256) {
        return touched.length;
    }

    // ---- energy -----------------------------------------------------------------------------------------------

    /// @dev A place takes a slot when no other slot has energy there; all members share one word.
    function canHold(uint256 slot) internal view returns (bool) {
        return _used[slot % 128] == 0 || _usedBy[slot % 128] == slot;
    }

    function move(uint256 slot, uint256 member, int256 wh) internal {
        if (!_touched[slot]) touched.push(uint32(slot));
        _touched[slot] = true;
        int256 before = position[slot][member];
        position[slot][member] = before + wh;
        balance[member] += wh;
        if (before == 0 && wh != 0) ++_used[slot % 128];
        if (before != 0 && before + wh == 0) --_used[slot % 128];
        _usedBy[slot % 128] = slot;
    }

    function lackedWh(uint256 slot, uint256 seller, uint256 wh) internal view returns (uint256) {
        uint256 had = position[slot][seller] > 0 ? uint256(position[slot][seller]) : 0;
        return wh > had ? wh - had : 0;
    }

    function count(uint256 slot, uint256 member, int256 wh) internal {
        move(slot, member, wh);
        meteredWh += wh;
        meteredIn[slot][member] += wh;
    }

    // ---- money ------------------------------------------------------------------------------------------------

    function roundedUp(uint256 wh, uint256 price) internal pure returns (uint256) {
        uint256 exact = wh * price;
        return exact % 1000 == 0 ? exact / 1000 : exact / 1000 + 1;
    }

    function credit(uint256 member, uint256 amount) internal {
        uint256 repaid = amount < debt[member] ? amount : debt[member];
        debt[member] -= repaid;
        if (repaid != 0) ++happened["debt repaid"];
        money[0] += repaid;
        money[member] += amount - repaid;
    }

    function free(uint256 member) public view returns (uint256) {
        uint256 reserve;
        if (member == 0) reserve = totalClaims();
        else if (balance[member] < 0) reserve = roundedUp(uint256(-balance[member]), PRICE_CAP);
        return money[member] > reserve ? money[member] - reserve : 0;
    }

    function totalClaims() public view returns (uint256 sum) {
        for (uint256 m = 1; m <= MEMBERS; ++m) {
            sum += claim[m];
        }
    }

    function payOut(uint256 member) internal returns (uint256 amount) {
        amount = claim[member] < money[0] ? claim[member] : money[0];
        claim[member] -= amount;
        money[0] -= amount;
        credit(member, amount);
    }

    // ---- trade ------------------------------------------------------------------------------------------------

    function canTrade(uint256 slot, uint256 seller, uint256 buyer, uint256 wh, uint256 price)
        internal
        view
        returns (bool)
    {
        return seller != buyer && wh != 0 && canHold(slot) && money[buyer] >= roundedUp(wh, price + GRID_FEE)
            && money[seller] >= roundedUp(lackedWh(slot, seller, wh), PRICE_CAP);
    }

    /// @dev Reverts when somebody has not got what it takes: then the market should not have let it through.
    function trade(uint256 slot, uint256 seller, uint256 buyer, uint256 wh, uint256 price) internal {
        uint256 backing = roundedUp(lackedWh(slot, seller, wh), PRICE_CAP);
        money[seller] -= backing;
        collateral[slot][seller] += backing;
        held += backing;
        uint256 cost = roundedUp(wh, price + GRID_FEE);
        money[buyer] -= cost;
        credit(seller, wh * price / 1000);
        fees[slot % 128] += cost - wh * price / 1000;
        move(slot, seller, -int256(wh));
        move(slot, buyer, int256(wh));
    }

    function collectFees(uint256 slot) internal {
        money[0] += fees[slot % 128];
        fees[slot % 128] = 0;
    }

    function net(uint256 slot, uint256 member) internal returns (int256 wh) {
        held -= collateral[slot][member];
        credit(member, collateral[slot][member]);
        collateral[slot][member] = 0;
        wh = position[slot][member];
        if (wh == 0) return 0;
        if (meteredIn[slot][member] < 0) {
            consumption[member] += roundedUp(uint256(-meteredIn[slot][member]), retail(slot));
        }
        if (wh > 0) sellToUtility(member, uint256(wh) * feedIn(slot) / 1000);
        else buyFromUtility(member, roundedUp(uint256(-wh), retail(slot)));
        move(slot, member, -wh);
        balance[0] += wh;
    }

    function sellToUtility(uint256 member, uint256 pay) private {
        if (money[0] < pay) {
            claim[member] += pay;
        } else {
            money[0] -= pay;
            credit(member, pay);
        }
    }

    function buyFromUtility(uint256 member, uint256 price) private {
        uint256 paid = price < money[member] ? price : money[member];
        money[member] -= paid;
        money[0] += paid;
        debt[member] += price - paid;
    }
}
