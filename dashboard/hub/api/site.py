"""The community: health, clock, site, alerts, counters."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.hub.alerts import alerts_of
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import program_version, refusals
from dashboard.hub.records import Alert, Health, SiteInfo, Summary
from simulation.clock import SimClock

router = APIRouter(tags=["community"])


@router.get("/healthz", responses=refusals(503))
def health(hub: HubDep) -> Health:
    """Whether the hub works, its database included."""
    hub.slots.last()
    return Health(version=program_version())


@router.get("/api/clock")
def clock(hub: HubDep) -> SimClock:
    """The community's simulated time: every process computes the same time from it."""
    return hub.clock


@router.get("/api/site")
def site(hub: HubDep) -> SiteInfo:
    """Name, time zone and tariffs."""
    return SiteInfo(
        name=hub.site.name,
        timezone=hub.site.timezone,
        currency=hub.rules.currency,
        slot_minutes=hub.clock.slot_minutes,
        retail_per_kwh=hub.rules.retail_per_kwh,
        feed_in_per_kwh=hub.rules.feed_in_per_kwh,
        expected=hub.expected,
    )


@router.get("/api/alerts")
def alerts(hub: HubDep) -> list[Alert]:
    """What a person should look at, warnings first, then the oldest."""
    return alerts_of(hub)


@router.get("/api/summary")
def summary(hub: HubDep) -> Summary:
    """Counters of the whole community."""
    return hub.summary()
