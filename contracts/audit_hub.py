"""The hub's trades against the chain's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.audit_report import Check, Difference
from contracts.events import EnergyTransfer
from contracts.hub_client import HubClient

MOST = 10_000
"""So many trades the hub shows, the newest ones [1]"""
ADVICE = (
    "the chain is right. Missing trades: start the operator again, it reports all of them anew. Edited or invented "
    "ones: stop the hub and restore hub/hub.sqlite3 from a backup"
)
Key = tuple[str, int]


def trades_in(hub: HubClient) -> list[EnergyTransfer]:
    """The hub's trades without what it adds for display. Raises HubError."""
    fields = EnergyTransfer.model_fields
    entries = hub.get("/api/trades", limit=MOST)
    return [EnergyTransfer.model_validate({key: entry[key] for key in fields}) for entry in entries]


def compare_hub(chain: Sequence[EnergyTransfer], before: Sequence[EnergyTransfer], hub: HubClient) -> Check:
    """The check of the hub's trades, `before` being what it showed before the chain was read. Raises HubError.

    The hub takes only what the chain confirms, so what it showed before must be on the chain; and what is on the chain
    must be in the hub now. When it shows no more than its newest trades, nothing is said about missing ones.
    """
    on_chain, shown = _by_key(chain), _by_key(before)
    differences = [difference for trade in before for difference in _compare(on_chain.get(_key(trade)), trade)]
    now = shown if on_chain.keys() <= shown.keys() else _by_key(trades_in(hub))
    if len(before) < MOST and len(now) < MOST:
        differences += [_missing(trade) for trade in chain if _key(trade) not in now]
    equal = sum(on_chain.get(key) == trade for key, trade in (shown | now).items())
    return Check(
        name="trades in the hub",
        unit="trades",
        compared=len(on_chain.keys() | shown.keys()),
        expected=min(len(chain), MOST),
        found=equal,
        differences=tuple(differences),
        advice=ADVICE,
    )


def _compare(true: EnergyTransfer | None, shown: EnergyTransfer) -> Iterator[Difference]:
    if true is None:
        yield _difference(shown, "trade that the chain does not have", None, _words(shown))
        return
    for field in EnergyTransfer.model_fields:
        expected, found = getattr(true, field), getattr(shown, field)
        if expected != found:
            yield _difference(true, field, expected, found)


def _missing(trade: EnergyTransfer) -> Difference:
    return _difference(trade, "trade that the hub does not have", _words(trade), None)


def _difference(trade: EnergyTransfer, what: str, expected: int | str | None, found: int | str | None) -> Difference:
    what = f"#{trade.log_index}, {what}"
    return Difference(
        what=what, member=trade.seller, slot=trade.slot, tx_hash=trade.tx_hash, expected=expected, found=found
    )


def _words(trade: EnergyTransfer) -> str:
    return f"{trade.energy_wh} Wh from {trade.seller} to {trade.buyer}"


def _by_key(trades: Sequence[EnergyTransfer]) -> dict[Key, EnergyTransfer]:
    return {_key(trade): trade for trade in trades}


def _key(trade: EnergyTransfer) -> Key:
    return trade.tx_hash, trade.log_index
