"""Our own encoding of calls and decoding of logs, which are fast, against web3's, which are not."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from contracts.deployment import abi_of
from contracts.events import FAULTS, KINDS, EventReader
from contracts.metering import MeterReading, packed_reading
from contracts.orders import Order, Side, SignedOrder, packed_terms, sign_order
from contracts.plain_call import plain_call
from contracts.sender import connect
from contracts.settlement import NO_ORDER, packed_settlement
from contracts.typed_data import Domain, SignatureError, compact, on_chain
from tests.contracts.market_world import FIRST_SLOT, MarketWorld

AT = Web3.to_checksum_address("0x" + "12" * 20)
DOMAIN = Domain(chain_id=31337, contract=AT)
OWNER = Account.create()
words = st.integers(0, 2**256 - 1)
terms = st.tuples(words, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))


@given(words, st.lists(terms, max_size=3), st.lists(words, max_size=3), st.lists(st.binary(max_size=70), max_size=2))
def test_calls_are_encoded_as_web3_encodes_them(settlement: int, orders: Any, fills: Any, signatures: Any) -> None:
    contract = Web3().eth.contract(AT, abi=abi_of("SmartMicrogrid"))
    calls = {"settle": [settlement, orders, fills], "settleWithWallets": [settlement, orders, fills, signatures]}
    for name, arguments in calls.items():
        ours = plain_call(AT, abi_of("SmartMicrogrid"), name, arguments)
        assert "0x" + ours.data.hex() == contract.encode_abi(name, args=arguments)


def test_logs_are_read_as_web3_reads_them(chain: str) -> None:
    world = MarketWorld(chain, 2)
    seller, buyer = world.members
    sell, buy = world.order(seller, Side.SELL, 100, 1), world.order(buyer, Side.BUY, 100, 290_000)
    world.ledger.advance_to(FIRST_SLOT + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 90), world.reading(seller, 0, 1)])
    world.ledger.settle(FIRST_SLOT, 100_000, [sell], [buy], [(0, 0, 100), (0, 0, 1)])
    web3 = connect(chain, 31337)
    logs = web3.eth.get_logs({"address": world.deployment.contract, "fromBlock": world.deployment.deployed_block})  # type: ignore[typeddict-item]
    contract = web3.eth.contract(abi=abi_of("SmartMicrogrid"))
    topics = {
        str(contract.events[e["name"]]().topic): e["name"] for e in abi_of("SmartMicrogrid") if e["type"] == "event"
    }
    ours = EventReader(world.deployment.contract).read(logs)
    theirs = [contract.events[topics["0x" + log["topics"][0].hex()]]().process_log(log) for log in logs]
    assert len(ours) == len(theirs) > 10
    for one, other in zip(ours, theirs, strict=True):
        assert one.name == other["event"]
        for name, value in other["args"].items():
            assert _same(name, one.values[name], value), (one, other)
    assert {"CollateralHeld", "FillRejected", "ReadingRejected"} <= {one.name for one in ours}


def _same(name: str, ours: Any, theirs: Any) -> bool:
    if name == "fault":
        return bool(ours == FAULTS[theirs])
    if name == "kind":
        return bool(ours == KINDS[theirs])
    if isinstance(theirs, bytes):
        return bool(ours == "0x" + theirs.hex())
    return str(ours).lower() == str(theirs).lower()


def test_faults_and_kinds_are_the_contracts_enumerations() -> None:
    from contracts.build import FOLDER

    source = (FOLDER / "ISmartMicrogrid.sol").read_text(encoding="utf-8")
    for name, ours in (("Fault", FAULTS), ("TradeKind", KINDS)):
        body = source.split(f"enum {name} {{")[1].split("}")[0]
        theirs = [word.strip() for word in body.split(",")]
        assert [word.lower() for word in theirs] == [word.replace(" ", "").replace("-", "") for word in ours]


def an_order(member: int, side: Side, wh: int = 5, price: int = 7) -> SignedOrder:
    order = Order(member=member, slot=9, side=side, energy_wh=wh, limit_price=price, expiry_slot=9, salt=3)
    return sign_order(order, DOMAIN, OWNER)


def test_orders_rise_on_each_side_and_fills_follow_them() -> None:
    sells, buys = [an_order(m, Side.SELL) for m in (5, 2, 4)], [an_order(m, Side.BUY) for m in (9, 1)]
    (settlement, orders, fills), wallets = packed_settlement(9, 7, sells, buys, [(0, 1, 11), (1, 0, 12), (7, 0, 13)])
    assert (settlement, wallets) == (7 << 64 | 9 << 32 | 3, [])
    assert [order[0] >> 224 for order in orders] == [2, 4, 5, 1, 9]
    assert fills == [2 << 96 | 3 << 64 | 11, 0 << 96 | 4 << 64 | 12, NO_ORDER << 96 | 4 << 64 | 13]


def test_a_contract_wallets_signature_goes_along() -> None:
    wallet = SignedOrder(order=an_order(1, Side.SELL).order, signature="0x" + "ab" * 80)
    (_, orders, _), signatures = packed_settlement(9, 7, [wallet], [], [])
    assert orders == [(packed_terms(wallet.order), bytes(32), bytes(32))]
    assert signatures == [b"\xab" * 80]


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1))
def test_a_reading_is_one_word(member: int, slot: int, imported: int, exported: int) -> None:
    reading = MeterReading(
        member=member, slot=slot, sequence=slot, import_register_wh=imported, export_register_wh=exported
    )
    word = packed_reading(reading)
    parts = [word >> 192, word >> 160 & 2**32 - 1, word >> 128 & 2**32 - 1, word >> 64 & 2**64 - 1, word & 2**64 - 1]
    assert parts == [member, slot, slot, imported, exported]


def test_a_short_signature_is_the_long_one() -> None:
    signed = an_order(1, Side.BUY)
    r, vs = compact(signed.signature)
    raw = bytes.fromhex(signed.signature[2:])
    assert (r, vs[1:], vs[0] & 127, vs[0] >> 7) == (raw[:32], raw[33:64], raw[32], raw[64] - 27)
    assert on_chain(signed.signature) == r + vs
    assert on_chain("0x" + "cd" * 70) == b"\xcd" * 70
    with pytest.raises(SignatureError, match=r"not a signature of a plain key: .*\(70 bytes\)"):
        compact("0x" + "cd" * 70)
