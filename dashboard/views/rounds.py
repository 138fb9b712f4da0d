"""Federated rounds: what the buildings learn together, without showing each other their data."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, hub_data, layout, theme
from fl_server.report import RoundReport


@layout.live(layout.CHART_S)
def rounds() -> None:
    """Loss per round, the last round's participants, and all rounds."""
    found = hub_data.rounds()
    if not found:
        layout.empty(
            "No round of training yet",
            "`./microgrid up` trains shortly after start-up and each simulated night; `./microgrid train` trains now.",
        )
        return
    _numbers(found)
    with layout.card("loss"):
        st.markdown("##### Loss per round")
        st.echarts_chart(
            charts.rounds_option(found, theme.current()), height=280, key="loss", alt="Loss and samples per round"
        )
        st.caption(
            "Loss of the incoming global model on every building's held-out data, weighted by its number of samples."
        )
    _participants(found[-1])
    _models()
    _all(found)


def _numbers(found: list[RoundReport]) -> None:
    last = found[-1]
    losses = [report.loss for report in found if report.loss is not None]
    change = f"{losses[-1] - losses[-2]:+z.4f}" if len(losses) > 1 else None
    with st.grid(4, min_column_width=170):
        st.metric("Rounds", len(found), border=True, height="stretch")
        st.metric("Last loss", last.loss_text, change, delta_color="inverse", border=True, height="stretch")
        st.metric(
            "Participants", f"{len(last.participants)} of {len(hub_data.buildings())}", border=True, height="stretch"
        )
        st.metric("Samples", f"{last.num_examples:,}", border=True, height="stretch")
        if last.epsilon is not None:
            st.metric("Privacy spent (epsilon)", f"{last.epsilon:,.2f}", border=True, height="stretch")


def _models() -> None:
    released = hub_data.models()
    with layout.card("models"):
        st.markdown("##### Released models")
        if not released:
            st.caption("After the last round of a run the model is released, and its hash is anchored on the contract.")
            return
        rows = [
            {"Hash": one.model_hash, "Run": one.run_id, "At": f"{one.at.astimezone(layout.zone()):%d %b %H:%M}"}
            for one in reversed(released)
        ]
        st.dataframe(rows, hide_index=True, key="models")
        st.caption("A building uses a model only if the contract knows its hash.")


def _participants(last: RoundReport) -> None:
    names = {building.id: building.name for building in hub_data.buildings()}
    with layout.card("participants"):
        st.markdown(f"##### Round {last.round} of {last.of_rounds}")
        rows = [
            {
                "Building": names.get(one.building_id, one.building_id),
                "Samples": one.num_examples,
                "Loss before": one.loss_before,
                "Loss while training": one.train_loss,
                "Trained for [s]": one.train_seconds,
            }
            for one in last.participants
        ]
        st.dataframe(rows, hide_index=True, key="participants")
        if any(one.num_examples is None for one in last.participants):
            st.caption("Updates travelled masked: of a single building the server knows only that it took part.")
        for dropped in last.dropped:
            who = names.get(dropped.building_id, dropped.building_id)
            st.warning(layout.plain(f"Left out: {who}, because {dropped.reason}"), icon=":material/person_off:")


def _all(found: list[RoundReport]) -> None:
    rows = [
        {
            "Run": report.run_id,
            "Round": f"{report.round} of {report.of_rounds}",
            "Participants": len(report.participants),
            "Samples": report.num_examples,
            "Loss": report.loss,
            "Took [s]": round(report.seconds, 1),
            "Left out": ", ".join(dropped.building_id for dropped in report.dropped) or "\N{EN DASH}",
            "At": f"{report.at.astimezone(layout.zone()):%d %b %H:%M}",
        }
        for report in reversed(found)
    ]
    with layout.card("all"):
        st.markdown("##### All rounds")
        st.dataframe(rows, hide_index=True, key="all-rounds")


layout.head("Federated rounds")
rounds()
