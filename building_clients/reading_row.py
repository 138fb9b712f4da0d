"""One reading as one row of the building's CSV, and back."""

from __future__ import annotations

from pydantic import ValidationError

from simulation.reading import Reading

COLUMNS = ("seq", "timestamp", "load_kw", "pv_kw", "battery_kw", "soc", "grid_kw", "net_flow_kw", "quality")
HEADER = (",".join(COLUMNS) + "\n").encode()
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def format_reading(reading: Reading) -> bytes:
    """The row of a reading, with its end of line."""
    return format_row(
        reading.seq,
        reading.timestamp.strftime(TIME_FORMAT),
        reading.load_kw,
        reading.pv_kw,
        reading.battery_kw,
        reading.soc,
        reading.grid_kw,
        reading.net_flow_kw,
        reading.quality,
    )


def format_row(
    seq: int,
    time: str,
    load: float,
    pv: float,
    battery: float,
    soc: float | None,
    grid: float,
    net: float,
    quality: str,
) -> bytes:
    """Powers with 4 decimals [kW], state of charge with 5 [1] or empty when there is no battery (None or NaN)."""
    charge = "" if soc is None or soc != soc else f"{soc:.5f}"
    return f"{seq},{time},{load:.4f},{pv:.4f},{battery:.4f},{charge},{grid:.4f},{net:.4f},{quality}\n".encode()


def parse_row(building_id: str, line: bytes) -> Reading:
    """The reading of a row. Raises ValueError naming the column that is wrong."""
    fields = line.decode(errors="replace").split(",")
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(fields)} columns, not {len(COLUMNS)}")
    values: dict[str, str | None] = dict(zip(COLUMNS, fields, strict=True))
    values["soc"] = values["soc"] or None
    try:
        return Reading.model_validate({"building_id": building_id, **values})
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["loc"][0])) from error
