"""The command line. Imports happen inside the commands, so that `--help` is instant."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.errors import MicrogridError

if TYPE_CHECKING:
    from cli.home import Home
    from cli.scenario import Scenario

PROJECT = Path(__file__).parents[1]
PARTS_FILE = PROJECT / ".venv" / ".microgrid-parts"
"""Written by the wrapper: all, or building."""

app = typer.Typer(
    name="microgrid",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A smart microgrid: buildings that forecast together and trade on a contract nobody can cheat.",
)
contracts_app = typer.Typer(no_args_is_help=True, help="The Solidity contracts.")
config_app = typer.Typer(no_args_is_help=True, help="The scenario.")
ledger_app = typer.Typer(no_args_is_help=True, help="The books of the market.")
app.add_typer(contracts_app, name="contracts")
app.add_typer(config_app, name="config")
app.add_typer(ledger_app, name="ledger")

HomeOption = Annotated[Path, typer.Option("--home", help="Folder that keeps everything of one community.")]
ScenarioOption = Annotated[
    Path | None, typer.Option("--scenario", help="Scenario file (default: the home's, else microgrid.toml).")
]
DEFAULT_HOME = Path(".microgrid")


@app.command()
def up(
    home: HomeOption = DEFAULT_HOME,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file (default: microgrid.toml).")] = None,
    replay: Annotated[Path | None, typer.Option(help="Play the recorded homes of this folder.")] = None,
    buildings: Annotated[int | None, typer.Option(help="How many buildings.")] = None,
    speed: Annotated[float | None, typer.Option(help="Simulated seconds per second.")] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="Stop cleanly after this long (90s, 4m, 1h), counted from readiness.")
    ] = None,
    summary: Annotated[Path | None, typer.Option(help="Write what happened to this JSON file at the end.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the pages.")] = True,
) -> None:
    """Run a whole community on this machine until Ctrl-C."""
    from cli.community import UpOptions, run_community
    from cli.duration import parse_duration
    from cli.effective import effective_scenario
    from cli.home import Home

    seconds = None if duration is None else parse_duration(duration)
    wanted = effective_scenario(scenario, replay, buildings, speed)
    options = UpOptions(seconds, summary, browser and sys.stdout.isatty())
    if not run_community(wanted, Home(home), options, tell):
        raise typer.Exit(1)


@app.command()
def down(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop the community that runs in this home."""
    from cli.home import Home
    from cli.manage import stop_community

    tell(stop_community(Home(home)))


@app.command()
def status(home: HomeOption = DEFAULT_HOME) -> None:
    """Show the processes of this home and what the hub knows."""
    from cli.home import Home
    from cli.manage import print_status

    print_status(Home(home))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="Process, such as hub or building-B1 (default: all).")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines appear.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print what the processes wrote."""
    from cli.home import Home
    from cli.manage import print_logs

    print_logs(Home(home), name, follow)


@app.command()
def doctor(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Check this machine: Python, packages, disk, ports, tools."""
    from cli.doctor import examine

    if not examine(*_context(home, scenario)):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run ruff, mypy and all tests; arguments go to pytest, such as -k NAME or -m "not slow"."""
    from cli.check import run_checks

    raise typer.Exit(run_checks(context.args))


@app.command()
def train(
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last round of an interrupted run.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the shared model and start from new weights.")] = False,
) -> None:
    """Run federated training on the running community: from the last shared model, resumed, or afresh."""
    from cli.manage import train_with_progress

    place, wanted = _context(home, scenario)
    if resume and fresh:
        raise typer.BadParameter("--resume and --fresh exclude each other")
    if not train_with_progress(place, wanted, "resume" if resume else "fresh" if fresh else "last"):
        raise typer.Exit(1)


@app.command()
def models(
    building_id: Annotated[str, typer.Option("--building", help="Id of the building in the scenario.")],
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the model before the one in use.")] = False,
    version: Annotated[int | None, typer.Option("--use", help="Use this kept version instead.")] = None,
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
) -> None:
    """List the models that a building keeps, or go back to an earlier one, also while the building runs."""
    from cli.models import models as run

    if rollback and version is not None:
        raise typer.BadParameter("--rollback and --use exclude each other")
    run(*_context(home, scenario), building_id, rollback, version)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def flwr(context: typer.Context) -> None:
    """Run Flower's own command line against this home's SuperLink, such as: flwr run . --stream"""
    from cli.manage import run_flwr

    raise typer.Exit(run_flwr(context.args, *_context(DEFAULT_HOME, None)))


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="What to measure (default: list what there is).")] = None,
    json_file: Annotated[str | None, typer.Option("--json", help="Write figures as JSON (- for the screen).")] = None,
    data: Annotated[str | None, typer.Option(help="savings: folder of recorded homes.")] = None,
    days: Annotated[int | None, typer.Option(min=60, help="savings: only so many days of them.")] = None,
) -> None:
    """Measure; prints a table."""
    from building_clients.lean_memory import multiply_in_one_thread

    multiply_in_one_thread()
    from cli.manage import run_bench

    run_bench(name, json_file, {"data": data, "days": days})


@app.command()
def statement(
    building: Annotated[str, typer.Option(help="Id of the building.")],
    month: Annotated[str | None, typer.Option(help="Such as 2026-06 (default: the newest).")] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", help="Write it as CSV (- for the screen).")] = None,
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
) -> None:
    """A building's account on the contract for a month: every change of its money, to the base unit."""
    from cli.statement import show_statement

    show_statement(*_context(home, scenario), building, month, csv_file)


@app.command()
def clear(
    file: Annotated[Path, typer.Argument(help="JSON file with bids and offers.")],
    mechanism: Annotated[
        str, typer.Option(help="uniform, pay_as_bid, mid_price, mid_market_rate or supply_demand_ratio.")
    ] = "uniform",
    table: Annotated[bool, typer.Option("--table", help="Print a table for people instead of JSON.")] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write the JSON to this file (- for the screen).")
    ] = None,
) -> None:
    """Clear the order book of a file, as a what-if; prints JSON."""
    from cli.clear import clear as run

    run(file, mechanism, table, json_file)


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=1, max=36500, help="How long.")] = 7,
    plot: Annotated[Path | None, typer.Option(help="Draw one building (.png, .svg, .pdf).")] = None,
    building_id: Annotated[str | None, typer.Option("--building", help="Only this one (default: all).")] = None,
    start: Annotated[datetime | None, typer.Option(help="First minute, on the clocks of the site.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write readings as the buildings keep them.")] = None,
    replay: Annotated[Path | None, typer.Option(help="The recorded homes of this folder instead.")] = None,
    scenario: ScenarioOption = None,
) -> None:
    """Simulate buildings as fast as possible: energy figures, a picture, or years of CSV files."""
    from cli.effective import effective_scenario
    from cli.simulate import SimulateOptions
    from cli.simulate import simulate as run

    wanted = effective_scenario(scenario, replay)
    run(wanted, SimulateOptions(days, start, building_id, plot, out))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="Folder with one CSV per home, as --replay reads them.")],
    homes: Annotated[str | None, typer.Option(help="Only these, by name or number: 1-3,7 (default: all).")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Federated rounds.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder for report.md, results.json and a picture.")] = Path("evaluation"),
    without: Annotated[
        str, typer.Option(help="Leave out: lightgbm, robustness, cold-start, privacy (with commas).")
    ] = "",
    timezone: Annotated[str, typer.Option(help="Zone of times without offset.")] = "UTC",
    seed: Annotated[int, typer.Option(min=0, help="Seed of first weights and batch order.")] = 7,
) -> None:
    """Compare the federated forecaster with strong baselines on measured homes."""
    from building_clients.lean_memory import multiply_in_one_thread

    multiply_in_one_thread()  # before numpy is imported
    from cli.evaluate import EvaluateOptions, run_evaluation

    run_evaluation(EvaluateOptions(data, homes, rounds, out, without, timezone, seed))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder with one CSV file per home.")],
    out: Annotated[Path, typer.Option(help="New folder for the homes in replayable form.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file with the keys of the options below.")] = None,
    files: Annotated[str | None, typer.Option(help="Which files (default: *.csv).")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time (default: time).")] = None,
    time_format: Annotated[str | None, typer.Option(help="Such as '%d.%m.%Y %H:%M' (default: ISO 8601).")] = None,
    label: Annotated[str | None, typer.Option(help="Is a time the start or the end of its interval?")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without offset, such as Europe/Berlin.")] = None,
    load: Annotated[str | None, typer.Option(help="Column of the load (default: load).")] = None,
    load_unit: Annotated[str | None, typer.Option(help="kWh, Wh, kW, W, 'kWh counter' or 'Wh counter'.")] = None,
    solar: Annotated[str | None, typer.Option(help="Column of the solar generation.")] = None,
    solar_unit: Annotated[str | None, typer.Option(help="As --load-unit.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between two cells (default: comma).")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark (default: point).")] = None,
    max_kw: Annotated[float | None, typer.Option(help="What a connection can carry in kW (default: 100).")] = None,
    latitude: Annotated[float | None, typer.Option(help="Degrees north, to find solar generation at night.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Degrees east.")] = None,
) -> None:
    """Bring recorded homes into the form that --replay plays, and show the quality of the data."""
    from cli.import_data import import_folder, show
    from simulation.import_mapping import ImportMapping, load_mapping

    given = {key: value for key, value in locals().items() if key in ImportMapping.model_fields}
    show(import_folder(source, out, load_mapping(mapping, given)), out)


@config_app.command("show")
def config_show(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Print the scenario with every default filled in."""
    from cli.scenario import dump_scenario

    typer.echo(dump_scenario(_context(home, scenario)[1]))


@contracts_app.command("build")
def contracts_build() -> None:
    """Compile the contracts into contracts/artifacts."""
    from contracts.build import build, write_artifacts

    artifacts = build(PROJECT / ".tools")
    write_artifacts(artifacts)
    tell(f"wrote {', '.join(sorted(artifacts))}")


@ledger_app.command("verify")
def ledger_verify(
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
    hub_url: Annotated[str | None, typer.Option("--hub", help="Address of the hub (default: the scenario's).")] = None,
    no_hub: Annotated[bool, typer.Option("--no-hub", help="Do not ask a hub: only chain and home.")] = False,
    rpc_url: Annotated[str | None, typer.Option(help="Another node than the one that was announced.")] = None,
    contract: Annotated[str | None, typer.Option(help="Address of another contract.")] = None,
    from_block: Annotated[int | None, typer.Option(min=0, help="Block in which --contract was deployed.")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write the report as JSON (- for the screen).")
    ] = None,
) -> None:
    """Replay all events, recompute every balance, compare with contract and hub; exit code 1 when anything differs."""
    from cli.ledger import VerifyOptions, verify

    if no_hub and hub_url is not None:
        raise typer.BadParameter("--hub and --no-hub exclude each other")
    if from_block is not None and contract is None:
        raise typer.BadParameter("--from-block belongs to --contract")
    options = VerifyOptions(hub_url, not no_hub, rpc_url, contract, from_block, json_file)
    if not verify(*_context(home, scenario), options):
        raise typer.Exit(1)


@app.command()
def chain(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Run the development chain."""
    from contracts.chain import run_chain

    place, wanted = _process(home, scenario)
    run_chain(wanted.chain, place.folder / "chain", PROJECT / ".tools")


@app.command()
def hub(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Run the hub."""
    from dashboard.hub.server import run_hub

    place, wanted = _process(home, scenario)
    clock = place.clock() if place.clock_file.exists() else place.prepare(wanted)
    expected = [building.id for building in wanted.building]
    run_hub(wanted.hub, place.folder / "hub", clock, wanted.site, wanted.market, expected)


@app.command()
def operator(
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
    standby: Annotated[bool, typer.Option("--standby", help="Stand by for another operator.")] = False,
) -> None:
    """Run the market operator: clears and settles each slot."""
    from contracts.operator import run_operator

    place, wanted = _process(home, scenario)
    capacities_kw = {number: building.connection_kw for number, building in enumerate(wanted.building, start=1)}
    folder, zone = place.folder / "operator", wanted.site.timezone
    run_operator(wanted.hub.url, folder, wanted.market, wanted.chain, capacities_kw, zone, standby)


@app.command()
def superlink(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Run the Flower SuperLink."""
    from cli.manage import become
    from fl_server.run import flower_environment, superlink_command, write_flwr_config

    place, wanted = _process(home, scenario)
    folder = place.folder / "superlink"
    folder.mkdir(parents=True, exist_ok=True)
    write_flwr_config(place.flwr, wanted.learning.superlink)
    become(superlink_command(wanted.learning.superlink, folder), flower_environment(place.flwr))


@app.command()
def building(
    building_id: Annotated[str, typer.Option("--id", help="Id of the building in the scenario.")],
    home: HomeOption = DEFAULT_HOME,
    scenario: ScenarioOption = None,
) -> None:
    """Run one building: simulator or recording, learning, trading, SuperNode."""
    from building_clients.lean_memory import give_memory_back, multiply_in_one_thread

    give_memory_back()  # before anything else is imported
    multiply_in_one_thread()
    from cli.building import start_building

    place, wanted = _process(home, scenario)
    start_building(wanted, building_id, place.folder)


@app.command()
def dashboard(home: HomeOption = DEFAULT_HOME, scenario: ScenarioOption = None) -> None:
    """Serve the pages."""
    if find_spec("streamlit") is None:
        raise ModuleNotFoundError("No module named 'streamlit'", name="streamlit")
    from cli.manage import become
    from dashboard.serve import streamlit_command

    _, wanted = _process(home, scenario)
    command = streamlit_command(wanted.dashboard.host, wanted.dashboard.port)
    become(command, {"MICROGRID_HUB_URL": wanted.hub.url, "PYTHONPATH": str(PROJECT)})


def tell(text: str) -> None:
    """One line to the person, at once."""
    typer.echo(text)
    sys.stdout.flush()


def main() -> None:
    """Entry point: errors of ours become one clear line and exit code 1."""
    try:
        app(prog_name="microgrid")
    except MicrogridError as error:
        typer.echo(f"microgrid: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if not PARTS_FILE.exists() or PARTS_FILE.read_text().strip() == "all":
            raise
        typer.echo(
            f"microgrid: this command needs {error.name}, and only the parts of a building are installed here; "
            "run MICROGRID_PARTS=all ./microgrid doctor, which installs the rest",
            err=True,
        )
        sys.exit(1)


def _context(home: Path, scenario: Path | None) -> tuple[Home, Scenario]:
    """The home, and its scenario unless another file is named."""
    from cli.effective import effective_scenario
    from cli.home import Home
    from cli.scenario import load_scenario

    place = Home(home)
    known = place.scenario_file
    if known.exists() and (scenario is None or scenario.absolute() == known):
        return place, load_scenario(known)  # as it was made effective when the home was prepared
    return place, effective_scenario(scenario)


def _process(home: Path, scenario: Path | None) -> tuple[Home, Scenario]:
    """The same for a process of its own, which writes a log."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return _context(home, scenario)


if __name__ == "__main__":
    main()
