"""Trading: what can be bought now, the auction's prices, and every transfer."""

from __future__ import annotations

import streamlit as st

from contracts.deployment import Deployment
from contracts.units import from_base_units
from dashboard import charts, hub_data, layout, theme
from dashboard.hub.records import OfferEntry, TradeEntry
from dashboard.wallet import purchase
from dashboard.wallet.panel import wallet_card
from simulation.clock import slot_start

NO_MARKET = "The operator deploys the contract when it starts: `./microgrid up`, or `./microgrid operator`."
ROWS = 200


@layout.live(layout.LIVE_S)
def desk(deployment: Deployment) -> None:
    """Delivered energy that can be bought from a neighbour, and the wallet that buys."""
    left, right = st.columns([1.6, 1])
    with left:
        _offers(deployment)
    with right, layout.card("wallet", height="stretch"):
        wallet_card(deployment)


def _offers(deployment: Deployment) -> None:
    with layout.card("offers", height="stretch"):
        st.markdown("##### Energy for sale")
        found = sorted(hub_data.offers(), key=lambda offer: offer.order.limit_price)
        if not found:
            layout.empty(
                "Nothing is for sale now",
                "After each slot, buildings offer for a while what they delivered beyond the auction.",
            )
        for offer in found:
            _offer(offer, deployment)


def _offer(offer: OfferEntry, deployment: Deployment) -> None:
    site = hub_data.site()
    until = slot_start(offer.order.expiry_slot + 1, site.slot_minutes)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        when = f"{_slot_label(offer.order.slot)}, until {layout.local_time(until)}"
        st.markdown(f"**{layout.plain(offer.seller_name)}**  \n:gray[{when}]", width=220)
        st.markdown(f"{offer.remaining_wh} Wh", width=90)
        st.markdown(f"{from_base_units(offer.order.limit_price):.3f} {deployment.currency}/kWh", width=130)
        if st.button("Buy", key=f"buy-{offer.order_hash}", type="primary"):
            purchase.choose(offer)


@layout.live(layout.CHART_S)
def prices() -> None:
    """Clearing price and volume of the last slots."""
    with layout.card("prices"):
        st.markdown("##### Clearing price per slot")
        slots = hub_data.slots()
        if not slots:
            layout.empty(
                "No slot has been cleared yet",
                "The first is cleared shortly before the next slot starts, when buildings have sent orders.",
            )
            return
        st.echarts_chart(
            charts.prices_option(slots, hub_data.site(), theme.current()),
            height=280,
            key="prices",
            alt="Clearing price and matched energy per slot",
        )
        st.caption("The auction's one price lies between the utility's two tariffs: both sides gain.")


@layout.live(layout.LIVE_S)
def book() -> None:
    """Orders of the auction that closes next."""
    clock = hub_data.clock()
    slot = clock.slot_at(clock.now()) + 1
    with layout.card("book"):
        st.markdown(f"##### Orders for the next slot, {_slot_label(slot)}")
        found = [entry.order for entry in hub_data.orders(slot) if entry.status == "open"]
        if not found:
            layout.empty(
                "No orders for the next slot yet",
                "Buildings send theirs before the gate closes, one minute before the slot starts.",
            )
            return
        names = {member.number: member.name for member in hub_data.members()}
        rows = [
            {
                "Who": names.get(order.member, f"Member {order.member}"),
                "Side": order.side.name.lower(),
                "Energy [Wh]": order.energy_wh,
                "limit": from_base_units(order.limit_price),
            }
            for order in found
        ]
        limit = st.column_config.NumberColumn(f"Limit [{hub_data.site().currency}/kWh]", format="%.4f")
        st.dataframe(rows, column_config={"limit": limit}, hide_index=True, key="book")


@layout.live(layout.CHART_S)
def trades() -> None:
    """Every transfer that the chain confirms, the newest first."""
    with layout.card("trades"):
        st.markdown("##### Trades")
        found = hub_data.trades()[-ROWS:][::-1]
        if not found:
            layout.empty(
                "No trades yet",
                "The first slot is settled on the chain after it has ended and the meters have reported.",
            )
            return
        currency = hub_data.site().currency
        money = {
            "price": st.column_config.NumberColumn(f"Price [{currency}/kWh]", format="%.4f"),
            "cost": st.column_config.NumberColumn(f"Cost [{currency}]", format="%.4f"),
        }
        st.dataframe([_row(trade) for trade in found], column_config=money, hide_index=True, key="trades", height=360)


def _row(trade: TradeEntry) -> dict[str, str | float | int]:
    return {
        "Slot": _slot_label(trade.slot),
        "Seller": trade.seller_name,
        "Buyer": trade.buyer_name,
        "Energy [Wh]": trade.energy_wh,
        "price": from_base_units(trade.price),
        "cost": from_base_units(trade.cost),
        "How": trade.kind,
        "Transaction": trade.tx_hash,
    }


def _slot_label(slot: int) -> str:
    start = slot_start(slot, hub_data.site().slot_minutes)
    return f"{start.astimezone(layout.zone()):%d %b %H:%M}"


layout.head("Trading")
market = hub_data.market()
if market is None:
    layout.empty("No market yet", NO_MARKET)
else:
    desk(market)
    purchase.open_chosen(market)
prices()
book()
trades()
