"""The models that a building keeps: shown, and which one is in use changed, whether the building runs or not."""

from __future__ import annotations

from rich.table import Table

from building_clients.kept_model import ModelError
from building_clients.model_store import ModelStore
from cli.home import Home
from cli.scenario import Scenario
from cli.tables import table_console

HASH_DIGITS = 10
"""Characters of a hash that are shown, 0x included [1]"""


def models(home: Home, scenario: Scenario, building_id: str, rollback: bool, version: int | None) -> None:
    """Go back to an earlier model if so wanted, then list what is kept. Raises ModelError naming what is missing."""
    folder = home.folder / "buildings" / scenario.building_by_id(building_id).id
    store = ModelStore(folder, 24 * 60 // scenario.clock.slot_minutes)
    if rollback or version is not None:
        before, now = store.version, _choose(store, building_id, version)
        print(
            f"{building_id}: version {now} is in use from now on (before: {before}), in a running building within a "
            "second; a later release takes its place if it is no worse by the building's own validation"
        )
    if not store.versions():
        print(
            f"{building_id} keeps no model yet in {folder / 'models'}; "
            "it gets one from a federated run: ./microgrid up, then ./microgrid train"
        )
        return
    table_console().print(_table(store, building_id))


def _choose(store: ModelStore, building_id: str, version: int | None) -> int:
    try:
        store.choose(store.older() if version is None else version)
    except ModelError as error:
        raise ModelError(
            f"{building_id}: {error}; list them with ./microgrid models --building {building_id}"
        ) from error
    return store.version


def _table(store: ModelStore, building_id: str) -> Table:
    columns = ("version", "adopted at (UTC)", "hash", "own validation loss", "in use")
    table = Table(*columns, title=f"models of {building_id}")
    in_use = ("yes, chosen by hand" if store.chosen else "yes") if store.version else ""
    for version in store.versions():
        marks = in_use if version == store.version else ""
        try:
            kept = store.read(version)
        except ModelError:
            table.add_row(str(version), "damaged", "", "", marks)
            continue
        loss = "not measured" if kept.own_loss is None else f"{kept.own_loss:.4f}"
        table.add_row(str(version), f"{kept.adopted_at:%Y-%m-%d %H:%M:%S}", kept.hash[:HASH_DIGITS], loss, marks)
    return table
