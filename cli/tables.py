"""Tables on the screen: as wide as the terminal, and wide enough where there is none."""

from __future__ import annotations

from rich.console import Console

WIDTH = 140
"""Columns of a table that goes into a file or a pipe [1]"""


def table_console() -> Console:
    """Where tables are printed."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
