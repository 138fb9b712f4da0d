"""A real Chromium and a real Streamlit server, both as a visitor meets them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from dashboard import hub_data
from dashboard.serve import streamlit_command
from tests.contracts.chain_process import ROOT, free_port

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSERS = ROOT / ".tools" / "browsers"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PATIENCE_MS = 30_000


def chromium_path() -> str:
    """The system's Chromium, else one fetched into `.tools`; else the test is skipped by name, and fails in CI."""
    found = next((path for path in map(shutil.which, NAMES) if path), None) or _fetched_chromium()
    if found is None:
        words = f"no Chromium ({', '.join(NAMES)}) and none could be fetched: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found


@cache
def _fetched_chromium() -> str | None:
    """Playwright's own build, downloaded once; None where its host is out of reach or the system lacks libraries."""
    environment = os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}
    command = [sys.executable, "-m", "playwright", "install", "chromium-headless-shell"]
    result = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=300)
    shells = sorted(BROWSERS.rglob("chrome-headless-shell")) + sorted(BROWSERS.rglob("headless_shell"))
    if result.returncode or not shells:
        return None
    works = subprocess.run([shells[-1], "--version"], capture_output=True, check=False).returncode == 0
    return str(shells[-1]) if works else None


@contextmanager
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def dashboard(hub_url: str, log: Path) -> Iterator[str]:
    """The pages on a free port, as `./microgrid dashboard` serves them."""
    port = free_port()
    environment = os.environ | {hub_data.HUB_URL_VARIABLE: hub_url}
    with log.open("wb") as out:
        server = subprocess.Popen(
            streamlit_command("127.0.0.1", port), cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, server, log)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/_stcore/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
        assert server.poll() is None, log.read_text()
    pytest.fail(f"the dashboard did not start: {log.read_text()}")


class Visitor:
    """One page of a browser that notes what it should not see: errors, and requests to other hosts."""

    def __init__(self, browser: Browser, *, dark: bool = False, mobile: bool = False) -> None:
        size = (390, 844) if mobile else (1440, 1000)
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("request", lambda request: self._host(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its server below the page's path first; it answers 404 there and the client goes on.
        looking = "/_stcore/" in message.location["url"]
        if message.type == "error" and not looking:
            self.faults.append(f"console: {message.text} ({message.location['url']})")

    def _host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            self.faults.append(f"request to {url}")

    def picture(self, path: Path) -> None:
        """The whole page, however long."""
        height = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        size = self.page.viewport_size
        assert size is not None
        self.page.set_viewport_size({"width": size["width"], "height": min(int(height) + 20, 6000)})
        self.page.wait_for_timeout(700)
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)
