"""A real MQTT broker (Mosquitto) for tests, that can go away and come back with what it kept."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

FOUND = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def program() -> str:
    """The broker; skips by name where there is none, fails in CI."""
    if FOUND is None:
        assert not os.environ.get("CI"), "CI installs mosquitto (.ci/run)"
        pytest.skip("no mosquitto here: install it (Debian: apt install mosquitto) to test live meters")
    return FOUND


class Broker:
    """Listens on a free loopback port; keeps sessions and queued messages on disk through `stop` and `start`."""

    def __init__(self, folder: Path, password: str | None = None, certificate: tuple[Path, Path] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        folder.mkdir(parents=True)
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        lines += ["max_queued_messages 100000", f"user {'root' if os.geteuid() == 0 else ''}".strip()]
        if password is None:
            lines.append("allow_anonymous true")
        else:
            (folder / "users").write_text(f"b6:{password}\n")
            tool = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
            subprocess.run([tool, "-U", str(folder / "users")], check=True)
            lines += ["allow_anonymous false", f"password_file {folder}/users"]
        if certificate is not None:
            self.url = self.url.replace("mqtt:", "mqtts:")
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        self._config.write_text("\n".join(line for line in lines if line != "user") + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([program(), "-c", str(self._config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the broker does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """As its service manager does: it saves what it keeps."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
