"""Forecasts of the buildings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from building_clients.forecast import Forecast
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals

router = APIRouter(tags=["forecasts"])

forecast_body = JsonBody(Forecast)


@router.post(
    "/api/forecasts",
    status_code=204,
    responses=refusals(413, 415, 422, 503),
    openapi_extra=forecast_body.openapi(),
)
def add_forecast(hub: HubDep, forecast: Annotated[Forecast, Depends(forecast_body)]) -> None:
    """Store the newest forecast of a building; an older one than is known changes nothing."""
    hub.buildings.require_all({forecast.building_id})
    hub.forecasts.add(forecast)


@router.get("/api/buildings/predictions")
def predictions(hub: HubDep) -> dict[str, Forecast]:
    """The newest forecast of each building that sent one."""
    return hub.forecasts.all()
