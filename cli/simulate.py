"""`./microgrid simulate`: buildings of a scenario as fast as possible, as figures, a picture, or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from rich import box
from rich.progress import Progress
from rich.table import Table

from building_clients.readings_store import ReadingsStore
from cli.building import as_run, source_of
from cli.scenario import Scenario, ScenarioError
from cli.tables import table_console
from simulation.building import BuildingSimulation
from simulation.energy import EnergyTotals, energy_of
from simulation.plot import draw_readings
from simulation.settings import BuildingConfig

LONGEST_PLOT_DAYS = 400
console = table_console()


@dataclass(frozen=True)
class SimulateOptions:
    """What `simulate` is asked for."""

    days: int
    """How long [d]"""
    start: datetime | None = None
    """First minute; without an offset on the clocks of the site. By default the midnight before the clock's start."""
    building: str | None = None
    """Only this one."""
    plot: Path | None = None
    """Where to draw it."""
    out: Path | None = None
    """Folder for readings as the buildings keep them."""


def simulate(scenario: Scenario, options: SimulateOptions) -> None:
    """Print energy figures of each building; draw one, write all. Raises ScenarioError, StoreError or PlotError."""
    chosen = [scenario.building_by_id(options.building)] if options.building else list(scenario.building)
    if options.plot is not None and options.days > LONGEST_PLOT_DAYS:
        raise ScenarioError(f"--days {options.days}: a picture shows at most {LONGEST_PLOT_DAYS} days; use --out")
    start = _start(scenario, options.start)
    drawn = None if options.plot is None else _plot(scenario, chosen[0], start, options.days, options.plot)
    if drawn is not None and options.out is None:
        chosen, totals = chosen[:1], [energy_of(drawn)]
    else:
        totals = _run(scenario, chosen, start, options)
    _show(scenario, chosen, totals, start, options.days)
    for path in (options.plot, options.out):
        if path is not None:
            print(f"wrote {path}")


def _start(scenario: Scenario, wanted: datetime | None) -> datetime:
    zone = ZoneInfo(_timezone(scenario))
    if wanted is None:
        wanted = scenario.clock.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (wanted if wanted.tzinfo else wanted.replace(tzinfo=zone)).astimezone(UTC)


def _timezone(scenario: Scenario) -> str:
    """Clocks of the people: at the site, or where the recording was made."""
    return scenario.replay.timezone if scenario.replay.directory else scenario.site.timezone


def _simulation(scenario: Scenario, config: BuildingConfig) -> BuildingSimulation:
    return BuildingSimulation(as_run(scenario, config), source_of(scenario, config))


def _plot(scenario: Scenario, config: BuildingConfig, start: datetime, days: int, path: Path) -> pd.DataFrame:
    """Draw one building; returns its readings."""
    end = start + timedelta(days=days)
    readings = _simulation(scenario, config).readings_before(end, days)
    zone = ZoneInfo(_timezone(scenario))
    dates = f"{days} day{'s' if days > 1 else ''} from {start.astimezone(zone):%d %B %Y}"
    kind = "recorded" if scenario.replay.directory else "simulated"
    title = f"{config.id} {config.name} ({config.profile.replace('_', ' ')}), {dates}, {kind}"
    draw_readings(readings, title, _timezone(scenario), path)
    return readings


def _run(
    scenario: Scenario, chosen: Sequence[BuildingConfig], start: datetime, options: SimulateOptions
) -> list[EnergyTotals]:
    """All buildings side by side, month by month, so that they share the weather and memory stays small."""
    end = start + timedelta(days=options.days)
    histories = [_simulation(scenario, config).history(end, options.days) for config in chosen]
    stores = [] if options.out is None else [ReadingsStore(options.out / one.id / "readings", one.id) for one in chosen]
    totals = [EnergyTotals()] * len(chosen)
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("simulating", total=options.days * 1440)
            for chunks in zip(*histories, strict=True):
                totals = [total + energy_of(chunk) for total, chunk in zip(totals, chunks, strict=True)]
                for store, chunk in zip(stores, chunks, strict=False):
                    store.extend(_numbered(chunk, store.count))
                progress.advance(task, len(chunks[0]))
    finally:
        for store in stores:
            store.close()
    return totals


def _numbered(chunk: pd.DataFrame, first: int) -> pd.DataFrame:
    """Rows that go on where a store stands."""
    return chunk.assign(seq=range(first, first + len(chunk)))


def _show(
    scenario: Scenario, chosen: Sequence[BuildingConfig], totals: Sequence[EnergyTotals], start: datetime, days: int
) -> None:
    local = start.astimezone(ZoneInfo(_timezone(scenario)))
    title = f"{scenario.site.name}, {days} days from {local:%Y-%m-%d %H:%M}: energy in kWh, and shares"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("building", no_wrap=True)
    for head in ("load", "peak kW", "solar", "import", "export", "self-suff.", "self-cons."):
        table.add_column(head, justify="right", no_wrap=True, min_width=7)
    for config, one in zip(chosen, totals, strict=True):
        energies = one.pv_kwh, one.import_kwh, one.export_kwh
        table.add_row(
            f"{config.id} {config.name}",
            _energy(one.load_kwh),
            f"{one.peak_kw:.1f}",
            *map(_energy, energies),
            *("-" if share is None else f"{share:.0%}" for share in (one.self_sufficiency, one.self_consumption)),
        )
    console.print(table)


def _energy(kwh: float) -> str:
    return f"{kwh:,.1f}" if kwh < 1000 else f"{kwh:,.0f}"
