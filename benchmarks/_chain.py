"""A development chain of its own for a benchmark."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks._processes import Processes, free_port, wait_for_port

PROGRAM = """
import sys; from pathlib import Path
from contracts.chain import run_chain; from contracts.settings import ChainConfig
run_chain(ChainConfig(rpc_url=sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""
TOOLS = Path(__file__).parents[1] / ".tools"


def start_chain(processes: Processes, folder: Path) -> tuple[str, int]:
    """Its address and its process; it listens when this returns."""
    url = f"http://127.0.0.1:{free_port()}"
    pid = processes.start("chain", [sys.executable, "-c", PROGRAM, url, str(folder / "chain"), str(TOOLS)])
    wait_for_port(url.removeprefix("http://"))
    return url, pid
