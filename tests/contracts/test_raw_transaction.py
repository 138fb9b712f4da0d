"""What the gateway reads in a signed transaction, compared with eth_account's own signing."""

from typing import Any

import pytest

from contracts.gas import MAX_GAS
from contracts.raw_transaction import NotServed, read_transaction
from tests.contracts.minting import CHAIN_ID, new_account

PLAIN: dict[str, Any] = {"value": 5, "gas": 50_000, "nonce": 300, "data": "0x1234"}
FORMS: dict[str, dict[str, Any]] = {
    "before EIP-155": {"gasPrice": 7},
    "EIP-155": {"gasPrice": 7, "chainId": CHAIN_ID},
    "EIP-2930": {"gasPrice": 7, "chainId": CHAIN_ID, "type": 1, "accessList": []},
    "EIP-1559": {"maxFeePerGas": 3, "maxPriorityFeePerGas": 1, "chainId": CHAIN_ID, "type": 2},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_as_it_was_signed(form: str) -> None:
    for _ in range(20):
        account = new_account()
        signed = account.sign_transaction({"to": account.address} | PLAIN | FORMS[form])
        read = read_transaction("0x" + bytes(signed.raw_transaction).hex())
        assert read.sender == account.address.lower()
        assert read.tx_hash == "0x" + bytes(signed.hash).hex()
        assert (read.nonce, read.gas) == (300, 50_000)


@pytest.mark.parametrize("raw", ["", "0x", "zz", "0x02", "0xc0", "0x02c0", "0xf86c" + "00" * 50, "0xc9" + "80" * 9])
def test_anything_else_is_refused(raw: str) -> None:
    with pytest.raises(NotServed, match="this is not a signed transaction"):
        read_transaction(raw)


def test_the_protocols_gas_limit_is_kept() -> None:
    account = new_account()
    fields = {"to": account.address, **PLAIN, "gasPrice": 0, "chainId": CHAIN_ID}
    for gas, is_served in ((MAX_GAS, True), (MAX_GAS + 1, False)):
        raw = "0x" + bytes(account.sign_transaction(fields | {"gas": gas}).raw_transaction).hex()
        if is_served:
            assert read_transaction(raw).gas == MAX_GAS
        else:
            with pytest.raises(NotServed, match=f"gas limit {MAX_GAS + 1} is above {MAX_GAS}"):
                read_transaction(raw)
