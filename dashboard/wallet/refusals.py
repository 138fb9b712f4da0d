"""Words for what a wallet, the node or the contract refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector
from eth_utils.hexadecimal import decode_hex

from contracts.events import FAULTS
from contracts.units import from_base_units
from dashboard.hub.wallet_abi import contract_interface
from dashboard.wallet.requests import WalletError

USER_REJECTED = 4001
UNKNOWN_CHAIN = 4902
BUSY = -32002
STANDARD_ERROR = bytes.fromhex("08c379a0")
REVERT_DATA = re.compile(r"^0x([0-9a-fA-F]{2}){4,}$")
Values = tuple[Any, ...]

OFFER_REASONS = {
    "over-filled": "somebody was faster: less is left of this offer than you asked for; choose less",
    "self trade": "this offer is your own; choose another",
    "expired": "the offer has expired; choose another",
}
"""Words for the reasons that a buyer can meet; the rest are shown as the contract gives them."""

EXPLAINED: dict[str, Callable[[Values], str]] = {
    "InsufficientEscrow": lambda v: (
        f"not enough money in your escrow: {from_base_units(v[1]):.2f} there, {from_base_units(v[2]):.2f} needed; "
        "get test money or buy less"
    ),
    "InsufficientEnergy": lambda v: (
        f"the offer is gone: the seller has {v[1]} Wh left and you asked for {v[2]} Wh; choose less"
    ),
    "OfferInvalid": lambda v: OFFER_REASONS.get(
        FAULTS[v[1]], f"the offer is not valid any more ({FAULTS[v[1]]}); choose another"
    ),
    "MarketPaused": lambda _: "the market is paused; try again when the operator has opened it again",
    "NotOwner": lambda v: (
        f"the contract does not know this wallet as member {v[0]}: wait a moment if you have just joined, "
        "or connect the wallet that joined"
    ),
    "UnknownMember": lambda v: (
        f"the contract does not know member {v[0]} yet; wait until the operator has registered it"
    ),
    "MintTooLarge": lambda v: f"the test token gives at most {from_base_units(v[1]):.2f} at a time",
}


def explain(error: WalletError) -> str:
    """One sentence: what was refused and what to do."""
    if error.code == USER_REJECTED:
        return "you rejected the request in your wallet; nothing was sent"
    if error.code == BUSY:
        return "your wallet is waiting for another answer; open it and finish or reject that first"
    for data in _revert_data(error.data):
        words = explain_revert(data)
        if words:
            return words
    return str(error) or "your wallet refused without a reason; look into it and try again"


def is_unknown_chain(error: WalletError) -> bool:
    """Whether the wallet must be told about the chain first; some wallets wrap the code."""
    return error.code == UNKNOWN_CHAIN or f"'code': {UNKNOWN_CHAIN}" in repr(error.data)


def explain_revert(data: str) -> str | None:
    """Words for ABI-encoded revert data; None when no known error has this selector."""
    raw = decode_hex(data)
    selector, body = raw[:4], raw[4:]
    if selector == STANDARD_ERROR:
        return str(decode(["string"], body)[0])
    entry = _errors().get(selector)
    if entry is None:
        return None
    try:
        values = decode([argument["type"] for argument in entry["inputs"]], body)
    except DecodingError:
        return None
    known = EXPLAINED.get(entry["name"])
    return known(values) if known else f"the contract refused: {entry['name']}{_shown(values)}"


def _shown(values: Values) -> str:
    return "(" + ", ".join(value.hex() if isinstance(value, bytes) else str(value) for value in values) + ")"


def _errors() -> dict[bytes, dict[str, Any]]:
    interface = contract_interface()
    entries: list[Any] = [entry for entry in [*interface.abi, *interface.token_abi] if entry["type"] == "error"]
    return {function_signature_to_4byte_selector(abi_to_signature(entry)): entry for entry in entries}


def _revert_data(data: Any) -> Iterator[str]:
    """Wallets bury the node's revert data at different depths."""
    if isinstance(data, str) and REVERT_DATA.match(data):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _revert_data(value)
