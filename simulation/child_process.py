"""Child processes that never outlive their parent."""

from __future__ import annotations

import sys
from collections.abc import Sequence

LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def die_with_parent(command: Sequence[str]) -> list[str]:
    """`command`, started so that Linux ends it when its parent dies, even by SIGKILL (prctl PR_SET_PDEATHSIG)."""
    return [sys.executable, "-c", LAUNCHER, *command]
