"""The newest forecast of each building, and what each building expected of the slot that runs now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from building_clients.forecast import Forecast
from dashboard.hub import tables
from dashboard.hub.database import Database
from dashboard.hub.errors import Invalid
from dashboard.hub.records import NextSlot

KEPT_SLOTS = 8
"""Slots for which an expectation is remembered after they began [1]"""


@dataclass(frozen=True)
class Expectation:
    """What a building expected of one slot before it began [kW]"""

    p10: float
    """It expected to stay above this four times in five, together with `p90`."""
    p50: float
    """The median."""
    p90: float
    """See `p10`."""


class Forecasts:
    """A forecast replaces an older one of the same building, never a newer one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: dict[str, Forecast] = {}
        self._expected: dict[str, dict[int, Expectation]] = {}
        with database.read() as connection:
            for payload in connection.scalars(select(tables.forecasts.c.payload)):
                self._remember(Forecast.model_validate_json(payload))

    def add(self, forecast: Forecast) -> None:
        """Store a forecast, unless a newer one is known. Raises Invalid when its parts differ in length."""
        _check_steps(forecast)
        values = {"issued_at": forecast.issued_at, "payload": forecast.model_dump_json()}
        statement = insert(tables.forecasts).values(building_id=forecast.building_id, **values)
        with self._database.lock:
            known = self._newest.get(forecast.building_id)
            if known is not None and known.issued_at > forecast.issued_at:
                return
            with self._database.write() as connection:
                connection.execute(statement.on_conflict_do_update(index_elements=["building_id"], set_=values))
            self._remember(forecast)

    def all(self) -> dict[str, Forecast]:
        """The newest forecast of each building."""
        return dict(self._newest)

    def next_slot(self, building_id: str, slot: int) -> NextSlot | None:
        """What a building expects of `slot`; None when its forecast does not cover it."""
        forecast = self._newest.get(building_id)
        step = -1 if forecast is None else slot - forecast.slot
        if forecast is None or not 0 <= step < len(forecast.net_flow_kw_p50):
            return None
        return NextSlot(
            slot=slot,
            net_flow_kw_p50=forecast.net_flow_kw_p50[step],
            deficit_probability=forecast.deficit_probability[step],
            source=forecast.source,
        )

    def expectation(self, building_id: str, slot: int) -> Expectation | None:
        """What a building expected of `slot` before it began; None when it sent nothing."""
        return self._expected.get(building_id, {}).get(slot)

    def _remember(self, forecast: Forecast) -> None:
        self._newest[forecast.building_id] = forecast
        first = Expectation(forecast.net_flow_kw_p10[0], forecast.net_flow_kw_p50[0], forecast.net_flow_kw_p90[0])
        known = {**self._expected.get(forecast.building_id, {}), forecast.slot: first}
        newest_slots = sorted(known)[-KEPT_SLOTS:]
        self._expected[forecast.building_id] = {slot: known[slot] for slot in newest_slots}


def _check_steps(forecast: Forecast) -> None:
    parts = ("net_flow_kw_p10", "net_flow_kw_p50", "net_flow_kw_p90", "deficit_probability")
    lengths = {name: len(getattr(forecast, name)) for name in parts}
    if len(set(lengths.values())) != 1 or not lengths[parts[0]]:
        raise Invalid(f"a forecast needs as many steps in each part, and at least one; found {lengths}")
