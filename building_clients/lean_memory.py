"""A building gives memory back that it needed only while starting: it runs for years, often on a small box."""

from __future__ import annotations

import ctypes
import os

TRIM_BYTES = 128 * 1024
ARENAS = 2
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
"""Parameters of glibc's mallopt(3); its defaults keep what was freed, once per thread."""


def give_memory_back() -> None:
    """To be called first: sets the allocators of this process; where there is no glibc, nothing changes."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)
