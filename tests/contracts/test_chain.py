"""The development chain: comes back as it was after SIGKILL, from its snapshots or from the journal alone."""

from __future__ import annotations

import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.anvil import ChainError
from contracts.chain import run_chain
from contracts.journal import Journal, JournalError
from contracts.settings import ChainConfig
from contracts.snapshot import KEPT, Snapshot, Snapshots
from tests.contracts.chain_process import ROOT, ChainProcess
from tests.contracts.minting import Minting, new_account


def history(minting: Minting) -> dict[str, Any]:
    """What readers of old blocks see, as the chain sends it."""

    def ask(method: str, *params: Any) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx.post(minting.url, json=call, trust_env=False).json()["result"]

    logs = ask("eth_getLogs", {"fromBlock": "0x0", "address": minting.address})
    return {
        "blocks": [ask("eth_getBlockByNumber", hex(number), True) for number in range(1, len(logs) + 2)],
        "logs": logs,
        "receipts": [ask("eth_getTransactionReceipt", log["transactionHash"]) for log in logs],
        "newest": ask("eth_blockNumber"),
        "nonce": ask("eth_getTransactionCount", minting.sender.account.address, "latest"),
        "supply": minting.supply(),
    }


def without_block_hashes(what: Any) -> Any:
    """A replay keeps everything but these."""
    names = {"hash", "blockHash", "parentHash", "stateRoot", "mixHash"}
    if isinstance(what, dict):
        transaction = {"hash": what["hash"]} if "nonce" in what and "from" in what else {}
        return {key: without_block_hashes(value) for key, value in what.items() if key not in names} | transaction
    return [without_block_hashes(value) for value in what] if isinstance(what, list) else what


def files(folder: Path) -> list[Path]:
    return sorted((folder / "snapshots").iterdir())


def test_a_snapshot_brings_everything_back_and_the_journal_the_rest(tmp_path: Path) -> None:
    with ChainProcess(tmp_path, snapshot_every=10) as process:
        minting = Minting(process.url, new_account())
        for amount in range(1, 25):
            minting.mint(amount)
        before = history(minting)
        assert [path.stem for path in files(tmp_path)] == ["000000000010", "000000000020"]
        assert process.stop(signal.SIGKILL) == -signal.SIGKILL
        process.start()
        after = history(minting)
        assert without_block_hashes(after) == without_block_hashes(before)
        assert after["blocks"][:20] == before["blocks"][:20]
        minting.mint(25)
        assert minting.supply() == sum(range(1, 26))
        assert process.stop() == 0
        assert [path.stem for path in files(tmp_path)] == ["000000000020", "000000000026"]


def test_damaged_snapshots_are_passed_over(tmp_path: Path) -> None:
    with ChainProcess(tmp_path, snapshot_every=10) as process:
        minting = Minting(process.url, new_account())
        for amount in range(1, 23):
            minting.mint(amount)
        before = without_block_hashes(history(minting))
        process.stop(signal.SIGKILL)
        older, newest = files(tmp_path)
        newest.write_bytes(newest.read_bytes()[:-100])
        process.start()
        assert without_block_hashes(history(minting)) == before
        process.stop(signal.SIGKILL)
        older.write_bytes(b"")
        (older.parent / "000000000030.partial").write_bytes(b"torn")
        process.start()
        assert without_block_hashes(history(minting)) == before
        assert not list(older.parent.glob("*.partial"))
        assert process.stop() == 0


def test_a_snapshot_of_another_journal_is_not_loaded(tmp_path: Path) -> None:
    with ChainProcess(tmp_path, snapshot_every=2) as process:
        minting = Minting(process.url, new_account())
        minting.mint(1)
        minting.mint(2)
        process.stop(signal.SIGKILL)
        for path in tmp_path.glob("journal.sqlite3*"):
            path.unlink()
        process.start()
        assert minting.web3.eth.block_number == 0
        assert process.stop() == 0


def test_the_oldest_snapshots_are_dropped_and_distance_grows(tmp_path: Path) -> None:
    journal, snapshots = Journal(tmp_path / "j.sqlite3"), Snapshots(tmp_path / "snapshots")
    for number in range(1, 6):
        assert journal.add(f"0x0{number}", 10) == number
        snapshots.write(Snapshot(number, 5, journal.fingerprint(number) or "", b"state %d" % number))
    assert [one.state for one in snapshots.usable(journal, 5)] == [b"state 5", b"state 4"]
    assert len(files(tmp_path)) == KEPT
    assert list(snapshots.usable(journal, 6)) == []
    journal.close()
    assert (snapshots.due(504), snapshots.due(505)) == (False, True)
    snapshots.newest_number = 100_000
    assert (snapshots.due(111_110), snapshots.due(111_111)) == (False, True)


def test_a_second_chain_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with ChainProcess(tmp_path) as process:
        with pytest.raises(JournalError, match=r"journal\.sqlite3: cannot be opened .* another chain running"):
            Journal(tmp_path / "journal.sqlite3")
        assert process.stop() == 0


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ChainError, match=rf"port {port} on 127\.0\.0\.1 is in use; .*chain\.rpc_url"):
            run_chain(ChainConfig(rpc_url=f"http://127.0.0.1:{port}"), tmp_path, ROOT / ".tools")


def test_a_changed_chain_id_is_named(tmp_path: Path) -> None:
    with ChainProcess(tmp_path) as process:
        Minting(process.url, new_account())
        assert process.stop() == 0
        with pytest.raises(ChainError, match=r"journal entry 1 was in the chain .* was chain\.chain_id changed\?"):
            run_chain(ChainConfig(rpc_url=process.url, chain_id=5), tmp_path, ROOT / ".tools")


def test_a_damaged_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"journal\.sqlite3: not a readable journal"):
        Journal(path)
    assert path.read_bytes() == before


def test_the_journal_keeps_order_and_leaves_out_what_was_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite3")
    numbers = [journal.add(f"0x0{index}", 10 + index) for index in range(4)]
    journal.accept(numbers[0])
    journal.refuse(numbers[1])
    journal.accept(numbers[2])
    journal.close()
    again = Journal(tmp_path / "j.sqlite3")
    seen = [(entry.raw, entry.timestamp, entry.accepted) for entry in again.to_replay()]
    assert seen == [("0x00", 10, True), ("0x02", 12, True), ("0x03", 13, False)]
    assert [entry.raw for entry in again.to_replay(after=numbers[2])] == ["0x03"]
    assert (again.last_number(), again.first_timestamp()) == (4, 10)
    again.close()
    database = sqlite3.connect(tmp_path / "j.sqlite3")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
