"""The peer: CityLearn's energy community stepped over weeks of ours, run by a Python that has it.

    python benchmarks/_citylearn.py FOLDER BUILDINGS      prints {"building_steps": ..., "cpu_s": ..., "version": ...}

`FOLDER` holds load_N.npy and pv_N.npy (hourly, kW, from `benchmarks/simulation.py`). Imports nothing of this project.
"""

from __future__ import annotations

import csv
import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

OBSERVATIONS = (
    "month",
    "hour",
    "day_type",
    "non_shiftable_load",
    "solar_generation",
    "electrical_storage_soc",
    "net_electricity_consumption",
)
SKY = (
    "outdoor_dry_bulb_temperature",
    "outdoor_relative_humidity",
    "diffuse_solar_irradiance",
    "direct_solar_irradiance",
)
AHEAD = ("", "_predicted_1", "_predicted_2", "_predicted_3")
BATTERY = {"capacity": 6.4, "efficiency": 0.9, "nominal_power": 3.2, "capacity_loss_coefficient": 1e-5}


def _write(path: Path, columns: dict[str, list[float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def schema(folder: Path, buildings: int) -> tuple[dict[str, Any], int]:
    """A data set in CityLearn's form, one battery and one array in each building; and its number of hours."""
    import numpy as np

    hours = len(np.load(folder / "load_0.npy"))
    weather = {name + end: [20.0] * hours for name in SKY for end in AHEAD}
    _write(folder / "weather.csv", weather)
    _write(folder / "carbon.csv", {"carbon_intensity": [0.3] * hours})
    prices = {f"electricity_pricing{end}": [0.3] * hours for end in AHEAD}
    _write(folder / "pricing.csv", prices)
    homes: dict[str, Any] = {}
    for number in range(buildings):
        zero = [0.0] * hours
        columns = {
            "month": [6] * hours,
            "hour": [i % 24 + 1 for i in range(hours)],
            "day_type": [i // 24 % 7 + 1 for i in range(hours)],
            "daylight_savings_status": [0] * hours,
            "indoor_dry_bulb_temperature": [20.0] * hours,
            "average_unmet_cooling_setpoint_difference": zero,
            "indoor_relative_humidity": [50.0] * hours,
            "non_shiftable_load": np.load(folder / f"load_{number}.npy").tolist(),
            "dhw_demand": zero,
            "cooling_demand": zero,
            "heating_demand": zero,
            "solar_generation": (1000 * np.load(folder / f"pv_{number}.npy")).tolist(),
        }
        _write(folder / f"home_{number}.csv", columns)
        homes[f"home_{number}"] = {
            "include": True,
            "energy_simulation": f"home_{number}.csv",
            "weather": "weather.csv",
            "carbon_intensity": "carbon.csv",
            "pricing": "pricing.csv",
            "inactive_observations": [],
            "inactive_actions": [],
            "electrical_storage": {
                "type": "citylearn.energy_model.Battery",
                "autosize": False,
                "attributes": {
                    "capacity": 6.4,
                    "efficiency": 0.9,
                    "nominal_power": 3.2,
                    "capacity_loss_coefficient": 1e-5,
                },
            },
            "pv": {"type": "citylearn.energy_model.PV", "autosize": False, "attributes": {"nominal_power": 1.0}},
        }
    return {
        "random_seed": 7,
        "root_directory": str(folder),
        "central_agent": True,
        "simulation_start_time_step": 0,
        "simulation_end_time_step": hours - 1,
        "episode_time_steps": hours,
        "rolling_episode_split": False,
        "random_episode_split": False,
        "seconds_per_time_step": 3600,
        "observations": {name: {"active": True, "shared_in_central_agent": False} for name in OBSERVATIONS},
        "actions": {"electrical_storage": {"active": True}},
        "agent": {"type": "citylearn.agents.base.BaselineAgent", "attributes": {}},
        "reward_function": {"type": "citylearn.reward_function.RewardFunction", "attributes": {}},
        "buildings": homes,
    }, hours


def main() -> None:
    """Build the environment, then time nothing but its steps."""
    warnings.simplefilter("ignore")
    from citylearn.citylearn import CityLearnEnv

    folder, buildings = Path(sys.argv[1]), int(sys.argv[2])
    content, hours = schema(folder, buildings)
    (folder / "schema.json").write_text(json.dumps(content))
    environment = CityLearnEnv(str(folder / "schema.json"), central_agent=True)
    environment.reset()
    idle = [[0.0] * buildings]
    steps, begin = 0, time.process_time()
    for _ in range(hours - 2):
        environment.step(idle)
        steps += 1
    cpu_s = time.process_time() - begin
    print(json.dumps({"building_steps": steps * buildings, "cpu_s": cpu_s, "version": version("citylearn")}))


if __name__ == "__main__":
    main()
