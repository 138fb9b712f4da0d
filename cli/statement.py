"""`./microgrid statement`: a building's account for a month, as a table or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from cli.home import Home
from cli.ledger import VerifyOptions, sources
from cli.scenario import Scenario
from cli.tables import table_console
from contracts.events import MarketEvent
from contracts.ledger import Ledger
from contracts.sender import LedgerError
from contracts.statement import Line, Statement, statement_of
from contracts.units import from_base_units, wh_to_kwh
from simulation.clock import slot_index, slot_start
from simulation.errors import MicrogridError

COLUMNS = (
    "booked_at",
    "energy_at",
    "what",
    "energy_kwh",
    "price_per_kwh",
    "grid_fee",
    "amount",
    "balance",
    "transaction",
)
TRIES = 5


class StatementError(MicrogridError):
    """There is no such statement; the text says why."""


@dataclass(frozen=True)
class Month:
    """A calendar month in the site's time, as slots."""

    text: str
    """Such as 2026-06."""
    first_slot: int
    """First slot that starts in it."""
    last_slot: int
    """Last one."""


def show_statement(home: Home, scenario: Scenario, building: str, month: str | None, csv_file: str | None) -> None:
    """Print the account of a building; with `csv_file` write it there instead (- for the screen).

    Raises StatementError, LedgerError or HubError.
    """
    number = scenario.member_number(building)
    _, deployment = sources(home, scenario, VerifyOptions(None, True, None, None, None, None), Console(stderr=True))
    ledger = Ledger(deployment)
    events, escrow = _snapshot(ledger, number)
    minutes, zone = deployment.slot_minutes, ZoneInfo(scenario.site.timezone)
    chosen = _month(month or _newest(events, minutes, zone), minutes, zone)
    statement = statement_of(events, number, chosen.first_slot, chosen.last_slot)
    if ledger.current_slot() <= chosen.last_slot and statement.closing != escrow:
        raise StatementError(
            f"the events say that {building} has {statement.closing} base units, the contract says {escrow}; "
            "run ./microgrid ledger verify"
        )
    if csv_file is not None:
        _write(csv_file, statement, minutes, zone)
    if csv_file != "-":
        _show(statement, f"{building}, {chosen.text}", deployment.currency, minutes, zone)


def _snapshot(ledger: Ledger, number: int) -> tuple[list[MarketEvent], int]:
    """All events, and the escrow, of the same block."""
    for _ in range(TRIES):
        block = ledger.block_number()
        events, escrow = ledger.events(to_block=block), ledger.balance(number).escrow
        if ledger.block_number() == block:
            return events, escrow
    raise LedgerError("the chain moves too fast to read a consistent state; try again")


def _newest(events: list[MarketEvent], minutes: int, zone: ZoneInfo) -> str:
    slot = max((event.values["slot"] for event in events if event.name == "SlotAdvanced"), default=0)
    return f"{slot_start(slot, minutes).astimezone(zone):%Y-%m}"


def _month(text: str, minutes: int, zone: ZoneInfo) -> Month:
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
    except ValueError as error:
        raise StatementError(f"--month {text}: write it as 2026-06") from error
    end = (start + timedelta(days=32)).replace(day=1)
    return Month(text, slot_index(start, minutes), slot_index(end, minutes) - 1)


def _row(line: Line, minutes: int, zone: ZoneInfo) -> tuple[str, ...]:
    """A line in the order of COLUMNS; amounts with all their decimals, so that they add up."""

    def local(slot: int | None) -> str:
        return "" if slot is None else f"{slot_start(slot, minutes).astimezone(zone):%Y-%m-%d %H:%M}"

    return (
        local(line.booked_slot),
        local(line.slot),
        line.what,
        f"{wh_to_kwh(line.energy_wh):.3f}" if line.energy_wh else "",
        "" if line.price is None else f"{from_base_units(line.price):.6f}",
        f"{from_base_units(line.grid_fee):.6f}" if line.grid_fee else "",
        f"{from_base_units(line.amount):.6f}",
        f"{from_base_units(line.balance):.6f}",
        line.tx_hash,
    )


def _write(target: str, statement: Statement, minutes: int, zone: ZoneInfo) -> None:
    with _opened(target) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerow(("", "", "opening balance", "", "", "", "", f"{from_base_units(statement.opening):.6f}", ""))
        rows.writerows(_row(line, minutes, zone) for line in statement.lines)


@contextmanager
def _opened(target: str) -> Iterator[TextIO]:
    if target == "-":
        yield sys.stdout
        return
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        yield file


def _show(statement: Statement, title: str, currency: str, minutes: int, zone: ZoneInfo) -> None:
    table = Table(title=f"Statement of {title} [{currency}]", title_style="bold")
    for name in COLUMNS[:-1]:
        table.add_column(
            name.replace("_", " "), justify="left" if name in ("booked_at", "energy_at", "what") else "right"
        )
    table.add_row("", "", "opening balance", "", "", "", "", f"{from_base_units(statement.opening):.6f}")
    for line in statement.lines:
        table.add_row(*_row(line, minutes, zone)[:-1])
    console = table_console()
    console.print(table)
    console.print(f"closing balance: {from_base_units(statement.closing):.6f} {currency}")
    console.print(
        f"metered: {wh_to_kwh(statement.imported_wh):.3f} kWh imported, "
        f"{wh_to_kwh(statement.exported_wh):.3f} kWh exported"
    )
    for name, amount in (("held back", statement.held), ("owes", statement.debt), ("is owed", statement.claim)):
        if amount:
            console.print(f"{name}: {from_base_units(amount):.6f} {currency}")
    if not statement.lines:
        console.print("Nothing was booked in this month.")
