"""A building takes no more than it needs, of memory and of cores: it runs for years, often on a small box."""

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


def multiply_in_one_thread() -> None:
    """To be called before numpy is imported: small products in several threads wait for each other more than they work.

    A day's corrections take 25 ms of CPU in one thread, and 100 ms in two on two cores that are busy.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
