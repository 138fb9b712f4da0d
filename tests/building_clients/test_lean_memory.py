"""What a building needed only for a moment goes back to the system; what it does not need yet is not imported."""

import subprocess
import sys
from pathlib import Path

import pytest

NEED_AND_FREE = """
import sys
from building_clients.lean_memory import give_memory_back
if sys.argv[1] == "lean":
    give_memory_back()
bytearray(30_000_000)  # glibc now keeps up to twice as much
blocks = [bytearray(1_000_000) for _ in range(50)]
del blocks
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
"""
HEAVY = ("tensorflow", "onnxruntime", "onnx", "matplotlib", "lightgbm")


def printed(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_goes_back() -> None:
    usual, lean = (int(printed(NEED_AND_FREE, how)) for how in ("usual", "lean"))
    assert lean < usual - 20_000_000


def test_an_idle_building_has_imported_nothing_that_only_a_model_needs() -> None:
    code = f"import sys, cli.building; print([name for name in {HEAVY} if name in sys.modules])"
    assert printed(code) == "[]"
