"""A browser wallet whose key is here: the page finds it like any other, and it signs for a real node."""

from __future__ import annotations

import json
from typing import Any

import httpx
from eth_account import Account
from playwright.sync_api import Page

SCRIPT = """
const provider = {
  async request({ method, params }) {
    const answer = await window.pythonWallet(method, JSON.stringify(params ?? []));
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result ?? null;
  },
  on() {},
};
const info = { uuid: "4d5c", name: "Test wallet", rdns: "test.wallet", icon: "" };
const announce = () => window.dispatchEvent(
  new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
window.addEventListener("eip6963:requestProvider", announce);
announce();
"""


class InjectedWallet:
    """EIP-1193 on top of one key and one JSON-RPC address; it starts on another chain than the market's."""

    def __init__(self, rpc_url: str) -> None:
        self.account = Account.create()
        self.rejects = False
        self.sent: list[str] = []
        self.asked: list[str] = []
        self._rpc = httpx.Client(base_url=rpc_url, trust_env=False)
        self._chain_id = "0x1"
        self._known = {"0x1"}
        self._connected = False

    def inject(self, page: Page) -> None:
        page.expose_function("pythonWallet", self._answer)
        page.add_init_script(SCRIPT)

    def close(self) -> None:
        self._rpc.close()

    def _answer(self, method: str, params: str) -> dict[str, Any]:
        self.asked.append(method)
        handler = getattr(self, f"_{method}", None)
        arguments = json.loads(params)
        return handler(*arguments) if handler else self._forward(method, arguments)

    def _eth_requestAccounts(self) -> dict[str, Any]:  # noqa: N802  # the method's name
        self._connected = True
        return self._eth_accounts()

    def _eth_accounts(self) -> dict[str, Any]:
        return {"result": [self.account.address.lower()] if self._connected else []}

    def _eth_chainId(self) -> dict[str, Any]:  # noqa: N802  # the method's name
        return {"result": self._chain_id}

    def _wallet_switchEthereumChain(self, chain: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # the method's name
        if chain["chainId"] not in self._known:
            return {"error": {"code": 4902, "message": "Unrecognized chain ID"}}
        self._chain_id = chain["chainId"]
        return {"result": None}

    def _wallet_addEthereumChain(self, chain: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # the method's name
        self._known.add(chain["chainId"])
        return {"result": None}

    def _eth_sendTransaction(self, wish: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # the method's name
        if self.rejects:
            return {"error": {"code": 4001, "message": "User rejected the request."}}
        assert wish["chainId"] == self._chain_id
        gas = self._forward("eth_estimateGas", [{key: wish[key] for key in ("from", "to", "data")}])
        if "error" in gas:
            return gas
        nonce = self._forward("eth_getTransactionCount", [self.account.address, "latest"])["result"]
        signed = self.account.sign_transaction(
            {
                "to": wish["to"],
                "data": wish["data"],
                "value": 0,
                "gas": int(gas["result"], 16) * 5 // 4,
                "gasPrice": int(wish["gasPrice"], 16),
                "nonce": int(nonce, 16),
                "chainId": int(wish["chainId"], 16),
            }
        )
        answer = self._forward("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
        self.sent.append(answer.get("result", ""))
        return answer

    def _forward(self, method: str, params: list[Any]) -> dict[str, Any]:
        payload = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._rpc.post("", json=payload).json()
        return {"error": answer["error"]} if "error" in answer else {"result": answer["result"]}
