"""A token on a chain whose every mint can be counted: what tests of the chain and the sender send."""

from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import TxReceipt

from contracts.deployment import load_artifact
from contracts.sender import DEFAULT, Sender, Sending, connect

CHAIN_ID = 31337


class Minting:
    """The test token, seen with one key."""

    def __init__(self, url: str, account: LocalAccount, sending: Sending = DEFAULT, address: str | None = None) -> None:
        artifact = load_artifact("TestToken")
        self.url = url
        self.web3 = connect(url, CHAIN_ID)
        self.sender = Sender(self.web3, account, [artifact["abi"]], sending)
        if address is None:
            factory = self.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
            address = str(self.sender.send(factory.constructor())["contractAddress"])
        self.address = address
        self._token = self.web3.eth.contract(Web3.to_checksum_address(address), abi=artifact["abi"])

    def mint(self, amount: int) -> TxReceipt:
        return self.sender.send(self._token.functions.mint(self.sender.account.address, amount))

    def call(self, amount: int) -> Any:
        return self._token.functions.mint(self.sender.account.address, amount)

    def raw_mint(self, account: LocalAccount, nonce: int, amount: int) -> tuple[str, str]:
        """A signed mint for a chain without fees, and its hash."""
        data = self._token.encode_abi("mint", [account.address, amount])
        fields: dict[str, Any] = {
            "to": self.address,
            "value": 0,
            "gas": 150_000,
            "gasPrice": 0,
            "nonce": nonce,
            "chainId": CHAIN_ID,
        }
        signed = account.sign_transaction(fields | {"data": data})
        return "0x" + bytes(signed.raw_transaction).hex(), "0x" + bytes(signed.hash).hex()

    def transactions(self) -> list[str]:
        """Hashes of every mint in the chain; quicker than `minted`, as nothing is decoded."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs"}
        logs = httpx.post(
            self.url, json=call | {"params": [{"fromBlock": "0x0", "address": self.address}]}, trust_env=False
        )
        return [log["transactionHash"] for log in logs.json()["result"]]

    def minted(self) -> list[tuple[str, int]]:
        """Hash and amount of every mint in the chain."""
        logs = self._token.events.Transfer().get_logs(from_block=0)
        return [("0x" + bytes(log["transactionHash"]).hex(), int(log["args"]["value"])) for log in logs]

    def supply(self) -> int:
        return int(self._token.functions.totalSupply().call())


def new_account() -> LocalAccount:
    return Account.create()  # type: ignore[no-any-return]  # eth_account's decorator hides the type
