"""The evaluation's record as Markdown, as JSON and as pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from benchmarks.forecasting.homes import EvaluationError
from benchmarks.forecasting.plots import draw
from benchmarks.forecasting.tables import Record, interval, number, pair, percent, table
from simulation.files import write_atomically

SCORES = (
    ("skill", "skill [1]"),
    ("mae_kw", "MAE [kW]"),
    ("rmse_kw", "RMSE [kW]"),
    ("pinball_kw", "pinball [kW]"),
    ("coverage", "coverage [1]"),
    ("brier", "Brier [1]"),
    ("auc", "AUC [1]"),
    ("ece", "ECE by home [1]"),
)
POOLED = ("ece_pooled", "ECE of all [1]")
"""A mean alone: all homes' samples make one number."""
OF_A_HOME = (("skill", "skill [1]"), ("brier", "Brier [1]"), ("coverage", "coverage [1]"))
PRIVACY_COLUMNS = ("auc", "window_advantage", "home_advantage", "mae_kw")


def create_folder(out: Path) -> None:
    """Make sure that a report can be written there, before the training. Raises EvaluationError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise EvaluationError(f"--out {out}: cannot be written to ({error.strerror}); name another folder") from error


def write_report(record: Record, out: Path) -> list[Path]:
    """`results.json`, `report.md` and the plots in `out`; returns their paths."""
    files = {"results.json": json.dumps(record, indent=1, allow_nan=False), "report.md": markdown(record)}
    for name, text in files.items():
        write_atomically(out / name, text.encode())
    return [out / "report.md", out / "results.json", *draw(record, out)]


def markdown(record: Record) -> str:
    """The tables."""
    lines = ["# Forecasts of net load", "", *_homes(record), "", *_methods(record), *_differences(record)]
    lines += [*_by_home(record), *_robustness(record), *_cold_start(record), *_privacy(record)]
    return "\n".join(lines) + "\n"


def _homes(record: Record) -> list[str]:
    """Which homes take part in what."""
    aside = [home["name"] for home in record["homes"] if not home["trains_with_the_others"]]
    text = f"{len(record['homes'])} homes, 70 % training, 10 % validation, 20 % test, by time."
    lines = [text + (f" Too poor to train with the others: {', '.join(aside)}." if aside else "")]
    cut = [
        f"{home['name']} ({home['learns_days']:g} of {home['days_before_test']:g} days)"
        for home in record["homes"]
        if home["learns_days"] < home["days_before_test"]
    ]
    if cut:
        lines += ["", f"Learning stops where another home's test part begins: {', '.join(cut)}."]
    for heading, reasons in (("Homes left out", record["left_out"]), ("Not done", record["skipped"])):
        if reasons:
            lines += ["", f"{heading}:", "", *(f"- {name}: {reason}" for name, reason in reasons.items())]
    return lines


def _methods(record: Record) -> list[str]:
    """Mean and median over the homes."""
    text = f"Mean over {len(record['homes'])} homes; `1 h` is the next hour. Skill is that of the mean MAE"
    lines = [f"{text} against persistence's:", "", *_scores(record, "mean", (*SCORES, POOLED))]
    return [*lines, "", "Median of the homes' own scores:", "", *_scores(record, "median", SCORES)]


def _scores(record: Record, kind: str, scores: Sequence[tuple[str, str]]) -> list[str]:
    ends = [(0, record["horizons_h"][0]), (-1, record["horizons_h"][-1])]
    return table(
        ["method", *(f"{label} {hour} h" for _, label in scores for _, hour in ends)],
        [
            [name, *(number(found[kind][score][end]) for score, _ in scores for end, _ in ends)]
            for name, found in record["methods"].items()
        ],
    )


def _differences(record: Record) -> list[str]:
    hours = record["horizons_h"]
    lines: list[str] = []
    for ours, others in record["differences"].items():
        lines += [
            "",
            f"MAE of `{ours}` against the others, with 95 % intervals (paired, calendar weeks resampled; none where "
            "there are under four weeks):",
            "",
        ]
        lines += table(
            ["against", *(f"{hour} h" for hour in hours)],
            [[name, *(interval(one) for one in found)] for name, found in others.items()],
        )
    return lines


def _by_home(record: Record) -> list[str]:
    hours, names = record["horizons_h"], [home["name"] for home in record["homes"]]
    lines = ["", f"MAE {hours[0]} h / {hours[-1]} h of each home [kW]:", ""]
    lines += table(
        ["method", *names],
        [
            [method, *(pair(found["homes"][name]["mae_kw"]) for name in names)]
            for method, found in record["methods"].items()
        ],
    )
    found = record["methods"]["federated_personal"]["homes"]
    lines += ["", f"`federated_personal` in each home, {hours[0]} h / {hours[-1]} h:", ""]
    return lines + table(
        ["home", *(label for _, label in OF_A_HOME)],
        [[name, *(pair(found[name][score]) for score, _ in OF_A_HOME)] for name in names],
    )


def _robustness(record: Record) -> list[str]:
    found = record.get("robustness")
    if not found or not found["cases"]:
        return []
    judged = ", ".join(found["good_homes"])
    lines = ["", f"What a bad home does to others, mean of all horizons before any correction ({judged}):", ""]
    return lines + table(
        ["case", "change of MAE"], [[name, percent(one["change"], 2)] for name, one in found["cases"].items()]
    )


def _cold_start(record: Record) -> list[str]:
    lines: list[str] = []
    for days, found in record.get("cold_start", {}).items():
        hours = found["horizons_h"]
        lines += [
            "",
            f"{len(found['homes'])} homes that did not take part, {days} days of history, before any correction;",
        ]
        lines += ["`federated` has learned nothing there, `seasonal_mean` is not trained:", ""]
        lines += table(
            ["method", *(f"MAE [kW] {hour} h" for hour in hours), *(f"`federated` against it {h} h" for h in hours)],
            [
                [name, *(number(one) for one in errors), *(percent(one) for one in found["federated_against"][name])]
                for name, errors in found["mae_kw"].items()
            ],
        )
        best = zip(found["federated_against_best_local"], found["best_local"], hours, strict=True)
        text = ", ".join(f"{percent(value)} at {hour} h (`{name}`)" for value, name, hour in best)
        lines += ["", f"`federated` against the best of their own: {text}."]
    return lines


def _privacy(record: Record) -> list[str]:
    if "privacy" not in record:
        return []
    lines = ["", "Membership inference on the released model (advantage 0: no better than a coin):", ""]
    return lines + table(
        ["model", "epsilon", "AUC", "advantage, windows", "advantage, homes", "MAE of absent homes [kW]"],
        [
            [name, number(one["epsilon"]), *(number(one[key]) for key in PRIVACY_COLUMNS)]
            for name, one in record["privacy"].items()
        ],
    )
