"""`./microgrid ledger verify`: the audit on the screen or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from cli.home import Home
from cli.scenario import Scenario
from cli.tables import table_console
from contracts.audit import audit
from contracts.audit_report import ENERGY, MONEY, AuditReport, Check, Difference, Value
from contracts.deployment import Deployment
from contracts.hub_client import HubClient, HubError, HubRejected
from contracts.ledger import Ledger
from contracts.market_at import market_at
from contracts.sender import LedgerError
from contracts.units import from_base_units, wh_to_kwh

SHOWN = 20
"""Differences of a check that the screen shows; the JSON has all [1]"""
SIGNS = {"equal": "", "at least": "at least ", "at most": "at most "}


@dataclass(frozen=True)
class VerifyOptions:
    """Where to look, and where to write."""

    hub: str | None
    """Address of the hub; None for the scenario's."""
    with_hub: bool
    """Whether to ask a hub at all."""
    rpc_url: str | None
    """Another node than the one that was announced."""
    contract: str | None
    """Another contract than the one that was announced."""
    from_block: int | None
    """Block in which that contract was deployed."""
    json_file: str | None
    """File for the report; - for the screen."""


def verify(home: Home, scenario: Scenario, options: VerifyOptions) -> bool:
    """Audit the ledger and show what was found; True when nothing differs. Raises LedgerError or HubError."""
    screen = Console(stderr=True)
    hub, deployment = sources(home, scenario, options, screen)
    with _progress(screen) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        report = audit(Ledger(deployment), hub, show)
    if options.json_file is not None:
        _write(report, options.json_file)
    if options.json_file != "-":
        _show(report, table_console())
    return report.ok


def sources(
    home: Home, scenario: Scenario, options: VerifyOptions, screen: Console
) -> tuple[HubClient | None, Deployment]:
    """The hub to compare with, if any, and the market. Raises LedgerError or HubError."""
    hub = HubClient(options.hub or scenario.hub.url) if options.with_hub else None
    announced, known = None, _operators(home)
    if hub is not None:
        try:
            announced = _announced(hub, scenario)
        except HubError as error:
            if options.hub is not None or (known is None and options.contract is None):
                raise
            market = options.contract or f"that of {_file(home)}"
            words = f"{error}\nThe hub's trades are not compared; the market is {market}."
            screen.print(words, style="yellow", highlight=False, soft_wrap=True)
            hub = None
    if options.contract is not None:
        if announced is not None and announced.contract.lower() != options.contract.lower():
            words = f"The hub has trades of {announced.contract}, so they are not compared."
            screen.print(words, style="yellow", highlight=False, soft_wrap=True)
            hub = announced = None
        return hub, _named(scenario, options, announced or known)
    deployment = announced or known
    if deployment is None:
        raise LedgerError(
            f"no market yet: {_file(home)} does not exist; start one with ./microgrid up, or name one with --contract"
        )
    if announced is not None and known is not None and announced.contract.lower() != known.contract.lower():
        raise LedgerError(
            f"the hub announces contract {announced.contract}, {_file(home)} says {known.contract}; say with "
            "--contract which one to verify, and find out who changed the other"
        )
    return hub, deployment.model_copy(update={"rpc_url": options.rpc_url or deployment.rpc_url})


def _announced(hub: HubClient, scenario: Scenario) -> Deployment:
    try:
        found = Deployment.model_validate(hub.get("/api/market"))
    except HubRejected as error:
        raise LedgerError(
            f"no market yet at {hub.base_url}: start the operator with ./microgrid up ({error})"
        ) from error
    pinned = scenario.chain.contract_address
    if pinned is not None and pinned.lower() != found.contract.lower():
        raise LedgerError(f"the hub announces contract {found.contract}, chain.contract_address pins {pinned}")
    return found


def _named(scenario: Scenario, options: VerifyOptions, known: Deployment | None) -> Deployment:
    """The market at --contract; what is known of it is kept, the rest is asked from the chain."""
    assert options.contract is not None
    if known is not None and known.contract.lower() == options.contract.lower():
        first = known.deployed_block if options.from_block is None else options.from_block
        return known.model_copy(update={"rpc_url": options.rpc_url or known.rpc_url, "deployed_block": first})
    rpc_url = options.rpc_url or scenario.chain.rpc_url
    return market_at(
        rpc_url,
        scenario.chain.chain_id,
        options.contract,
        options.from_block or 0,
        scenario.clock.slot_minutes,
        scenario.market.currency,
    )


def _file(home: Home) -> Path:
    return home.folder / "operator" / "deployment.json"


def _operators(home: Home) -> Deployment | None:
    """What the operator of this home deployed. Raises LedgerError when its file is damaged."""
    path = _file(home)
    if not path.exists():
        return None
    try:
        return Deployment.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise LedgerError(f"{path}: damaged; restore a backup, or name the market with --contract") from error


def _progress(screen: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def _write(report: AuditReport, target: str) -> None:
    text = report.model_dump_json(indent=2)
    if target == "-":
        print(text)
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")


# ---- on the screen


def _show(report: AuditReport, console: Console) -> None:
    console.print(_table(report))
    console.print(_summary(report), highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for check in report.checks:
        _show_differences(check, report.currency, console)
    failed = [check.name for check in report.checks if not check.ok]
    verdict = f"[red]NOT in order: {', '.join(failed)}[/red]" if failed else "[green]everything agrees[/green]"
    console.print(verdict, highlight=False)


def _table(report: AuditReport) -> Table:
    table = Table("check", "compared", "by the events", "found", "", title=f"ledger {report.contract}")
    for column in table.columns[1:4]:
        column.justify = "right"
    for check in report.checks:
        good = "[green]ok[/green]" if check.ok else f"[red]{len(check.differences)} differ[/red]"
        expected = SIGNS[check.relation] + _amount(check.expected, check.unit, report.currency)
        table.add_row(
            check.name, f"{check.compared:,}", expected, _amount(check.found, check.unit, report.currency), good
        )
    return table


def _summary(report: AuditReport) -> str:
    money = _amount(report.total_escrow, MONEY, report.currency)
    surplus = f"; {_amount(report.surplus, MONEY, report.currency)} more were sent to it without a deposit"
    hub = "no hub was asked" if report.hub is None else f"trades compared with {report.hub}"
    blocks = f"blocks {report.first_block:,} to {report.last_block:,} of chain {report.chain_id}"
    return (
        f"{report.events:,} events in {blocks}: {report.members} members, {report.trades:,} trades, "
        f"{wh_to_kwh(report.energy_wh):,.3f} kWh, {money} in the contract{surplus if report.surplus else ''}; {hub}"
    )


def _show_differences(check: Check, currency: str, console: Console) -> None:
    if check.ok:
        return
    console.print(f"[red]{check.name}[/red]", highlight=False)
    for difference in check.differences[:SHOWN]:
        console.print(f"  {escape(_words(difference, check.unit))}", highlight=False, soft_wrap=True)
    if len(check.differences) > SHOWN:
        console.print(f"  and {len(check.differences) - SHOWN} more; --json FILE has all", highlight=False)
    console.print(f"  what to do: {escape(check.advice)}", highlight=False, soft_wrap=True)


def _words(difference: Difference, unit: str) -> str:
    """Such as: member 3, slot 101: position is 500 Wh, by the events 700 Wh (-200 Wh); transaction 0x12..."""
    member = None if difference.member is None else f"member {difference.member}"
    slot = None if difference.slot is None else f"slot {difference.slot}"
    where = ", ".join(part for part in (member, slot) if part)
    of = f" {unit}" if unit in (MONEY, ENERGY) else ""
    found, expected = _value(difference.found, of), _value(difference.expected, of)
    by = "" if difference.by is None else f" ({difference.by:+,}{of})"
    tx = "" if difference.tx_hash is None else f"; transaction {difference.tx_hash}"
    return f"{where + ': ' if where else ''}{difference.what} is {found}, by the events {expected}{by}{tx}"


def _value(value: Value | None, unit: str) -> str:
    return "nothing" if value is None else f"{value:,}{unit}" if type(value) is int else str(value)


def _amount(amount: int, unit: str, currency: str) -> str:
    if unit == MONEY:
        return f"{from_base_units(amount):,.6f} {currency}"
    return f"{amount:,} {unit}"
