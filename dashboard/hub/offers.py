"""Window offers that can still be bought, with what is left of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.hub.records import OfferEntry, OrderEntry

if TYPE_CHECKING:
    from dashboard.hub.hub import Hub


def offers_of(hub: Hub) -> list[OfferEntry]:
    """Offers whose slot is not closed and of which something is left."""
    found = [
        _offer(hub, entry) for entry in hub.orders.open_offers() if hub.slots.state_of(entry.order.slot) != "closed"
    ]
    return [offer for offer in found if offer.remaining_wh > 0]


def _offer(hub: Hub, entry: OrderEntry) -> OfferEntry:
    order = entry.order
    sold_wh = hub.trades.offered_wh_sold(order.slot, order.member)
    return OfferEntry(
        order_hash=entry.order_hash,
        order=order,
        signature=entry.signature,
        remaining_wh=max(0, order.energy_wh - sold_wh),
        seller_name=hub.members.name_of(order.member),
    )
