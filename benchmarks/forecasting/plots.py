"""The evaluation's record as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(record: dict[str, Any], out: Path) -> list[Path]:
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
