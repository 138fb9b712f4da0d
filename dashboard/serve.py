"""The command that serves the pages: a plain Streamlit process that contacts nobody."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboard import theme

APP = Path(__file__).with_name("app.py")

QUIET = {
    "server.headless": "true",  # opens no browser and asks for no e-mail address
    "browser.gatherUsageStats": "false",  # sends nothing to Streamlit
    "server.fileWatcherType": "none",
    "runner.magicEnabled": "false",  # docstrings of pages are not for display
    "client.toolbarMode": "minimal",
    "client.showErrorLinks": "false",  # an error would offer links to other hosts
}


def streamlit_command(host: str, port: int) -> list[str]:
    """Arguments of the server process; run it where `dashboard` can be imported, with MICROGRID_HUB_URL set.

    Naming `server.address` also keeps Streamlit from asking an outside host for this machine's public address.
    """
    address = {"server.address": host, "server.port": str(port), "browser.serverAddress": host}
    flags = [f"--{name}={value}" for name, value in (QUIET | address | theme.options()).items()]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *flags]
