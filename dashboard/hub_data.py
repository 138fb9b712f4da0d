"""What the pages know: typed answers of the hub, kept for a second or a few so that many viewers cost it little.

HubAwayError -- no answer at all; the pages show one box and come back by themselves
HubRefusedError -- the hub refused a request, with its reason
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import httpx
import streamlit as st
from pydantic import TypeAdapter

from building_clients.forecast import Forecast
from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from dashboard.hub.records import (
    Alert,
    BuildingState,
    MemberEntry,
    OfferEntry,
    OrderEntry,
    SiteInfo,
    SlotReport,
    Summary,
    TradeEntry,
)
from fl_server.report import ModelRelease, RoundReport
from simulation.clock import SimClock
from simulation.reading import Reading

T = TypeVar("T")

HUB_URL_VARIABLE = "MICROGRID_HUB_URL"
DEFAULT_HUB_URL = "http://127.0.0.1:8700"
TIMEOUT_S = 5.0
TRADES_SHOWN = 2000
"""Enough for a day of 20 buildings in slots of 15 minutes [1]"""


class HubAwayError(RuntimeError):
    """The hub does not answer."""


class HubRefusedError(RuntimeError):
    """The hub refused; the text is its reason."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def hub_url() -> str:
    """Address of the hub, without a slash at the end."""
    return os.environ.get(HUB_URL_VARIABLE, DEFAULT_HUB_URL).rstrip("/")


@st.cache_data(ttl=30, show_spinner=False)
def clock() -> SimClock:
    """The community's simulated time."""
    return _get("/api/clock", SimClock)


@st.cache_data(ttl=30, show_spinner=False)
def site() -> SiteInfo:
    """Name, time zone, tariffs, expected buildings."""
    return _get("/api/site", SiteInfo)


@st.cache_data(ttl=1, show_spinner=False)
def buildings() -> list[BuildingState]:
    """All buildings as they are now, in the scenario's order."""
    return _get("/api/buildings", list[BuildingState])


@st.cache_data(ttl=4, show_spinner=False)
def history(building_id: str) -> list[Reading]:
    """The last 200 readings of one building, newest last."""
    return _get(f"/api/buildings/{building_id}/history", list[Reading])


@st.cache_data(ttl=4, show_spinner=False)
def predictions() -> dict[str, Forecast]:
    """The newest forecast of each building that sent one."""
    return _get("/api/buildings/predictions", dict[str, Forecast])


@st.cache_data(ttl=2, show_spinner=False)
def alerts() -> list[Alert]:
    """What a person should look at."""
    return _get("/api/alerts", list[Alert])


@st.cache_data(ttl=2, show_spinner=False)
def summary() -> Summary:
    """Counters of the whole community."""
    return _get("/api/summary", Summary)


@st.cache_data(ttl=3, show_spinner=False)
def trades() -> list[TradeEntry]:
    """The latest energy transfers, newest last."""
    return _get("/api/trades", list[TradeEntry], limit=TRADES_SHOWN)


@st.cache_data(ttl=3, show_spinner=False)
def slots() -> list[SlotReport]:
    """The latest market slots, newest last."""
    return _get("/api/slots", list[SlotReport])


@st.cache_data(ttl=2, show_spinner=False)
def orders(slot: int) -> list[OrderEntry]:
    """The auction orders of one slot."""
    return _get("/api/orders", list[OrderEntry], slot=slot)


@st.cache_data(ttl=1, show_spinner=False)
def offers() -> list[OfferEntry]:
    """Delivered energy that can still be bought."""
    return _get("/api/offers", list[OfferEntry])


@st.cache_data(ttl=3, show_spinner=False)
def rounds() -> list[RoundReport]:
    """Rounds of federated learning, newest last."""
    return _get("/api/rounds", list[RoundReport])


@st.cache_data(ttl=3, show_spinner=False)
def models() -> list[ModelRelease]:
    """Released forecasters, newest last."""
    return _get("/api/models", list[ModelRelease])


@st.cache_data(ttl=1, show_spinner=False)
def members() -> list[MemberEntry]:
    """All members by number."""
    return _get("/api/members", list[MemberEntry])


@st.cache_data(ttl=5, show_spinner=False)
def market() -> Deployment | None:
    """The contract; None until the operator has announced one."""
    try:
        return _get("/api/market", Deployment)
    except HubRefusedError as refusal:
        if refusal.status == httpx.codes.NOT_FOUND:
            return None
        raise


def why_away() -> str | None:
    """Why no page can be shown now; None when the hub answers."""
    try:
        clock(), site(), buildings(), market()
    except HubAwayError as away:
        return str(away)
    return None


def join_as_guest(owner: str, name: str) -> MemberEntry:
    """The guest member of a wallet, new or known. Raises HubRefusedError when guests cannot join."""
    answer = _send("POST", "/api/guests", json={"owner": owner, "name": name})
    members.clear()
    return MemberEntry.model_validate_json(answer.content)


def report_trades(transfers: list[EnergyTransfer]) -> None:
    """Log a purchase in the hub, which checks it against the chain. Raises HubRefusedError with its reason."""
    _send("POST", "/api/trades", json=[transfer.model_dump(mode="json") for transfer in transfers])
    for cached in (trades, offers, buildings):
        cached.clear()


def _get(path: str, kind: type[T], **params: int) -> T:
    return TypeAdapter(kind).validate_json(_send("GET", path, params=params).content)


def _send(method: str, path: str, **arguments: Any) -> httpx.Response:
    """Raises HubAwayError when nothing answers or the hub itself fails, HubRefusedError when it refuses."""
    url = hub_url()
    try:
        answer = _client(url).request(method, path, **arguments)
    except httpx.TransportError as error:
        raise HubAwayError(f"{url} does not answer ({error})") from error
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise HubAwayError(f"{url}{path} answered {answer.status_code}: {_reason(answer)}")
    if answer.is_error:
        raise HubRefusedError(answer.status_code, _reason(answer))
    return answer


@st.cache_resource(show_spinner=False)
def _client(url: str) -> httpx.Client:
    """One pool of connections; the environment's proxies are not for the hub."""
    return httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200] or answer.reason_phrase
