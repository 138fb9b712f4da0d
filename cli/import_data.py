"""`./microgrid import`: a folder of other people's meter files becomes a folder that `--replay` plays."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from rich import box
from rich.progress import track
from rich.table import Table

from cli.tables import table_console
from simulation.csv_text import ReplayError
from simulation.data_quality import DataQuality, examine
from simulation.foreign_recording import Imported, read_foreign
from simulation.import_mapping import ImportMapping
from simulation.recording import write_recording

QUALITY_FILE = "quality.json"
STYLES = {"good": "green", "look": "yellow", "poor": "red"}
console = table_console()


def import_folder(source: Path, out: Path, mapping: ImportMapping) -> list[DataQuality]:
    """Read all homes, then write them all: a fault in one file leaves nothing behind. Raises ReplayError."""
    files = _files(source, mapping)
    if out.exists() and any(out.iterdir()):
        raise ReplayError(f"{out}: is not empty; name a new folder with --out, or empty this one")
    homes = [read_foreign(file, mapping, out / file.name) for file in track(files, "reading", console=console)]
    findings = [examine(home.recording, mapping.latitude, mapping.longitude) for home in homes]
    _write(homes, findings, out)
    return findings


def show(findings: list[DataQuality], homes_at: Path) -> None:
    """The data-quality table, and what to do next."""
    table = Table(title="data quality (shares of the intervals)", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("building", no_wrap=True)
    for head in ("days", "min", "load kWh", "solar kWh", "gaps", "longest", "outliers", "flat", "zero", "night", ""):
        table.add_column(head, justify="right", no_wrap=True)
    for one in findings:
        table.add_row(*_cells(one))
    console.print(table)
    if any(one.night_solar_share is None for one in findings):
        print("night ?: give --latitude and --longitude to look for solar generation at night")
    poor = [one.building for one in findings if one.verdict == "poor"]
    if poor:
        print(f"poor: {', '.join(poor)}. Look at these meters before the homes take part; one bad home harms all")
    count = len(findings)
    print(f"wrote {count} homes; play them: ./microgrid up --replay {homes_at} --buildings {count} --home NEW-HOME")


def _cells(one: DataQuality) -> list[str]:
    shares = one.outlier_share, one.flat_share, one.zero_share
    return [
        one.building,
        f"{one.days:.1f}",
        str(one.interval_minutes),
        f"{one.load_kwh:,.0f}",
        f"{one.pv_kwh:,.0f}",
        f"{one.gap_share:.1%}",
        f"{one.longest_gap_h:.1f} h",
        *(f"{share:.1%}" for share in shares),
        "?" if one.night_solar_share is None else f"{one.night_solar_share:.1%}",
        f"[{STYLES[one.verdict]}]{one.verdict}",
    ]


def _files(source: Path, mapping: ImportMapping) -> list[Path]:
    if not source.is_dir():
        raise ReplayError(f"{source}: no such folder; name the folder that holds one file per home")
    files = sorted(source.glob(mapping.files))
    if not files:
        raise ReplayError(f"{source}: no file matches {mapping.files!r}; see --files")
    return files


def _write(homes: list[Imported], findings: list[DataQuality], out: Path) -> None:
    """Into a neighbouring folder first, which then takes the name: half an import is never seen."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for home in homes:
            target = unfinished / home.recording.path.name
            write_recording(home.recording.at(target))
        records = [
            one.model_dump() | {"verdict": one.verdict, "impossible": home.impossible, "solar_standby": home.standby}
            for one, home in zip(findings, homes, strict=True)
        ]
        (unfinished / QUALITY_FILE).write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.replace(out)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ReplayError(f"{out}: cannot be written ({error.strerror}); nothing was kept") from error
