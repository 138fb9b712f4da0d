"""The evaluation's record as Markdown and as pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulation.files import write_atomically

SCORES = (
    ("skill", "skill"),
    ("mae_kw", "MAE kW"),
    ("rmse_kw", "RMSE kW"),
    ("pinball_kw", "pinball kW"),
    ("coverage", "coverage"),
    ("brier", "Brier"),
    ("auc", "AUC"),
    ("ece", "ECE by home"),
    ("ece_pooled", "ECE of all"),
)
Record = dict[str, Any]


def write_report(record: Record, out: Path) -> list[Path]:
    """`results.json`, `report.md` and the plots in `out`; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    files = {"results.json": json.dumps(record, indent=1), "report.md": markdown(record)}
    for name, text in files.items():
        write_atomically(out / name, text.encode())
    return [out / "report.md", out / "results.json", *draw(record, out)]


def markdown(record: Record) -> str:
    """The tables."""
    hours = record["horizons_h"]
    ends = [0, len(hours) - 1]
    lines = ["# Forecasts of net load", "", _homes_line(record), ""]
    lines += [f"Mean over {len(record['homes'])} homes; `1 h` is the next hour. Skill is against persistence.", ""]
    lines += _table(
        ["method", *(f"{label} {hours[end]} h" for _, label in SCORES for end in ends)],
        [
            [name, *(_number(found["mean"][score][end]) for score, _ in SCORES for end in ends)]
            for name, found in record["methods"].items()
        ],
    )
    for ours, others in record["differences"].items():
        lines += ["", f"MAE of `{ours}` against the others, with 95 % intervals (paired, whole weeks resampled):", ""]
        lines += _table(
            ["against", *(f"{hour} h" for hour in hours)],
            [[name, *(_interval(one) for one in found)] for name, found in others.items()],
        )
    lines += ["", "MAE 1 h / 24 h of each home [kW]:", ""]
    names = [home["name"] for home in record["homes"]]
    lines += _table(
        ["method", *names],
        [
            [method, *(_pair(found["homes"][name]["mae_kw"]) for name in names)]
            for method, found in record["methods"].items()
        ],
    )
    return "\n".join([*lines, *_extras(record)]) + "\n"


def _homes_line(record: Record) -> str:
    aside = [home["name"] for home in record["homes"] if not home["trains_with_the_others"]]
    text = f"{len(record['homes'])} homes, 70 % training, 10 % validation, 20 % test, by time."
    return text + (f" Too poor to train with the others: {', '.join(aside)}." if aside else "")


def _extras(record: Record) -> list[str]:
    lines: list[str] = []
    if "robustness" in record:
        lines += ["", "What a bad home does to the good ones (mean of all horizons):", ""]
        cases = record["robustness"]["cases"].items()
        lines += _table(["case", "change of MAE"], [[name, f"{one['change']:+.2%}"] for name, one in cases])
    for days, found in record.get("cold_start", {}).items():
        against = " / ".join(f"{value:+.1%}" for value in found["federated_against_best_local"])
        lines += [
            "",
            f"Homes that did not take part, {days} days of history; `federated` has learned nothing there:",
            "",
        ]
        lines += _table(
            ["method", *(f"MAE {hour} h kW" for hour in found["horizons_h"])],
            [[name, *(_number(value) for value in values)] for name, values in found["mae_kw"].items()],
        )
        lines += ["", f"`federated` against the best of their own, `{found['best_local']}`: {against}."]
    if "privacy" in record:
        lines += ["", "Membership inference on the released model (advantage 0: no better than a coin):", ""]
        lines += _table(
            ["model", "epsilon", "AUC", "advantage, windows", "advantage, homes", "MAE of absent homes kW"],
            [
                [name, _number(one["epsilon"]), *(_number(one[key]) for key in PRIVACY_COLUMNS)]
                for name, one in record["privacy"].items()
            ],
        )
    return lines


PRIVACY_COLUMNS = ("auc", "window_advantage", "home_advantage", "mae_kw")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _pair(values: Sequence[float | None]) -> str:
    return f"{_number(values[0])} / {_number(values[-1])}"


def _interval(one: dict[str, float]) -> str:
    return f"{one['mean']:+.1%} ({one['low']:+.1%} to {one['high']:+.1%})"


def draw(record: Record, out: Path) -> list[Path]:
    """Skill by horizon, and coverage by home."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    hours = record["horizons_h"]
    figure, axes = pyplot.subplots(1, 2, figsize=(13, 5), layout="constrained")
    for name, found in record["methods"].items():
        if name != "persistence":
            style = "-" if name.startswith("federated") else "--"
            axes[0].plot(hours, found["mean"]["skill"], style, marker="o", markersize=4, label=name)
    axes[0].set(
        xlabel="hours ahead", ylabel="skill against persistence [1]", title="Skill, mean over homes", xticks=hours
    )
    axes[0].legend(fontsize=8)
    method = "federated"
    homes = record["methods"][method]["homes"]
    for index, hour in ((0, hours[0]), (-1, hours[-1])):
        values = [one["coverage"][index] for one in homes.values()]
        axes[1].scatter(range(len(homes)), values, label=f"{hour} h ahead", s=22)
    axes[1].axhline(0.8, color="grey", linewidth=1)
    axes[1].set(ylim=(0.6, 1), ylabel="share inside the 80 % interval [1]", title=f"Coverage of {method}, by home")
    axes[1].set_xticks(range(len(homes)), list(homes), rotation=45, ha="right")
    axes[1].legend(fontsize=8)
    path = out / "skill.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return [path]
