"""`./microgrid evaluate` on made-up homes, as a user runs it; its numbers against pandas."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.forecasting.evaluation import METHODS, without_nan
from cli.main import app
from simulation.errors import MicrogridError
from tests.evaluation.made_up import spoil, write_homes

SCORES = {"mae_kw", "rmse_kw", "skill", "pinball_kw", "coverage", "brier", "auc", "ece", "ece_pooled"}


def evaluate(data: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", "--data", str(data), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Everything, small: five homes of 90 days, one corrupt, one with gaps before the test, and an empty file."""
    folder = tmp_path_factory.mktemp("evaluation")
    data, out = write_homes(folder / "homes", 5, 90), folder / "out"
    (data / "building_06.csv").write_text("")
    spoil(data / "building_04.csv", range(59 * 24, 70 * 24))
    corrupt = data / "building_05.csv"
    lines = corrupt.read_text().splitlines()
    corrupt.write_text("\n".join([lines[0], *(f"{line.split(',')[0]},0,0.1" for line in lines[1:])]) + "\n")
    printed = evaluate(data, "--rounds", "1", "--out", str(out))
    assert f"wrote {out / 'report.md'}" in printed.replace("\n", "")
    return out, json.loads((out / "results.json").read_text())


@pytest.mark.slow
def test_every_method_has_every_score(report: tuple[Path, dict[str, Any]]) -> None:
    out, record = report
    assert set(record["methods"]) == set(METHODS)
    for name, found in record["methods"].items():
        assert set(found["mean"]) >= SCORES, name
        assert all(len(found["mean"][score]) == len(record["horizons_h"]) for score in SCORES)
        assert set(found["homes"]) == {f"building_0{number}" for number in range(1, 6)}
    text = (out / "report.md").read_text()
    assert "| federated_personal |" in text
    assert "Too poor to train with the others: building_05" in text
    assert "- building_06: is empty" in text
    assert set(record["left_out"]) == {"building_06"}
    reason = "too few measured samples in these days"
    assert record["skipped"]["cold start of building_04 after 14 days"] == reason
    assert f"- cold start of building_04 after 14 days: {reason}" in text
    assert (out / "skill.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_bad_home_cold_start_and_the_attack_are_in_it(report: tuple[Path, dict[str, Any]]) -> None:
    _, record = report
    cases = record["robustness"]["cases"]
    assert any("100 times its weights" in case for case in cases)
    assert any("building_05 trains too" in case for case in cases)
    assert set(record["cold_start"]) == {"14", "28"}
    young = record["cold_start"]["14"]
    assert set(young["homes"]) == {f"building_0{number}" for number in range(1, 4)}
    assert len(young["best_local"]) == len(young["horizons_h"])
    assert set(young["federated_against"]) > {"seasonal_mean", "lightgbm_same_inputs"}
    assert record["privacy"]["plain"]["epsilon"] is None
    assert record["privacy"]["central_dp"]["epsilon"] > 0
    assert all(-1 <= one["window_advantage"] <= 1 for one in record["privacy"].values())


def test_persistence_is_what_pandas_says_and_parts_can_be_left_out(tmp_path: Path) -> None:
    data, out = write_homes(tmp_path / "homes", 2, 70), tmp_path / "out"
    evaluate(data, "--rounds", "1", "--out", str(out), "--without", "lightgbm,robustness")
    record = json.loads((out / "results.json").read_text())
    assert not {"robustness", "cold_start", "privacy"} & set(record)
    assert "lightgbm" not in record["methods"]
    text = (out / "report.md").read_text()
    assert "- robustness: left out with --without" in text
    for part in ("cold-start", "privacy"):
        assert record["skipped"][part] == "needs 4 homes that train together; there are 2"
        assert f"- {part}: needs 4 homes" in text
    assert record["differences"]["federated"]["persistence"][0]["low"] is None
    assert "Median of the homes' own scores:" in text
    assert "| building_02 | " in text
    for number in (1, 2):
        frame = pd.read_csv(data / f"building_{number:02}.csv")
        net = frame["pv_kwh"] - frame["load_kwh"]
        moments = np.arange(int(len(net) * 0.8), len(net) - 24 + 1)
        found = record["methods"]["persistence"]["homes"][f"building_{number:02}"]["mae_kw"]
        for hours, value in zip(record["horizons_h"], found, strict=True):
            wanted = np.abs(net.to_numpy()[moments + hours - 1] - net.to_numpy()[moments - 1]).mean()
            assert value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--homes", "9"], "--homes 9: no such home; there are building_01, building_02"),
        (["--homes", "1,1"], "give names or numbers once each"),
        (["--homes", "1"], "at least two homes"),
        (["--homes", "1,3-2"], "--homes 3-2: the range runs backwards; write 2-3"),
        (["--homes", "1,building_01"], "--homes 1,building_01: both are building_01"),
        (["--without", "luck"], "--without luck: no such part; there are lightgbm"),
        (["--timezone", "Nowhere/Land"], "Nowhere/Land"),
    ],
)
def test_what_cannot_be_evaluated_is_named(tmp_path: Path, options: list[str], words: str) -> None:
    data = write_homes(tmp_path / "homes", 2, 70)
    with pytest.raises(MicrogridError) as caught:
        evaluate(data, "--out", str(tmp_path / "out"), *options)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trains(*_: object) -> None:
        pytest.fail("the training has begun")

    monkeypatch.setattr("cli.evaluate.evaluate", trains)
    data = write_homes(tmp_path / "homes", 2, 70)
    for out in (data / "building_01.csv", data / "building_01.csv" / "out"):
        with pytest.raises(MicrogridError, match=r"--out .*: cannot be written to \(.*\); name another folder"):
            evaluate(data, "--out", str(out))


def test_what_is_not_finite_is_null() -> None:
    record = {"a": [1.0, float("nan")], "b": {"c": float("inf"), "d": "x", "e": None, "f": 3}}
    assert without_nan(record) == {"a": [1.0, None], "b": {"c": None, "d": "x", "e": None, "f": 3}}


def test_homes_of_unequal_slots_are_refused(tmp_path: Path) -> None:
    data = write_homes(tmp_path / "homes", 1, 70)
    write_homes(tmp_path / "quarters", 2, 70, 15)
    (tmp_path / "quarters" / "building_02.csv").rename(data / "building_02.csv")
    with pytest.raises(MicrogridError, match=r"slots of different length \(building_01: 60 min, building_02: 15 min\)"):
        evaluate(data, "--out", str(tmp_path / "out"))
