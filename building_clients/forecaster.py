"""From the newest readings to a forecast: with the shared model where that can be trusted, else the seasonal base."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from building_clients.architecture import Weights
from building_clients.calibration import Calibration, Predictor, SeasonalModel, calibrated_on, forecast_samples
from building_clients.forecast import POWER_MAX_KW, Forecast, Source
from building_clients.inference import OnnxModel
from building_clients.slots import TrainError, to_slots
from building_clients.windows import Series

log = logging.getLogger(__name__)

MODEL_MIN_DAYS = 2
"""Days of history below which the seasonal base forecasts even when there are weights."""
RUNNING_SHARE = 0.5
"""Of a running slot so many minutes must be over to stand for all of it: a bid is made before its end [1]"""
STALE_H = 2.0
"""Readings older than this before the first slot forecast say nothing about today [h]"""
MODEL_MAX = 100.0
"""The model's forecast must stay within so many times the building's scale [1]"""


class Forecaster:
    """Forecasts of one building; intervals are corrected once a day and when the model changes."""

    def __init__(self, building_id: str, slot_minutes: int) -> None:
        self._id = building_id
        self._slot_minutes = slot_minutes
        self._horizon = 24 * 60 // slot_minutes
        self._model: OnnxModel | None = None
        self._seasonal = SeasonalModel()
        self._calibrations: dict[Predictor, tuple[int, Calibration]] = {}
        self._reason = ""
        self.absence = "no shared model yet"
        """Why there is no model, while there is none."""

    def use(self, weights: Weights) -> None:
        """Forecast with these weights from now on."""
        self._model = OnnxModel(weights, self._horizon)
        self._calibrations.clear()

    def forecast(self, readings: pd.DataFrame, now: datetime, slot: int, model_version: int) -> Forecast:
        """Forecast from `slot` on, with what was measured before `now`; `source` and `reason` say from what."""
        readings = readings[readings.index <= now - timedelta(minutes=1)]
        try:
            series = Series(to_slots(readings, self._slot_minutes, RUNNING_SHARE))
        except TrainError as error:
            return self._flat(readings, now, slot, model_version, str(error))
        sample = series.newest()
        skip = slot - series.slots.first_slot - len(series.slots)
        reason = self._distrust(series, skip)
        quantiles, deficit = self._predict(series, self._seasonal if reason else self._model or self._seasonal)
        if not reason and not ((np.abs(quantiles) < MODEL_MAX).all() and np.isfinite(deficit).all()):
            reason = f"model version {model_version} forecasts absurd values"
            quantiles, deficit = self._predict(series, self._seasonal)
        return self._record(now, slot, skip, quantiles * sample.scale_kw[0], deficit, reason, model_version)

    def _distrust(self, series: Series, skip: int) -> str:
        """Why the model cannot be used; empty when it can."""
        age_h = skip * self._slot_minutes / 60
        if self._model is None:
            return self.absence
        if series.slots.days < MODEL_MIN_DAYS:
            return f"{series.slots.days:.1f} days of history; the model needs {MODEL_MIN_DAYS}"
        if age_h > STALE_H:
            return f"the newest reading is {age_h:.0f} h old"
        return ""

    def _predict(self, series: Series, predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles (horizon, 3) and deficit probability (horizon,) of the newest sample."""
        day = (series.slots.first_slot + len(series.slots)) // series.slots.per_day
        known = self._calibrations.get(predictor)
        with np.errstate(all="ignore"):  # absurd weights are noticed in what they forecast
            if known is None or known[0] != day:
                known = (day, calibrated_on(series, predictor, len(series.slots), predictor is self._model))
                self._calibrations[predictor] = known
            quantiles, deficit = forecast_samples(predictor, series.newest(), known[1])
        return quantiles[0], deficit[0]

    def _record(
        self,
        now: datetime,
        slot: int,
        skip: int,
        quantiles_kw: np.ndarray,
        deficit: np.ndarray,
        reason: str,
        model_version: int,
    ) -> Forecast:
        """A sample begins at the first slot without a reading; `skip` slots of it are over, its end repeats the day."""
        if reason and reason != self._reason:
            log.warning("forecast from the seasonal base: %s", reason)
        self._reason = reason
        index = np.clip(np.arange(self._horizon) + skip, 0, None) % self._horizon
        rows = np.round(np.clip(quantiles_kw[index].astype(float), -POWER_MAX_KW, POWER_MAX_KW), 4)
        source: Source = "seasonal" if reason else "model"
        return Forecast(
            building_id=self._id,
            issued_at=now,
            slot=slot,
            slot_minutes=self._slot_minutes,
            net_flow_kw_p10=tuple(rows[:, 0].tolist()),
            net_flow_kw_p50=tuple(rows[:, 1].tolist()),
            net_flow_kw_p90=tuple(rows[:, 2].tolist()),
            deficit_probability=tuple(np.clip(np.round(deficit[index].astype(float), 4), 0, 1).tolist()),
            source=source,
            reason=reason,
            model_version=model_version,
        )

    def _flat(self, readings: pd.DataFrame, now: datetime, slot: int, model_version: int, reason: str) -> Forecast:
        """Before the first full day: the mean of what there is, and the deficit as likely as it was."""
        net = (readings["pv_kw"] - readings["load_kw"]).dropna()
        mean, share = (float(net.mean()), float((net < 0).mean())) if len(net) else (0.0, 0.5)
        quantiles = np.full((self._horizon, 3), mean)
        return self._record(now, slot, 0, quantiles, np.full(self._horizon, share), reason, model_version)
