"""The bundle that Flower sends to every building: complete, and nothing private in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fl_server.run import flower_environment, program

ROOT = Path(__file__).parents[2]
PACKAGES = ("simulation", "contracts", "building_clients", "fl_server")
PRIVATE = (
    "secrets/keys.yaml",
    ".env.json",
    "building_clients/readings.csv",
    "building_clients/keys.json",
    "building_clients/owner.key",
    ".microgrid/buildings/B1/state.json",
    "fl_server/notes.md",
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a copy of the project with private files lying about, unpacked elsewhere."""
    project = tmp_path_factory.mktemp("source") / "microgrid"
    project.mkdir()
    shutil.copy(ROOT / "pyproject.toml", project)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PRIVATE:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("secret: 1\n")
    out = tmp_path_factory.mktemp("bundle")
    environment = {**os.environ, **flower_environment(out / "flwr")}
    subprocess.run(
        [program("flwr"), "build", "--app", str(project)], cwd=out, env=environment, check=True, capture_output=True
    )
    (bundle,) = [*out.glob("*.fab"), *project.glob("*.fab")]
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(out / "unpacked")
    return out / "unpacked"


def test_nothing_private_is_in_it(unpacked: Path) -> None:
    files = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    assert not files & set(PRIVATE)
    endings = {Path(file).suffix for file in files if not file.startswith(".info")}
    assert endings <= {".py", ".toml"}, sorted(files)
    assert "building_clients/client_app.py" in files
    assert sum((unpacked / file).stat().st_size for file in files) < 1_000_000


@pytest.mark.parametrize("module", ["fl_server.server_app", "building_clients.client_app", "building_clients.learner"])
def test_it_imports_where_the_project_is_not(unpacked: Path, module: str) -> None:
    code = (
        "import importlib, pathlib, sys;"
        f"loaded = importlib.import_module({module!r});"
        "here = pathlib.Path.cwd();"
        "own = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in "
        f"{PACKAGES!r} and getattr(m, '__file__', None)];"
        "assert own and all(here in pathlib.Path(f).parents for f in own), own"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=unpacked, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_virtual_building_trains_from_it(unpacked: Path) -> None:
    """What is imported only while training is in the bundle too."""
    code = (
        "from building_clients.node_training import virtual_learner;"
        "from building_clients.architecture import initial_weights;"
        "from building_clients.settings import LearningConfig;"
        "result = virtual_learner(0, 7).train(initial_weights(96, 7), LearningConfig(local_steps=1), 1);"
        "assert result.num_examples > 1000"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=unpacked, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
