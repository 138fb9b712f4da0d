// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {MarketOffers} from "./MarketOffers.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";

/// @title Makes up calls of a market, good and bad, and does the same to the model
/// @notice Each call says beforehand whether it is allowed; the market must agree.
contract MarketHandler is MarketOffers {
    // ---- money ------------------------------------------------------------------------------------------------

    function deposit(uint256 chance) external by(chance) {
        uint256 m = draw(5) == 0 ? 0 : draw(MEMBERS + 2);
        uint256 amount = draw(6) == 0 ? draw(50) : draw(m == 0 ? 100_000 : 6_000_000);
        bool unpaid = draw(16) == 0;
        token.mint(address(this), amount);
        require(token.approve(address(grid), unpaid ? amount / 2 : amount));
        bool done = attempt(address(this), abi.encodeCall(grid.deposit, (m, amount)));
        expect("deposited", done, !stopped && m <= MEMBERS && (!unpaid || amount == 0));
        if (!done) return;
        if (m == 0) money[0] += amount;
        else credit(m, amount);
    }

    function withdraw(uint256 chance) external by(chance) {
        uint256 m = draw(MEMBERS + 2);
        uint256 most = free(m);
        uint256 luck = draw(m == 0 ? 5 : 24);
        uint256 amount = luck == 0 ? most + 1 : luck == 1 ? money[m] : luck == 2 ? most : draw(most / 4 + 2);
        address caller = drawCaller(m);
        uint256 before = token.balanceOf(caller);
        bool done = attempt(caller, abi.encodeCall(grid.withdraw, (m, amount)));
        expect("withdrawn", done, m <= MEMBERS && caller == owner(m) && amount <= most);
        if (!done) return;
        money[m] -= amount;
        vm.assertEq(token.balanceOf(caller), before + amount, "the money arrives");
    }

    function payClaim(uint256 chance) external by(chance) {
        uint256 m = drawMember();
        vm.prank(STRANGER);
        grid.payClaim(m);
        if (payOut(m) != 0) ++happened["claim paid"];
    }

    // ---- metering ---------------------------------------------------------------------------------------------

    function meter(uint256 chance) external by(chance) {
        uint32 m = drawMember();
        Typed.Reading memory last = registers[m];
        uint256 flaw = draw(3) == 0 ? draw(8) : 0;
        Typed.Reading memory next = last;
        (last.member, next) = (m, Typed.Reading(m, draw(3) == 0 ? drawSlot() : current - 1, last.sequence, 0, 0));
        uint64 reach = uint64(certifiedWh[m]) * (next.slot > last.slot ? next.slot - last.slot : 1);
        uint64 most = reach < 3000 ? reach : 3000;
        next.sequence += flaw == 1 ? 0 : uint32(1 + draw(3));
        next.importRegisterWh = last.importRegisterWh + uint64(draw(3) == 0 ? draw(most + 1) : 0);
        next.exportRegisterWh = last.exportRegisterWh + uint64(draw(3) != 0 ? draw(most + 1) : 0);
        if (flaw == 2) next.importRegisterWh += reach;
        if (flaw == 3) next.exportRegisterWh += reach;
        if (flaw == 4) next.exportRegisterWh = last.exportRegisterWh / 2;
        if (flaw == 5) next.member = drawMember();
        uint256 key = flaw == 6 ? ownerKey[m] : meterKey[m];
        if (key == 0) key = 666;
        ISmartMicrogrid.SignedReading memory reading = signReading(key, next);
        if (flaw == 7) (reading, next) = (lastReading[m], last);
        bool good = key == meterKey[m] && next.member == m && flaw != 7 && isNew(m, last, next);
        submit(reading);
        vm.assertEq(grid.meterOf(m).sequence, good ? next.sequence : last.sequence, "reading");
        if (!good) return;
        ++happened["metered"];
        (registers[m], lastReading[m]) = (next, reading);
        int256 wh = int256(uint256(next.exportRegisterWh - last.exportRegisterWh));
        count(next.slot, m, wh - int256(uint256(next.importRegisterWh - last.importRegisterWh)));
    }

    function isNew(uint256 m, Typed.Reading memory last, Typed.Reading memory next) private view returns (bool) {
        if (next.slot >= current || windowPassed(next.slot) || !canHold(next.slot)) return false;
        if (next.sequence <= last.sequence || next.slot <= last.slot) return false;
        if (next.importRegisterWh < last.importRegisterWh) return false;
        if (next.exportRegisterWh < last.exportRegisterWh) return false;
        uint256 most = active[m] ? uint256(certifiedWh[m]) * (next.slot - last.slot) : 0;
        return
            next.importRegisterWh - last.importRegisterWh <= most
                && next.exportRegisterWh - last.exportRegisterWh <= most;
    }

    // ---- closing ----------------------------------------------------------------------------------------------

    /// @dev Mostly the slot whose window is over last, and all of its members; sometimes too early, or one of them twice.
    function close(uint256 chance) external by(chance) {
        uint32 slot = uint32(current - SLOTS_OPEN - (draw(8) == 0 ? 0 : 1 + draw(2)));
        uint32[] memory members = new uint32[](1 + draw(2 * MEMBERS));
        for (uint256 i = 0; i < members.length; ++i) {
            members[i] = draw(4) == 0 ? uint32(draw(MEMBERS + 2)) : uint32(1 + i % MEMBERS);
        }
        closeNow(slot, members);
    }

    /// @notice Close a slot for all members.
    function closeAll(uint32 slot) external {
        uint32[] memory members = new uint32[](MEMBERS);
        for (uint32 i = 0; i < MEMBERS; ++i) {
            members[i] = i + 1;
        }
        closeNow(slot, members);
    }

    function closeNow(uint32 slot, uint32[] memory members) private {
        bool done = attempt(STRANGER, abi.encodeCall(grid.closeSlot, (slot, members)));
        expect("closed", done, windowPassed(slot));
        if (!done) return;
        (uint256 owing, uint256 held_) = (totalClaims(), held);
        collectFees(slot);
        for (uint256 i = 0; i < members.length; ++i) {
            uint256 m = members[i];
            if (m == 0 || m > MEMBERS) continue;
            uint256 before = debt[m];
            int256 wh = net(slot, m);
            if (wh > 0) ++happened["fed in"];
            if (wh < 0) ++happened["bought from the utility"];
            if (debt[m] > before) ++happened["in debt"];
        }
        if (totalClaims() > owing) ++happened["claim"];
        if (held < held_) ++happened["collateral released"];
    }

    /// @notice End the window of all slots that trade or metering can have touched.
    function finish() external {
        current += SLOTS_OPEN + 1;
        grid.advanceTo(current);
    }

    /// @notice The owner takes out what is free; nobody can prevent that.
    function takeOut(uint256 m) external returns (uint256 amount) {
        amount = grid.freeFunds(m);
        vm.assertEq(amount, free(m), "free funds");
        vm.prank(owner(m));
        grid.withdraw(m, amount);
        money[m] -= amount;
    }
}
